"""Packed sequences: the steps of sequences of unequal length, without the padding.

A batch of captions is stored as the rows of one matrix: first the first step of every caption,
then the second step of every caption that has one, and so on. With the captions sorted by falling
length, those that are still running at a step are the first `sizes[t]` of the batch, so a step is
a slice of the matrix, and the state before it is a slice of the previous step's:

    caption 0:  a b c d                        step  0       1     2   3
    caption 1:  e f g        packed rows:            a e h   b f   c g d
    caption 2:  h            sizes:                  3       2     2   1

(The idea is that of `torch.nn.utils.rnn.PackedSequence`.)
"""

import numpy as np


def step_rows(sizes: np.ndarray) -> list[slice]:
    """Return the rows of each step.

    Parameters
    ----------
    sizes : integer array of shape (T,)
        How many sequences are running at each step, N at most; it never rises.

    Returns
    -------
    list of slice
        The rows of step t in a packed matrix.
    """
    ends = np.cumsum(sizes)
    return [slice(end - size, end) for size, end in zip(sizes, ends, strict=True)]


def previous_states(first: np.ndarray, states: np.ndarray, sizes: np.ndarray) -> list[np.ndarray]:
    """Return, for each step, the states before it of the sequences that are running.

    Parameters
    ----------
    first : array of shape (N, H)
        The states before the first step.
    states : array of shape (P, H)
        The states after each step, packed.
    sizes : integer array of shape (T,)
        How many sequences are running at each step.

    Returns
    -------
    list of T arrays of shape (sizes[t], H)
        Views of `first` and `states`.
    """
    earlier = [first, *(states[rows] for rows in step_rows(sizes)[:-1])]
    return [before[:size] for before, size in zip(earlier, sizes, strict=True)]


def pack_full(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Pack sequences that all have the same length.

    Parameters
    ----------
    x : array of shape (N, T, D)

    Returns
    -------
    rows : array of shape (T * N, D)
        A copy.
    sizes : integer array of shape (T,)
    """
    n_sequences, n_steps, width = x.shape
    return x.swapaxes(0, 1).copy().reshape(-1, width), np.full(n_steps, n_sequences)


def unpack_full(rows: np.ndarray, n_sequences: int) -> np.ndarray:
    """Undo `pack_full`.

    Parameters
    ----------
    rows : array of shape (T * N, D)
    n_sequences : int
        N.

    Returns
    -------
    array of shape (N, T, D)
        A view of `rows`.
    """
    return rows.reshape(-1, n_sequences, rows.shape[1]).swapaxes(0, 1)


def pack_captions(
    captions: np.ndarray, null: int, multiple: int = 1
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Cut captions into inputs and targets, and drop what follows the last real target of each.

    At each step the network reads a word and has to tell the next one, so the inputs are
    `captions[:, :-1]` and the targets `captions[:, 1:]`.

    Parameters
    ----------
    captions : integer array of shape (N, T + 1)
        Word ids; `<NULL>` may stand anywhere.
    null : int
        The id of `<NULL>`.
    multiple : int
        Captions that have ended go on, reading `<NULL>`, as long as their number at a step would
        not be a multiple of this, or all there are.

    Returns
    -------
    order : integer array of shape (N,)
        The captions by falling length, which is the order of the packed rows within a step.
    sizes : integer array of shape (T,)
        How many captions are running at each step.
    inputs, targets : integer arrays of shape (P,)
        Packed. A `<NULL>` among the targets stands before a real one, or where a caption that has
        ended goes on.
    """
    real = captions[:, 1:] != null
    steps = np.arange(1, real.shape[1] + 1)
    lengths = (real * steps).max(axis=1)
    order = np.argsort(-lengths, kind="stable")
    counts = (lengths >= steps[:, None]).sum(axis=1)
    sizes = np.minimum(-(-counts // multiple) * multiple, len(captions))
    running = np.arange(len(captions)) < sizes[:, None]
    by_step = captions[order].T
    return order, sizes, by_step[:-1][running], by_step[1:][running]
