"""The order in which a dict of Python 2.7 gives its keys, which CS231n's vocabulary file shows.

A dict of Python 2 is a hash table that is read from its first slot to its last. The order of its
keys follows from their hashes, the table's size, and the order in which they came. Here is what
CPython 2.7 does on 64-bit machines without hash randomization, its default (`Objects/dictobject.c`,
`Objects/unicodeobject.c`).
"""

from collections.abc import Iterable

MASK = (1 << 64) - 1


def python2_hash(text: str) -> int:
    """Return Python 2.7's hash of a text, as 64 bits without a sign.

    Parameters
    ----------
    text : str
        Of any characters; those of plain ASCII have the same hash as bytes and as unicode.
    """
    if not text:
        return 0
    value = ord(text[0]) << 7
    for character in text:
        value = (1_000_003 * value & MASK) ^ ord(character)
    value ^= len(text)
    # A hash of -1 means an error in C, so that Python takes -2 in its place.
    return value if value != MASK else MASK - 1


def python2_order(keys: Iterable[str]) -> list[str]:
    """Return distinct keys in the order in which a dict of Python 2.7 gives them.

    Parameters
    ----------
    keys : iterable of str
        In the order in which they are put into an empty dict, one after the other.
    """
    table: list[str | None] = [None] * 8
    for used, key in enumerate(keys, start=1):
        _insert(table, key)
        # The table grows when two thirds are full: fourfold, and once it is large, twofold.
        if 3 * used >= 2 * len(table):
            size = 8
            while size <= used * (2 if used > 50_000 else 4):
                size *= 2
            grown: list[str | None] = [None] * size
            for old in table:
                if old is not None:
                    _insert(grown, old)
            table = grown
    return [key for key in table if key is not None]


def _insert(table: list[str | None], key: str) -> None:
    """Put a key that is not there yet into the first free slot of its probe sequence."""
    slot = perturb = python2_hash(key)
    last = len(table) - 1
    while table[slot & last] is not None:
        slot = 5 * slot + perturb + 1
        perturb >>= 5
    table[slot & last] = key
