"""Checks of the values that options are given."""

import operator
import sys
from collections.abc import Mapping
from dataclasses import field, fields
from typing import Any, get_args, get_origin

from recap.core.errors import InputError

# NumPy's first generator, which the course's code draws from, takes no larger seed.
LARGEST_SEED = 2**32 - 1

# By its keyword in JSON schema, a bound in words, and how a value is held against it.
BOUNDS = {
    "minimum": ("at least", operator.ge),
    "exclusiveMinimum": ("more than", operator.gt),
    "maximum": ("at most", operator.le),
    "exclusiveMaximum": ("less than", operator.lt),
}

IN_WORDS = {
    int: "a whole number",
    float: "a finite number",
    bool: "true or false",
    str: "text",
}


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


def bounded(default: Any, **bounds: float) -> Any:
    """Return a dataclass's field of a number, with its default and bounds.

    Parameters
    ----------
    default : int or float
        Its default.
    **bounds : float
        By keywords of JSON schema: `minimum`, `exclusiveMinimum`, `maximum`, `exclusiveMaximum`.
    """
    return field(default=default, metadata=bounds)


def bounds_in_words(bounds: Mapping[str, float]) -> str:
    """Return bounds as `bounded` takes them in words, such as `at least 0 and less than 1`."""
    return " and ".join(f"{BOUNDS[keyword][0]} {bound}" for keyword, bound in bounds.items())


def require_options(options: Any) -> None:
    """Refuse values of a dataclass that are of another type than its fields, or out of bounds.

    Parameters
    ----------
    options : dataclass instance
        With fields of `int`, `float`, `bool`, `str` or `Literal`, or tuples of one of these of any
        length, with the bounds that `bounded` gave them. A whole number serves as a float, a list
        as a tuple; truths are no numbers.

    Raises
    ------
    InputError
        If a value is of another type or out of bounds, or a number is not finite.
    """
    for entry in fields(options):
        value = getattr(options, entry.name)
        if get_origin(entry.type) is not tuple:
            _require_option(entry.name, value, entry.type, entry.metadata)
            continue
        require(isinstance(value, list | tuple), entry.name, "a list", value)
        for item in value:
            _require_option(entry.name, item, get_args(entry.type)[0], entry.metadata)


def _require_option(name: str, value: Any, kind: Any, bounds: Mapping[str, float]) -> None:
    if choices := get_args(kind):
        require(value in choices, name, f"one of {', '.join(choices)}", value)
        return
    holds = isinstance(value, int | float if kind is float else kind)
    if kind is not str:
        holds = holds and isinstance(value, bool) == (kind is bool) and is_finite(value)
    require(holds, name, IN_WORDS[kind], value)
    holds = all(BOUNDS[keyword][1](value, bound) for keyword, bound in bounds.items())
    require(holds, name, bounds_in_words(bounds), value)


def is_finite(number: float) -> bool:
    """Return whether a number is one that a float can hold: neither NaN, infinite nor too large."""
    return abs(number) <= sys.float_info.max
