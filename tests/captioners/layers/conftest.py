"""The gradient check that every layer undergoes."""

from collections.abc import Callable

import numpy as np
import pytest


@pytest.fixture
def check_gradients(numeric_gradient, relative_error) -> Callable:
    """Return a function that holds a layer's backward pass against central differences.

    The loss is the product of the outputs with random weights, which are then the gradient of
    the outputs.
    """

    def check(forward, backward, arrays: list[np.ndarray], fixed: tuple = ()) -> None:
        *outputs, cache = forward(*fixed, *arrays)
        generator = np.random.default_rng(1)
        weights = [generator.standard_normal(output.shape) for output in outputs]

        def loss() -> float:
            *outputs, _ = forward(*fixed, *arrays)
            return sum(np.sum(out * weight) for out, weight in zip(outputs, weights, strict=True))

        before = [array.copy() for array in arrays]
        gradients = backward(*weights, cache)
        if isinstance(gradients, np.ndarray):
            gradients = (gradients,)
        for array, gradient in zip(arrays, gradients, strict=True):
            assert relative_error(gradient, numeric_gradient(loss, array)) < 1e-7
        for array, copy in zip(arrays, before, strict=True):
            np.testing.assert_array_equal(array, copy)

    return check


@pytest.fixture
def spaced() -> Callable[..., np.ndarray]:
    """Return a function that fills an array with evenly spaced numbers, as CS231n's checks do."""

    def fill(start: float, stop: float, *shape: int) -> np.ndarray:
        return np.linspace(start, stop, num=np.prod(shape)).reshape(shape)

    return fill
