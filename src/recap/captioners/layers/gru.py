"""The GRU: a recurrent network whose gates reset and keep its one state.

K. Cho et al., "Learning phrase representations using RNN encoder-decoder for statistical machine
translation", EMNLP 2014. There the reset gate is applied before the product, `(r · prev_h) Wh`;
here after it, `r · (prev_h Wh)`, as in PyTorch, cuDNN and Keras: a step then needs one product for
all three blocks, the gradient of the weights one product for all steps, and PyTorch's own layer is
an oracle for both.

The weights have 3H columns, H for each of the reset gate r, the update gate z and the candidate n,
**in this order**, which is PyTorch's. (PyTorch has a second bias, on the hidden state's side; here
it is zero, so that there is one, as in CS231n's other cells.)
"""

import numpy as np

from recap.captioners.layers.lstm import sigmoid
from recap.captioners.layers.sequence import sequence_backward, sequence_forward
from recap.captioners.packing import previous_states, step_rows


def _cell_forward(a: np.ndarray, u: np.ndarray, prev_h: np.ndarray) -> np.ndarray:
    """Turn `a`, the inputs' part (N, 3H), into the gates, in place, and return `next_h`.

    `u` is the hidden states' part, `prev_h Wh` (N, 3H).
    """
    n_units = prev_h.shape[1]
    a[:, : 2 * n_units] += u[:, : 2 * n_units]
    sigmoid(a[:, : 2 * n_units], out=a[:, : 2 * n_units])
    r, z, n = np.split(a, 3, axis=1)
    n += r * u[:, 2 * n_units :]
    np.tanh(n, out=n)
    return n + z * (prev_h - n)


def _cell_backward(
    dnext_h: np.ndarray,
    gates: np.ndarray,
    u_n: np.ndarray,
    prev_h: np.ndarray,
    da: np.ndarray,
    du: np.ndarray,
) -> np.ndarray:
    """Write the gradients of `a` and `u` (N, 3H), and return that of `prev_h` beside `u`."""
    r, z, n = np.split(gates, 3, axis=1)
    dr, dz, dn = np.split(da, 3, axis=1)
    np.multiply(dnext_h, (1 - z) * (1 - n * n), out=dn)
    np.multiply(dn, u_n * r * (1 - r), out=dr)
    np.multiply(dnext_h, (prev_h - n) * z * (1 - z), out=dz)
    du[:] = da
    du[:, 2 * r.shape[1] :] *= r
    return dnext_h * z


def gru_step_forward(
    x: np.ndarray, prev_h: np.ndarray, Wx: np.ndarray, Wh: np.ndarray, b: np.ndarray
) -> tuple[np.ndarray, tuple]:
    """Run one step of the GRU.

    `a = x Wx + b` and `u = prev_h Wh` are cut into three blocks of H columns. The gates are
    `r, z = sigmoid(a_r + u_r), sigmoid(a_z + u_z)`, the candidate is `n = tanh(a_n + r · u_n)`, and
    the state moves towards it as far as z lets it: `next_h = (1 - z) · n + z · prev_h`.

    Parameters
    ----------
    x : array of shape (N, D)
        Input of this step; (1, D) or (D,) is every state's.
    prev_h : array of shape (N, H)
        Hidden state before it.
    Wx : array of shape (D, 3H)
        Weights from the input.
    Wh : array of shape (H, 3H)
        Weights from the previous hidden state.
    b : array of shape (3H,)
        Bias.

    Returns
    -------
    next_h : array of shape (N, H)
        Hidden state after the step.
    cache : tuple
        For `gru_step_backward`.
    """
    u = prev_h @ Wh
    gates = np.empty_like(u)
    gates[:] = x @ Wx + b
    next_h = _cell_forward(gates, u, prev_h)
    return next_h, (x, prev_h, gates, u[:, 2 * prev_h.shape[1] :], Wx, Wh)


def gru_step_backward(
    dnext_h: np.ndarray, cache: tuple
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return the gradients of `gru_step_forward`.

    From the end: `next_h = n + z · (prev_h - n)` gives `dn = dnext_h · (1 - z)`,
    `dz = dnext_h · (prev_h - n)` and the direct way back, `dnext_h · z`. Then
    `n = tanh(a_n + r · u_n)` gives `da_n = dn · (1 - n²)`, `dr = da_n · u_n` and `du_n = da_n · r`:
    only in the candidate do `a` and `u` have different gradients. The sigmoids give
    `da_r = dr · r · (1 - r)` and `da_z` likewise, and the two products the rest.

    Parameters
    ----------
    dnext_h : array of shape (N, H)
        Gradient of the loss with respect to `next_h`.
    cache : tuple
        From `gru_step_forward`.

    Returns
    -------
    dx : array of shape (N, D)
    dprev_h : array of shape (N, H)
    dWx : array of shape (D, 3H)
    dWh : array of shape (H, 3H)
    db : array of shape (3H,)
    """
    x, prev_h, gates, u_n, Wx, Wh = cache
    da, du = np.empty_like(gates), np.empty_like(gates)
    direct = _cell_backward(dnext_h, gates, u_n, prev_h, da, du)
    return da @ Wx.T, direct + du @ Wh.T, x.T @ da, prev_h.T @ du, da.sum(axis=0)


def gru_recurrence_forward(
    a: np.ndarray, sizes: np.ndarray, h0: np.ndarray, Wh: np.ndarray
) -> tuple[np.ndarray, tuple]:
    """Run the GRU over packed sequences (see `recap.captioners.packing`) of projected inputs.

    Parameters
    ----------
    a : array of shape (P, 3H)
        `x Wx + b` of each step, packed; overwritten.
    sizes : integer array of shape (T,)
        How many sequences are running at each step: N at most, never rising, P in all.
    h0 : array of shape (N, H)
        Hidden states before the first step.
    Wh : array of shape (H, 3H)
        Weights from the previous hidden state.

    Returns
    -------
    h : array of shape (P, H)
        Hidden states after each step, packed.
    cache : tuple
        For `gru_recurrence_backward`.
    """
    gates, n_units = a, h0.shape[1]
    h, u_n = (np.empty((len(a), n_units), dtype=a.dtype) for _ in range(2))
    prev_h = h0
    for rows in step_rows(sizes):
        prev_h = prev_h[: rows.stop - rows.start]
        u = prev_h @ Wh
        h[rows], u_n[rows] = _cell_forward(gates[rows], u, prev_h), u[:, 2 * n_units :]
        prev_h = h[rows]
    return h, (sizes, h0, h, u_n, gates, Wh)


def gru_recurrence_backward(
    dh: np.ndarray, cache: tuple
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the gradients of `gru_recurrence_forward`, by backpropagation through time.

    As in `rnn_recurrence_backward`: what enters step t is `dh[t]` plus what step t + 1 passes
    back, and `dWh` is one product over all steps, with the gradient of `prev_h Wh`.

    Parameters
    ----------
    dh : array of shape (P, H)
        Gradient of the loss with respect to each hidden state as an output, packed.
    cache : tuple
        From `gru_recurrence_forward`.

    Returns
    -------
    da : array of shape (P, 3H)
    dh0 : array of shape (N, H)
    dWh : array of shape (H, 3H)
    """
    sizes, h0, h, u_n, gates, Wh = cache
    da, du = np.empty_like(gates), np.empty_like(gates)
    dprev_h = np.zeros_like(h0)
    prev_hs = previous_states(h0, h, sizes)
    for rows, prev_h in zip(reversed(step_rows(sizes)), reversed(prev_hs), strict=True):
        # A sequence that ends at this step still has the zeros of the beginning here.
        dnext_h = dprev_h[: len(prev_h)]
        dnext_h += dh[rows]
        dnext_h[:] = _cell_backward(dnext_h, gates[rows], u_n[rows], prev_h, da[rows], du[rows])
        dnext_h += du[rows] @ Wh.T
    return da, dprev_h, np.concatenate(prev_hs).T @ du


def gru_forward(
    x: np.ndarray, h0: np.ndarray, Wx: np.ndarray, Wh: np.ndarray, b: np.ndarray
) -> tuple[np.ndarray, tuple]:
    """Run the GRU over sequences of one length.

    Parameters
    ----------
    x : array of shape (N, T, D)
        Inputs.
    h0 : array of shape (N, H)
        Hidden states before the first step.
    Wx : array of shape (D, 3H)
        Weights from the input.
    Wh : array of shape (H, 3H)
        Weights from the previous hidden state.
    b : array of shape (3H,)
        Bias.

    Returns
    -------
    h : array of shape (N, T, H)
        Hidden states after each step, each that of `gru_step_forward` from the one before.
    cache : tuple
        For `gru_backward`.
    """
    return sequence_forward(gru_recurrence_forward, x, h0, Wx, Wh, b)


def gru_backward(
    dh: np.ndarray, cache: tuple
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return the gradients of `gru_forward`: those of its recurrence, then of its projection.

    Parameters
    ----------
    dh : array of shape (N, T, H)
        Gradient of the loss with respect to each hidden state as an output.
    cache : tuple
        From `gru_forward`.

    Returns
    -------
    dx : array of shape (N, T, D)
    dh0 : array of shape (N, H)
    dWx : array of shape (D, 3H)
    dWh : array of shape (H, 3H)
    db : array of shape (3H,)
    """
    return sequence_backward(gru_recurrence_backward, dh, cache)
