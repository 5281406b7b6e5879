"""Gradients measured by moving each number a little up and a little down."""

from collections.abc import Callable
from typing import Any

import numpy as np


def eval_numerical_gradient(
    f: Callable[[np.ndarray], float], x: np.ndarray, verbose: bool = True, h: float = 1e-5
) -> np.ndarray:
    """Return the gradient of a function with one number as its value, by central differences.

    Parameters
    ----------
    f : callable
        Takes `x`.
    x : array
        Where the gradient is wanted, float64. Changed in place for each call of `f`, and put back.
    verbose : bool
        Print each place of `x` and its gradient.
    h : float
        How far each number is moved.

    Returns
    -------
    array
        Of the shape of `x`.
    """
    gradient = np.zeros_like(x)
    for place in np.ndindex(x.shape):
        above, below = _both_sides(f, x, place, h)
        gradient[place] = (above - below) / (2 * h)
        if verbose:
            print(place, gradient[place])
    return gradient


def eval_numerical_gradient_array(
    f: Callable[[np.ndarray], np.ndarray], x: np.ndarray, df: np.ndarray, h: float = 1e-5
) -> np.ndarray:
    """Return the gradient of a loss through a function with an array as its value.

    Parameters
    ----------
    f : callable
        Takes `x`, returns an array.
    x : array
        Where the gradient is wanted, float64. Changed in place for each call of `f`, and put back.
    df : array
        Gradient of the loss with respect to the value of `f`, of its shape.
    h : float
        How far each number is moved.

    Returns
    -------
    array
        Of the shape of `x`.
    """
    gradient = np.zeros_like(x)
    for place in np.ndindex(x.shape):
        above, below = _both_sides(lambda x: np.array(f(x)), x, place, h)
        gradient[place] = np.sum((above - below) * df) / (2 * h)
    return gradient


def _both_sides(f: Callable, x: np.ndarray, place: tuple, h: float) -> tuple[Any, Any]:
    """Return `f` with one number of `x` moved up and moved down."""
    value = x[place]
    x[place] = value + h
    above = f(x)
    x[place] = value - h
    below = f(x)
    x[place] = value
    return above, below


def grad_check_sparse(
    f: Callable[[np.ndarray], float],
    x: np.ndarray,
    analytic_grad: np.ndarray,
    num_checks: int = 10,
    h: float = 1e-5,
) -> None:
    """Print a few numbers of a gradient beside those measured, drawn with NumPy's generator.

    Parameters
    ----------
    f : callable
        Takes `x`, returns a number.
    x : array
        Where the gradient was computed, float64.
    analytic_grad : array
        The gradient to check, of the shape of `x`.
    num_checks : int
        How many numbers to check.
    h : float
        How far each number is moved.
    """
    for _ in range(num_checks):
        place = tuple(np.random.randint(side) for side in x.shape)  # noqa: NPY002
        above, below = _both_sides(f, x, place, h)
        measured, computed = (above - below) / (2 * h), analytic_grad[place]
        error = abs(measured - computed) / max(abs(measured) + abs(computed), 1e-300)
        print(f"numerical: {measured:f} analytic: {computed:f}, relative error: {error:e}")
