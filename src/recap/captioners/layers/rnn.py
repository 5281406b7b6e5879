"""The vanilla recurrent network: one hidden state, rewritten at every step through a tanh.

J. L. Elman, "Finding structure in time", Cognitive Science 14 (1990); its gradient through time:
P. J. Werbos, "Backpropagation through time: what it does and how to do it", Proc. IEEE 78 (1990).
"""

import numpy as np

from recap.captioners.layers.sequence import sequence_backward, sequence_forward
from recap.captioners.packing import previous_states, step_rows


def rnn_step_forward(
    x: np.ndarray, prev_h: np.ndarray, Wx: np.ndarray, Wh: np.ndarray, b: np.ndarray
) -> tuple[np.ndarray, tuple]:
    """Run one step of the vanilla RNN.

    Parameters
    ----------
    x : array of shape (N, D)
        Input of this step; (1, D) or (D,) is every state's.
    prev_h : array of shape (N, H)
        Hidden state before it.
    Wx : array of shape (D, H)
        Weights from the input.
    Wh : array of shape (H, H)
        Weights from the previous hidden state.
    b : array of shape (H,)
        Bias.

    Returns
    -------
    next_h : array of shape (N, H)
        `tanh(x Wx + prev_h Wh + b)`.
    cache : tuple
        For `rnn_step_backward`.
    """
    next_h = prev_h @ Wh
    next_h += x @ Wx
    next_h += b
    np.tanh(next_h, out=next_h)
    return next_h, (x, prev_h, next_h, Wx, Wh)


def rnn_step_backward(
    dnext_h: np.ndarray, cache: tuple
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return the gradients of `rnn_step_forward`.

    With `a = x Wx + prev_h Wh + b` and `next_h = tanh(a)`: since `tanh' = 1 - tanh²`,
    `da = dnext_h · (1 - next_h²)`, which needs the output alone. The rest are products:
    `dx = da Wxᵀ`, `dprev_h = da Whᵀ`, `dWx = xᵀ da`, `dWh = prev_hᵀ da`, `db = Σ_n da[n]`.

    Parameters
    ----------
    dnext_h : array of shape (N, H)
        Gradient of the loss with respect to `next_h`.
    cache : tuple
        From `rnn_step_forward`.

    Returns
    -------
    dx : array of shape (N, D)
    dprev_h : array of shape (N, H)
    dWx : array of shape (D, H)
    dWh : array of shape (H, H)
    db : array of shape (H,)
    """
    x, prev_h, next_h, Wx, Wh = cache
    da = dnext_h * (1 - next_h * next_h)
    return da @ Wx.T, da @ Wh.T, x.T @ da, prev_h.T @ da, da.sum(axis=0)


def rnn_recurrence_forward(
    a: np.ndarray, sizes: np.ndarray, h0: np.ndarray, Wh: np.ndarray
) -> tuple[np.ndarray, tuple]:
    """Run the vanilla RNN over packed sequences (`recap.captioners.packing`) of projected inputs.

    Of a step `tanh(x Wx + b + prev_h Wh)` only the last product has to wait for the step before;
    the others can be computed for all steps at once, or for all words.

    Parameters
    ----------
    a : array of shape (P, H)
        `x Wx + b` of each step, packed; overwritten.
    sizes : integer array of shape (T,)
        How many sequences are running at each step: N at most, never rising, P in all.
    h0 : array of shape (N, H)
        Hidden states before the first step.
    Wh : array of shape (H, H)
        Weights from the previous hidden state.

    Returns
    -------
    h : array of shape (P, H)
        Hidden states after each step, packed, in the place of `a`.
    cache : tuple
        For `rnn_recurrence_backward`.
    """
    h = a
    prev_h = h0
    for rows in step_rows(sizes):
        next_h = h[rows]
        next_h += prev_h[: len(next_h)] @ Wh
        np.tanh(next_h, out=next_h)
        prev_h = next_h
    return h, (sizes, h0, h, Wh)


def rnn_recurrence_backward(
    dh: np.ndarray, cache: tuple
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the gradients of `rnn_recurrence_forward`, by backpropagation through time.

    A hidden state is used twice, as the step's output and by the next step, so the gradient
    that enters step t is `dh[t]` plus the `dprev_h` of step t + 1: the loop runs backwards. The
    steps share `Wh`, so its gradient is the sum over the steps of `prev_h[t]ᵀ da[t]`, which is
    one product with the steps stacked as rows.

    Parameters
    ----------
    dh : array of shape (P, H)
        Gradient of the loss with respect to each hidden state as an output, packed;
        overwritten.
    cache : tuple
        From `rnn_recurrence_forward`.

    Returns
    -------
    da : array of shape (P, H)
        In the place of `dh`.
    dh0 : array of shape (N, H)
    dWh : array of shape (H, H)
    """
    sizes, h0, h, Wh = cache
    da = dh
    dprev_h = np.zeros_like(h0)
    for rows in reversed(step_rows(sizes)):
        # A sequence that ends at this step still has the zeros of the beginning here.
        dnext_h = dprev_h[: rows.stop - rows.start]
        da[rows] += dnext_h
        da[rows] *= 1 - h[rows] * h[rows]
        np.matmul(da[rows], Wh.T, out=dnext_h)
    return da, dprev_h, np.concatenate(previous_states(h0, h, sizes)).T @ da


def rnn_forward(
    x: np.ndarray, h0: np.ndarray, Wx: np.ndarray, Wh: np.ndarray, b: np.ndarray
) -> tuple[np.ndarray, tuple]:
    """Run the vanilla RNN over sequences of one length.

    Parameters
    ----------
    x : array of shape (N, T, D)
        Inputs.
    h0 : array of shape (N, H)
        Hidden states before the first step.
    Wx : array of shape (D, H)
        Weights from the input.
    Wh : array of shape (H, H)
        Weights from the previous hidden state.
    b : array of shape (H,)
        Bias.

    Returns
    -------
    h : array of shape (N, T, H)
        `h[:, t] = tanh(x[:, t] Wx + h[:, t-1] Wh + b)`, with `h[:, -1] = h0`.
    cache : tuple
        For `rnn_backward`.
    """
    return sequence_forward(rnn_recurrence_forward, x, h0, Wx, Wh, b)


def rnn_backward(
    dh: np.ndarray, cache: tuple
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return the gradients of `rnn_forward`: those of its recurrence, then of its projection.

    Parameters
    ----------
    dh : array of shape (N, T, H)
        Gradient of the loss with respect to each hidden state as an output.
    cache : tuple
        From `rnn_forward`.

    Returns
    -------
    dx : array of shape (N, T, D)
    dh0 : array of shape (N, H)
    dWx : array of shape (D, H)
    dWh : array of shape (H, H)
    db : array of shape (H,)
    """
    return sequence_backward(rnn_recurrence_backward, dh, cache)
