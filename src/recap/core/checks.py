"""Checks of the values that options are given."""

import sys
from dataclasses import fields
from typing import Any, get_args

from recap.core.errors import InputError

# NumPy's first generator, which the course's code draws from, takes no larger seed.
LARGEST_SEED = 2**32 - 1

IN_WORDS = {int: "a whole number", float: "a finite number", bool: "true or false"}


def require(holds: bool, name: str, wanted: str, value: Any) -> None:
    """Refuse an option's value that is out of range.

    Parameters
    ----------
    holds : bool
        Whether the value is in range. State the range positively, so that NaN is outside.
    name : str
        The option's name.
    wanted : str
        The range in words, such as `at least 1`.
    value
        What was given.

    Raises
    ------
    InputError
        If it does not hold.
    """
    if not holds:
        raise InputError(f"`{name}` must be {wanted}, not {value!r}.")


def require_seed(seed: int, name: str = "seed") -> None:
    """Refuse a seed that some generator would not take.

    Parameters
    ----------
    seed : int
        What was given.
    name : str
        The option's name.

    Raises
    ------
    InputError
        If it is negative or above `LARGEST_SEED`.
    """
    require(0 <= seed <= LARGEST_SEED, name, f"at least 0 and at most {LARGEST_SEED}", seed)


def require_types(options: Any) -> None:
    """Refuse values of a dataclass that are of another type than its fields.

    Parameters
    ----------
    options : dataclass instance
        With fields of `int`, `float`, `bool` or `Literal`. A whole number serves as a float;
        truths are no numbers.

    Raises
    ------
    InputError
        If a value is of another type, or a number is not finite.
    """
    for field in fields(options):
        value = getattr(options, field.name)
        if choices := get_args(field.type):
            require(value in choices, field.name, f"one of {', '.join(choices)}", value)
            continue
        types = int | float if field.type is float else field.type
        holds = isinstance(value, types) and isinstance(value, bool) == (field.type is bool)
        holds = holds and is_finite(value)
        require(holds, field.name, IN_WORDS[field.type], value)


def is_finite(number: float) -> bool:
    """Return whether a number is one that a float can hold: neither NaN, infinite nor too large."""
    return abs(number) <= sys.float_info.max
