"""What tests of several folders share."""

from collections.abc import Callable

import numpy as np
import pytest


@pytest.fixture
def numeric_gradient() -> Callable[[Callable[[], float], np.ndarray], np.ndarray]:
    """Return a function that measures the gradient of `loss()` with respect to an array."""

    def gradient(loss: Callable[[], float], array: np.ndarray, step: float = 1e-5) -> np.ndarray:
        result = np.zeros_like(array)
        for index in np.ndindex(array.shape):
            value = array[index]
            array[index] = value + step
            above = loss()
            array[index] = value - step
            below = loss()
            array[index] = value
            result[index] = (above - below) / (2 * step)
        return result

    return gradient


@pytest.fixture
def relative_error() -> Callable[[np.ndarray, np.ndarray], float]:
    """Return a function that measures how far two arrays are apart, for their size."""

    def error(actual: np.ndarray, wanted: np.ndarray) -> float:
        assert actual.shape == wanted.shape
        return np.abs(actual - wanted).max() / max(np.abs(wanted).max(), 1e-12)

    return error
