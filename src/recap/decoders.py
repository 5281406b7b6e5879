"""The names of decoders."""

import re

from recap.errors import InputError


def beam_width(decoder: str) -> int:
    """Return the width that a decoder's name says; 1 for `greedy`.

    Parameters
    ----------
    decoder : str
        `greedy`, or `beam` and a width.

    Raises
    ------
    InputError
        If the name says neither.
    """
    match = re.fullmatch(r"greedy|beam([1-9]\d*)", decoder)
    if match is None:
        raise InputError(f"There is no decoder {decoder!r}: give greedy, or beam3 and the like.")
    return int(match[1] or 1)
