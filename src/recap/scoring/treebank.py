"""Cut captions into the words that caption scores count, as the Java tool of coco-caption does.

The tool follows the conventions of the Penn Treebank (M. Marcus et al., "Building a large
annotated corpus of English: the Penn Treebank", 1993), in lower case and with the punctuation left
out. What it does beyond them was found by giving it text and looking at what came back: this is
not a translation of it. docs/scores.md says how far the two agree.
"""

import re
from string import ascii_lowercase

from recap.scoring.treebank_tokens import (
    ABBREVIATIONS,
    HYPHENS,
    KINDS,
    MERGED,
    WITH_CAPITAL,
    readable,
)

# Tokens that no score counts.
PUNCTUATION = frozenset([*"'`.?!,:;-", "''", "``", "--", "...", *HYPHENS])

# Most captions are nothing but words, commas and a last period.
PLAIN = re.compile(
    r"\s*+(?:[a-z]++(?:-[a-z]++)*+(?:,?+\s++|,?+$|(?=\.)))*+\.?+\s*+", re.IGNORECASE | re.ASCII
)
PLAIN_WORD = re.compile(r"[a-z-]+")
# Plain words that need a closer look: those that are two, and those that keep a last period, as
# the last word of a caption may be, but no other. Only "a" is too frequent to look at anywhere.
NOT_PLAIN = frozenset(
    [*MERGED, *ABBREVIATIONS, *map(str.lower, WITH_CAPITAL), *ascii_lowercase[1:]]
)
# A word with nothing about it that would make it part of a longer token.
LONE = re.compile(r"[a-z]+(?=\s|$|[,;!?](?:\s|$))", re.IGNORECASE | re.ASCII)
SPACE = re.compile(r"\s*")


def tokenize_for_scoring(caption: str) -> list[str]:
    """Return the words of a caption as scores count them, in lower case.

    Parameters
    ----------
    caption : str
        As a person or a captioner wrote it.

    Returns
    -------
    list of str
        `["a", "cat", "'s", "bowl", "is", "n't", "full"]` for "A cat's bowl isn't full." A space
        within a word, as in "1 1/2", is a no-break space.
    """
    if PLAIN.fullmatch(caption):
        words = PLAIN_WORD.findall(caption.lower())
        if NOT_PLAIN.isdisjoint(words) and words[-1:] != ["a"]:
            return words
    text = caption.translate(readable)
    words = []
    position = SPACE.match(text).end()
    while position < len(text):
        written, end = _next_token(text, position)
        words += [word for word in written.lower().split(" ") if word not in PUNCTUATION]
        position = SPACE.match(text, end).end()
    return words


def _next_token(text: str, position: int) -> tuple[str, int]:
    """Return the token at a place of a text as it is written, and where it ends."""
    if match := LONE.match(text, position):
        word = match[0].lower()
        return MERGED.get(word, word), match.end()
    longest, write = None, None
    for kind, how in KINDS:
        match = kind.match(text, position)
        if match and (longest is None or match.end() > longest.end()):
            longest, write = match, how
    token = longest[1]
    return write(token) if write else token, longest.end(1)
