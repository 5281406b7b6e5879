"""The layers of CS231n's second assignment that its captioning networks use."""

import numpy as np

from recap.captioners.layers import affine_backward, affine_forward, cross_entropy

__all__ = [
    "affine_backward",
    "affine_forward",
    "np",
    "relu_backward",
    "relu_forward",
    "softmax_loss",
]


def relu_forward(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Replace negative numbers by zero.

    Parameters
    ----------
    x : array

    Returns
    -------
    out : array
        `max(x, 0)`, of the shape of `x`.
    cache : array
        For `relu_backward`.
    """
    return np.maximum(x, 0), x


def relu_backward(dout: np.ndarray, cache: np.ndarray) -> np.ndarray:
    """Return the gradient of `relu_forward`: that of `out` where `x` is positive, else zero.

    Parameters
    ----------
    dout : array
        Gradient of the loss with respect to `out`.
    cache : array
        From `relu_forward`.

    Returns
    -------
    dx : array
    """
    return dout * (cache > 0)


def softmax_loss(x: np.ndarray, y: np.ndarray) -> tuple[float, np.ndarray]:
    """Return the mean softmax cross-entropy of rows of scores, and its gradient.

    Parameters
    ----------
    x : array of shape (N, C)
        Scores of each class.
    y : integer array of shape (N,)
        The true class of each row.

    Returns
    -------
    loss : float
        In nats a row.
    dx : array of shape (N, C)
        Gradient of the loss with respect to `x`.
    """
    return cross_entropy(x.copy(), y, np.full(len(x), 1 / len(x), x.dtype))
