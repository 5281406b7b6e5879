"""A student's functions, as `recap check` calls them."""

import importlib
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np


class WrongError(Exception):
    """What a function returned cannot be compared with what is right, in words."""


class Student:
    """A student's module, whose functions are called with copies of the arrays.

    Parameters
    ----------
    module : module
        As it was imported.
    tensors : bool
        Whether its functions take PyTorch's tensors, which differentiate themselves: there is no
        `cache` then, and no backward pass.

    Attributes
    ----------
    changed : dict of str to None
        The arrays that a function has changed, in order.
    """

    def __init__(self, module: ModuleType, *, tensors: bool):
        self.module = module
        self.tensors = tensors
        self.changed: dict[str, None] = {}

    def copy(self, value: Any) -> Any:
        """Return an array as the module takes it; what is no array stays."""
        if not isinstance(value, np.ndarray):
            return value
        return importlib.import_module("torch").tensor(value) if self.tensors else value.copy()

    def call(self, name: str, inputs: dict[str, Any], n_outputs: int) -> tuple:
        """Call a function and return its outputs.

        Parameters
        ----------
        name : str
            Of the function.
        inputs : dict
            In the order of its parameters.
        n_outputs : int
            How many outputs it has.

        Raises
        ------
        NotImplementedError
            If it returns nothing.
        WrongError
            If it returns another number of outputs.
        """
        given = {name: self.copy(value) for name, value in inputs.items()}
        returned = self.find(name)(*given.values())
        for array, value in inputs.items():
            if isinstance(value, np.ndarray) and not np.array_equal(value, given[array]):
                self.changed[array] = None
        return outputs_of(returned, n_outputs)

    def find(self, name: str) -> Callable:
        """Return a function or class; one that the file does not have is not implemented."""
        if not hasattr(self.module, name):
            raise NotImplementedError
        return getattr(self.module, name)


def outputs_of(returned: Any, n_outputs: int) -> tuple:
    """Return what a function returned as a tuple; see `Student.call`."""
    outputs = tuple(returned) if isinstance(returned, tuple | list) else (returned,)
    if all(output is None for output in outputs):
        raise NotImplementedError
    if len(outputs) != n_outputs:
        raise WrongError(f"it returns {len(outputs)} values, not {n_outputs}")
    return outputs


class Function(NamedTuple):
    """A function of a student's file.

    Parameters
    ----------
    check : callable
        Yields the name of an output, the student's value and the right one.
    needs : tuple of str
        The functions that it builds on.
    forward : str
        The function that makes its `cache`.
    of_every_year : bool
        Whether each year's file has it; one that not all have is passed over where it is not there.
    """

    check: Callable[[Student], Iterator[tuple[str, Any, Any]]]
    needs: tuple[str, ...] = ()
    forward: str = ""
    of_every_year: bool = True
