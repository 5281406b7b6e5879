"""Word vectors: a table with a trained row for each word."""

import numpy as np
from scipy.sparse import csr_array


def word_embedding_forward(
    x: np.ndarray, W: np.ndarray, out: np.ndarray | None = None
) -> tuple[np.ndarray, tuple]:
    """Look up the vector of each word.

    This is the product of the words' one-hot vectors with `W`, without the multiplications by zero.

    Parameters
    ----------
    x : integer array of shape (N, T), or any other
        Word ids, each in `0 <= id < V`.
    W : array of shape (V, D)
        The vector of each word.
    out : array of shape (N, T, D), optional
        Where to write the result; an id outside of `W` is then not noticed.

    Returns
    -------
    out : array of shape (N, T, D)
        `out[n, t] = W[x[n, t]]`.
    cache : tuple
        For `word_embedding_backward`.
    """
    # Without `clip`, NumPy would fill memory of its own first, to keep `out` whole on an error.
    vectors = W[x] if out is None else np.take(W, x, axis=0, out=out, mode="clip")
    return vectors, (x, W.shape)


def word_embedding_backward(dout: np.ndarray, cache: tuple) -> np.ndarray:
    """Return the gradient of `word_embedding_forward` with respect to the word vectors.

    A row of `W` is used wherever its word occurs, so its gradient is the sum of `dout` over those
    places: `dW[v] = Σ_{n,t: x[n,t]=v} dout[n, t]`. In matrices, `out = X W` with the one-hot rows
    `X` of the words gives `dW = Xᵀ dout`; a sparse `X` holds nothing but its ones, and the product
    adds whole rows, many times as fast as `np.add.at`.

    Parameters
    ----------
    dout : array of shape (N, T, D)
        Gradient of the loss with respect to `out`.
    cache : tuple
        From `word_embedding_forward`.

    Returns
    -------
    dW : array of shape (V, D)
        Zero in the rows of words that did not occur.
    """
    x, (n_words, width) = cache
    ones = np.ones(x.size, dtype=dout.dtype)
    one_hot = csr_array((ones, x.reshape(-1), np.arange(x.size + 1)), shape=(x.size, n_words))
    return one_hot.T @ dout.reshape(x.size, width)
