"""The affine (fully connected) layer: a product with a matrix, and a bias."""

import numpy as np


def affine_forward(
    x: np.ndarray, w: np.ndarray, b: np.ndarray, out: np.ndarray | None = None
) -> tuple[np.ndarray, tuple]:
    """Map each example to `x w + b`.

    Parameters
    ----------
    x : array of shape (N, d_1, ..., d_k)
        Examples; each is flattened to a row of `D = d_1 · ... · d_k` numbers.
    w : array of shape (D, M)
        Weights.
    b : array of shape (M,)
        Bias, added to every row.
    out : array of shape (N, M), optional
        Where to write the result.

    Returns
    -------
    out : array of shape (N, M)
        `out[n, m] = Σ_d x[n, d] w[d, m] + b[m]`.
    cache : tuple
        For `affine_backward`.
    """
    out = np.matmul(x.reshape(len(x), len(w)), w, out=out)
    out += b
    return out, (x, w)


def affine_backward(
    dout: np.ndarray, cache: tuple, out: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the gradients of `affine_forward`.

    `out = x w + b` is a product, so `dx = dout wᵀ` and `dw = xᵀ dout`; `b` is added to each of
    the N rows, so `db` is the sum of the rows of `dout`.

    Parameters
    ----------
    dout : array of shape (N, M)
        Gradient of the loss with respect to `out`.
    cache : tuple
        From `affine_forward`.
    out : array of shape (N, D), optional
        Where to write `dx`.

    Returns
    -------
    dx : array of shape (N, d_1, ..., d_k)
    dw : array of shape (D, M)
    db : array of shape (M,)
    """
    x, w = cache
    dx = np.matmul(dout, w.T, out=out).reshape(x.shape)
    dw = x.reshape(len(x), len(w)).T @ dout
    return dx, dw, dout.sum(axis=0)


def temporal_affine_forward(
    x: np.ndarray, w: np.ndarray, b: np.ndarray
) -> tuple[np.ndarray, tuple]:
    """Apply one affine layer at every step of every sequence.

    The steps share `w` and `b`, so the N·T vectors are the rows of one matrix and need one product.

    Parameters
    ----------
    x : array of shape (N, T, D)
        Sequences of vectors.
    w : array of shape (D, M)
        Weights.
    b : array of shape (M,)
        Bias.

    Returns
    -------
    out : array of shape (N, T, M)
        `out[n, t] = x[n, t] w + b`.
    cache : tuple
        For `temporal_affine_backward`.
    """
    n_sequences, n_steps, width = x.shape
    out, cache = affine_forward(x.reshape(n_sequences * n_steps, width), w, b)
    return out.reshape(n_sequences, n_steps, len(b)), cache


def temporal_affine_backward(
    dout: np.ndarray, cache: tuple
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the gradients of `temporal_affine_forward`.

    Those of an affine layer on N·T rows: `dw` and `db` sum over sequences and steps.

    Parameters
    ----------
    dout : array of shape (N, T, M)
        Gradient of the loss with respect to `out`.
    cache : tuple
        From `temporal_affine_forward`.

    Returns
    -------
    dx : array of shape (N, T, D)
    dw : array of shape (D, M)
    db : array of shape (M,)
    """
    n_sequences, n_steps, width = dout.shape
    dx, dw, db = affine_backward(dout.reshape(n_sequences * n_steps, width), cache)
    return dx.reshape(n_sequences, n_steps, len(dw)), dw, db
