"""Cut captions into the words that caption scores count, as the Java tool of coco-caption does.

The tool follows the conventions of the Penn Treebank (M. Marcus et al., "Building a large
annotated corpus of English: the Penn Treebank", 1993), in lower case and with the punctuation left
out. What it does beyond them was found by giving it text and looking at what came back: this is
not a translation of it. docs/evaluation.md says how far the two agree.
"""

import re
from collections.abc import Sequence
from string import ascii_lowercase

from recap.evaluation.scoring.treebank_tokens import (
    ABBREVIATIONS,
    BEFORE_NUMBERS,
    HYPHENS,
    KINDS,
    MERGED,
    SOFT_HYPHEN,
    UNREADABLE,
    WIDE_SPACE,
    WITH_CAPITAL,
    readable,
)

# Tokens that no score counts; the empty one is a soft hyphen alone.
PUNCTUATION = frozenset(["", *"'`.?!,:;-", "''", "``", "--", "...", *HYPHENS])

# Most captions are nothing but words, commas and a last period.
PLAIN = re.compile(
    r"\s*+(?:[a-z]++(?:-[a-z]++)*+(?:,?+\s++|,?+$|(?=\.)))*+\.?+\s*+", re.IGNORECASE | re.ASCII
)
PLAIN_WORD = re.compile(r"[a-z-]+")
# Plain words that need a closer look: those that are two, and those that keep a last period, as
# the last word of a caption may be, but no other. Some are too frequent to look at elsewhere.
NOT_PLAIN = frozenset(
    [*MERGED, *ABBREVIATIONS, *map(str.lower, WITH_CAPITAL), *ascii_lowercase[1:]]
)
NOT_PLAIN_AT_END = frozenset(["a", *BEFORE_NUMBERS])
# A word with nothing about it that would make it part of a longer token.
LONE = re.compile(r"[a-z]+(?=\s|$|[,;!?](?:\s|$))", re.IGNORECASE | re.ASCII)
SPACE = re.compile(rf"[\s{UNREADABLE}]*")


def tokenize_captions(captions: Sequence[str]) -> list[list[str]]:
    """Return the words of captions as scores count them, in lower case.

    The Java tool reads captions as the lines of one text, and the line that follows may decide
    how the end of a caption is cut: "K." is `k` before "A dog", and `k.` before "Two dogs". So the
    words depend on the order of the captions, which is that of the annotation file.

    Parameters
    ----------
    captions : sequence of str
        As people or a captioner wrote them.

    Returns
    -------
    list of list of str
        Words of each caption, as `tokenize_for_scoring` returns them.
    """
    words, following = [], ""
    for caption in reversed(captions):
        words.append(tokenize_for_scoring(caption, following))
        # Of what comes later, no more counts than whether there is a line.
        blank = not caption or caption.isspace()
        following = f"\n\n{following.lstrip()}" if blank else f"\n{caption}{following[:1]}"
    return words[::-1]


def tokenize_for_scoring(caption: str, following: str = "") -> list[str]:
    """Return the words of a caption as scores count them, in lower case.

    Parameters
    ----------
    caption : str
        As a person or a captioner wrote it.
    following : str
        What follows the caption in a text of several lines, from the line's end on.

    Returns
    -------
    list of str
        `["a", "cat", "'s", "bowl", "is", "n't", "full"]` for "A cat's bowl isn't full." A space
        within a word, as in "1 1/2", is a no-break space.
    """
    if PLAIN.fullmatch(caption):
        words = PLAIN_WORD.findall(caption.lower())
        if NOT_PLAIN.isdisjoint(words) and NOT_PLAIN_AT_END.isdisjoint(words[-1:]):
            return words
    text = caption.translate(readable)
    end = len(text)
    text += following.translate(readable)
    words = []
    position = SPACE.match(text).end()
    while position < end:
        token, position = _next_token(text, position, caption)
        words += [word for word in token.lower().split(" ") if word not in PUNCTUATION]
        position = SPACE.match(text, position).end()
    return words


def _next_token(text: str, position: int, written: str) -> tuple[str, int]:
    """Return the token at a place of a text, and where it ends.

    What cannot be read in `text` is taken from the caption as it is written.
    """
    if match := LONE.match(text, position):
        word = match[0].lower()
        return MERGED.get(word, word), match.end()
    longest, write = None, None
    for kind, how in KINDS:
        match = kind.match(text, position)
        if match and (longest is None or match.end() > longest.end()):
            longest, write = match, how
    token, end = longest[1], longest.end(1)
    if UNREADABLE in token or WIDE_SPACE in token:
        token = written[position:end]
    elif not write:
        token = token.replace(SOFT_HYPHEN, "")
    return write(token) if write else token, end
