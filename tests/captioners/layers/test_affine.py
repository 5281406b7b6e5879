import numpy as np
import pytest

from recap.captioners.layers import (
    affine_backward,
    affine_forward,
    temporal_affine_backward,
    temporal_affine_forward,
)


@pytest.mark.parametrize("shape", [(5, 3), (1, 6), (4, 2, 3), (1, 1)])
def test_affine_gradients(shape, normal, check_gradients):
    arrays = [normal(*shape), normal(np.prod(shape[1:]), 4), normal(4)]
    check_gradients(affine_forward, affine_backward, arrays)


@pytest.mark.parametrize("shape", [(2, 3, 4), (1, 5, 3), (3, 1, 2), (1, 1, 1)])
def test_temporal_affine_gradients(shape, normal, check_gradients):
    arrays = [normal(*shape), normal(shape[2], 5), normal(5)]
    check_gradients(temporal_affine_forward, temporal_affine_backward, arrays)


def test_temporal_affine_is_affine_at_each_step(normal):
    x, w, b = normal(2, 3, 4), normal(4, 5), normal(5)
    out, _ = temporal_affine_forward(x, w, b)
    for t in range(3):
        np.testing.assert_allclose(out[:, t], affine_forward(x[:, t], w, b)[0], rtol=1e-13)


def test_temporal_affine_takes_views(normal):
    x, w, b = normal(3, 2, 4).swapaxes(0, 1), normal(4, 5), normal(5)
    out, cache = temporal_affine_forward(x, w, b)
    np.testing.assert_allclose(out, x @ w + b, rtol=1e-13)
    dx, _, _ = temporal_affine_backward(out, cache)
    np.testing.assert_allclose(dx, out @ w.T, rtol=1e-13)
