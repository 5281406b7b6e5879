"""Sequences of one length through a recurrence, whatever its cell."""

from collections.abc import Callable

import numpy as np

from recap.captioners.layers.affine import affine_backward, affine_forward
from recap.captioners.packing import pack_full, unpack_full


def sequence_forward(
    recurrence_forward: Callable,
    x: np.ndarray,
    h0: np.ndarray,
    Wx: np.ndarray,
    Wh: np.ndarray,
    b: np.ndarray,
) -> tuple[np.ndarray, tuple]:
    """Project the inputs (N, T, D) of all steps at once, then run the recurrence over them."""
    rows, sizes = pack_full(x)
    a, projection = affine_forward(rows, Wx, b)
    h, recurrence = recurrence_forward(a, sizes, h0, Wh)
    return unpack_full(h, len(x)), (projection, recurrence)


def sequence_backward(
    recurrence_backward: Callable, dh: np.ndarray, cache: tuple
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return the gradients of x, h0, Wx, Wh and b: those of the recurrence, then of the rest."""
    projection, recurrence = cache
    da, dh0, dWh = recurrence_backward(pack_full(dh)[0], recurrence)
    dx, dWx, db = affine_backward(da, projection)
    return unpack_full(dx, len(dh)), dh0, dWx, dWh, db
