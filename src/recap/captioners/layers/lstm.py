"""The LSTM: a recurrent network with a memory that gates write, keep and read.

S. Hochreiter and J. Schmidhuber, "Long short-term memory", Neural Computation 9 (1997); the forget
gate: F. A. Gers, J. Schmidhuber and F. Cummins, "Learning to forget", Neural Computation 12 (2000).

Everything about the gates is computed side by side: the weights have 4H columns, H for each of the
input gate i, the forget gate f, the output gate o and the candidate g, **in this order**, which is
CS231n's. (PyTorch's is i, f, g, o, with a bias for the input and another for the hidden state.)
"""

import numpy as np

from recap.captioners.layers.sequence import sequence_backward, sequence_forward
from recap.captioners.packing import previous_states, step_rows


def sigmoid(x: np.ndarray, out: np.ndarray | None = None) -> np.ndarray:
    """Return the logistic function `1 / (1 + exp(-x))`.

    Computed as `(1 + tanh(x/2)) / 2`, which is the same and cannot overflow: multiply numerator
    and denominator of `1 / (1 + exp(-x))` by `exp(x/2)`. Its derivative is
    `sigmoid(x) · (1 - sigmoid(x))`.

    Parameters
    ----------
    x : array
        Real numbers of any size.
    out : array, optional
        Where to write the result; may be `x` itself.

    Returns
    -------
    array
        Of the shape and dtype of `x`, between 0 and 1. The error is absolute, about the dtype's
        epsilon: results much smaller than it are rounded to zero.
    """
    out = np.multiply(x, 0.5, out=out)
    np.tanh(out, out=out)
    out *= 0.5
    out += 0.5
    return out


def _cell_forward(a: np.ndarray, prev_c: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Turn `a` (N, 4H) into the gates, in place, and return `next_h` and `next_c`."""
    n_units = prev_c.shape[1]
    sigmoid(a[:, : 3 * n_units], out=a[:, : 3 * n_units])
    np.tanh(a[:, 3 * n_units :], out=a[:, 3 * n_units :])
    i, f, o, g = np.split(a, 4, axis=1)
    next_c = f * prev_c
    next_c += i * g
    return o * np.tanh(next_c), next_c


def _cell_backward(
    dnext_h: np.ndarray,
    dnext_c: np.ndarray,
    gates: np.ndarray,
    prev_c: np.ndarray,
    next_c: np.ndarray,
    da: np.ndarray,
) -> np.ndarray:
    """Write the gradient of `a` into `da` (N, 4H) and return `dprev_c` (N, H)."""
    n_units = prev_c.shape[1]
    i, f, o, g = np.split(gates, 4, axis=1)
    di, df, do, dg = np.split(da, 4, axis=1)
    tanh_c = np.tanh(next_c)
    dc = dnext_c + dnext_h * o * (1 - tanh_c * tanh_c)
    np.multiply(dc, g, out=di)
    np.multiply(dc, prev_c, out=df)
    np.multiply(dnext_h, tanh_c, out=do)
    np.multiply(dc, i, out=dg)
    ifo = gates[:, : 3 * n_units]
    da[:, : 3 * n_units] *= ifo * (1 - ifo)
    dg *= 1 - g * g
    return dc * f


def lstm_step_forward(
    x: np.ndarray,
    prev_h: np.ndarray,
    prev_c: np.ndarray,
    Wx: np.ndarray,
    Wh: np.ndarray,
    b: np.ndarray,
) -> tuple[np.ndarray, np.ndarray, tuple]:
    """Run one step of the LSTM.

    `a = x Wx + prev_h Wh + b` is cut into four blocks of H columns, which become the gates
    `i, f, o = sigmoid(a_i), sigmoid(a_f), sigmoid(a_o)` and the candidate `g = tanh(a_g)`.
    The memory forgets and is written to, `next_c = f · prev_c + i · g`, and is read through the
    output gate, `next_h = o · tanh(next_c)`.

    Parameters
    ----------
    x : array of shape (N, D)
        Input of this step; (1, D) or (D,) is every state's.
    prev_h : array of shape (N, H)
        Hidden state before it.
    prev_c : array of shape (N, H)
        Cell state (the memory) before it.
    Wx : array of shape (D, 4H)
        Weights from the input.
    Wh : array of shape (H, 4H)
        Weights from the previous hidden state.
    b : array of shape (4H,)
        Bias.

    Returns
    -------
    next_h : array of shape (N, H)
        Hidden state after the step.
    next_c : array of shape (N, H)
        Cell state after the step.
    cache : tuple
        For `lstm_step_backward`.
    """
    gates = prev_h @ Wh
    gates += x @ Wx
    gates += b
    next_h, next_c = _cell_forward(gates, prev_c)
    return next_h, next_c, (x, prev_h, prev_c, gates, next_c, Wx, Wh)


def lstm_step_backward(
    dnext_h: np.ndarray, dnext_c: np.ndarray, cache: tuple
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return the gradients of `lstm_step_forward`.

    From the end: `next_h = o · tanh(next_c)` gives `do = dnext_h · tanh(next_c)` and adds a second
    path to the memory, `dc = dnext_c + dnext_h · o · (1 - tanh²(next_c))`. Then
    `next_c = f · prev_c + i · g` gives `df = dc · prev_c`, `di = dc · g`, `dg = dc · i` and
    `dprev_c = dc · f`: along the memory the gradient is only scaled by `f`, which is why it lives
    longer than a vanilla RNN's. Through `sigmoid' = s (1 - s)` and `tanh' = 1 - tanh²` to
    `da = [di · i(1-i), df · f(1-f), do · o(1-o), dg · (1-g²)]`, and from there the products of
    `rnn_step_backward`.

    Parameters
    ----------
    dnext_h : array of shape (N, H)
        Gradient of the loss with respect to `next_h`.
    dnext_c : array of shape (N, H)
        Gradient of the loss with respect to `next_c`, not counting the path through `next_h`.
    cache : tuple
        From `lstm_step_forward`.

    Returns
    -------
    dx : array of shape (N, D)
    dprev_h : array of shape (N, H)
    dprev_c : array of shape (N, H)
    dWx : array of shape (D, 4H)
    dWh : array of shape (H, 4H)
    db : array of shape (4H,)
    """
    x, prev_h, prev_c, gates, next_c, Wx, Wh = cache
    da = np.empty_like(gates)
    dprev_c = _cell_backward(dnext_h, dnext_c, gates, prev_c, next_c, da)
    return da @ Wx.T, da @ Wh.T, dprev_c, x.T @ da, prev_h.T @ da, da.sum(axis=0)


def lstm_recurrence_forward(
    a: np.ndarray, sizes: np.ndarray, h0: np.ndarray, Wh: np.ndarray
) -> tuple[np.ndarray, tuple]:
    """Run the LSTM over packed sequences (see `recap.captioners.packing`) of projected inputs.

    The memory starts empty. Of a step's `x Wx + b + prev_h Wh` only the last product has to wait
    for the step before; the others can be computed for all steps at once, or for all words.

    Parameters
    ----------
    a : array of shape (P, 4H)
        `x Wx + b` of each step, packed; overwritten.
    sizes : integer array of shape (T,)
        How many sequences are running at each step: N at most, never rising, P in all.
    h0 : array of shape (N, H)
        Hidden states before the first step.
    Wh : array of shape (H, 4H)
        Weights from the previous hidden state.

    Returns
    -------
    h : array of shape (P, H)
        Hidden states after each step, packed.
    cache : tuple
        For `lstm_recurrence_backward`.
    """
    gates = a
    h, c = (np.empty((len(a), h0.shape[1]), dtype=a.dtype) for _ in range(2))
    prev_h, prev_c = h0, np.zeros_like(h0)
    for rows in step_rows(sizes):
        size = rows.stop - rows.start
        gates[rows] += prev_h[:size] @ Wh
        h[rows], c[rows] = _cell_forward(gates[rows], prev_c[:size])
        prev_h, prev_c = h[rows], c[rows]
    return h, (sizes, h0, h, c, gates, Wh)


def lstm_recurrence_backward(
    dh: np.ndarray, cache: tuple
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the gradients of `lstm_recurrence_forward`, by backpropagation through time.

    As in `rnn_recurrence_backward`: what enters step t is `dh[t]` plus what step t + 1 passes
    back, here to the hidden state and to the memory, and `dWh` is one product over all steps.

    Parameters
    ----------
    dh : array of shape (P, H)
        Gradient of the loss with respect to each hidden state as an output, packed.
    cache : tuple
        From `lstm_recurrence_forward`.

    Returns
    -------
    da : array of shape (P, 4H)
    dh0 : array of shape (N, H)
    dWh : array of shape (H, 4H)
    """
    sizes, h0, h, c, gates, Wh = cache
    da = np.empty_like(gates)
    dprev_h, dprev_c = np.zeros_like(h0), np.zeros_like(h0)
    prev_cs = previous_states(np.zeros_like(h0), c, sizes)
    for rows, prev_c in zip(reversed(step_rows(sizes)), reversed(prev_cs), strict=True):
        # A sequence that ends at this step still has the zeros of the beginning here.
        dnext_h, dnext_c = dprev_h[: len(prev_c)], dprev_c[: len(prev_c)]
        dnext_h += dh[rows]
        dnext_c[:] = _cell_backward(dnext_h, dnext_c, gates[rows], prev_c, c[rows], da[rows])
        np.matmul(da[rows], Wh.T, out=dnext_h)
    return da, dprev_h, np.concatenate(previous_states(h0, h, sizes)).T @ da


def lstm_forward(
    x: np.ndarray, h0: np.ndarray, Wx: np.ndarray, Wh: np.ndarray, b: np.ndarray
) -> tuple[np.ndarray, tuple]:
    """Run the LSTM over sequences of one length, from an empty memory.

    Parameters
    ----------
    x : array of shape (N, T, D)
        Inputs.
    h0 : array of shape (N, H)
        Hidden states before the first step; the cell states are zero.
    Wx : array of shape (D, 4H)
        Weights from the input.
    Wh : array of shape (H, 4H)
        Weights from the previous hidden state.
    b : array of shape (4H,)
        Bias.

    Returns
    -------
    h : array of shape (N, T, H)
        Hidden states after each step, each that of `lstm_step_forward` from the one before.
    cache : tuple
        For `lstm_backward`.
    """
    return sequence_forward(lstm_recurrence_forward, x, h0, Wx, Wh, b)


def lstm_backward(
    dh: np.ndarray, cache: tuple
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return the gradients of `lstm_forward`: those of its recurrence, then of its projection.

    Parameters
    ----------
    dh : array of shape (N, T, H)
        Gradient of the loss with respect to each hidden state as an output.
    cache : tuple
        From `lstm_forward`.

    Returns
    -------
    dx : array of shape (N, T, D)
    dh0 : array of shape (N, H)
    dWx : array of shape (D, 4H)
    dWh : array of shape (H, 4H)
    db : array of shape (4H,)
    """
    return sequence_backward(lstm_recurrence_backward, dh, cache)
