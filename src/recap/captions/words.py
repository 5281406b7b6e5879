"""Cut captions into words, and write them in numbers and back."""

import unicodedata
from collections.abc import Iterable, Sequence

import numpy as np

from recap.core.checks import require

NULL, START, END, UNK = "<NULL>", "<START>", "<END>", "<UNK>"
SPECIAL_WORDS = [NULL, START, END, UNK]
LONGEST_CAPTION = 1000  # words


class _WithoutPunctuation(dict):
    """A table for `str.translate` that deletes punctuation and symbols of every script."""

    def __missing__(self, code: int) -> int | None:
        self[code] = None if unicodedata.category(chr(code))[0] in "PS" else code
        return self[code]


WITHOUT_PUNCTUATION = _WithoutPunctuation()


def tokenize(caption: str) -> list[str]:
    """Cut a caption into words as CS231n's captions are cut.

    Lower case; punctuation vanishes (`man's` is `mans`, `close-up` is `closeup`); words are what
    white space parts.

    Parameters
    ----------
    caption : str
        As a person wrote it.

    Returns
    -------
    list of str
        Words, without punctuation.
    """
    return caption.lower().translate(WITHOUT_PUNCTUATION).split()


def _require_length(max_words: int) -> None:
    wanted = f"at least 1 and at most {LONGEST_CAPTION}"
    require(1 <= max_words <= LONGEST_CAPTION, "max_words", wanted, max_words)


def encode_caption(
    words: Sequence[str], word_to_idx: dict[str, int], max_words: int
) -> list[int] | None:
    """Write a caption in numbers.

    Parameters
    ----------
    words : sequence of str
        From `tokenize`.
    word_to_idx : dict
        Number of each word.
    max_words : int
        Words that a caption may have.

    Returns
    -------
    list of max_words + 2 int, or None
        `<START>`, the words, `<END>`, then `<NULL>` to the end; None for a caption that has more
        words, or none at all.
    """
    if not 0 < len(words) <= max_words:
        return None
    unknown = word_to_idx[UNK]
    row = [word_to_idx[START], *(word_to_idx.get(word, unknown) for word in words)]
    row.append(word_to_idx[END])
    return row + [word_to_idx[NULL]] * (max_words + 2 - len(row))


def decode_captions(captions: np.ndarray, idx_to_word: Sequence[str]) -> str | list[str]:
    """Write numbered captions in words, up to and with `<END>`; `<NULL>` is left out.

    Parameters
    ----------
    captions : array of shape (T,) or (N, T), int
        One caption or several.
    idx_to_word : sequence of str
        Words by number.

    Returns
    -------
    str or list of str
        A string for one caption, a list for several; `<START>`, `<END>` and `<UNK>` are shown.
    """
    if captions.ndim == 1:
        return _decode_caption(captions, idx_to_word)
    return [_decode_caption(caption, idx_to_word) for caption in captions]


def _decode_caption(caption: Iterable[int], idx_to_word: Sequence[str]) -> str:
    words = []
    for number in caption:
        word = idx_to_word[number]
        if word != NULL:
            words.append(word)
        if word == END:
            break
    return " ".join(words)


def without_padding(captions: np.ndarray, idx_to_word: Sequence[str]) -> list[list[int]]:
    """Return the words of captions in numbers, with their `<END>`.

    Parameters
    ----------
    captions : array of shape (N, T), int
        Each `<START>`, words, `<END>`, `<NULL>`s.
    idx_to_word : sequence of str
        Words by number.
    """
    kept = ~np.isin(captions, [idx_to_word.index(word) for word in (NULL, START)])
    return [row[words].tolist() for row, words in zip(captions, kept, strict=True)]


def captions_by_image(
    captions: np.ndarray, image_idxs: np.ndarray, idx_to_word: Sequence[str]
) -> tuple[np.ndarray, list[list[list[int]]]]:
    """Gather the captions of each image.

    Parameters
    ----------
    captions : array of shape (M, T), int
        Each `<START>`, words, `<END>`, `<NULL>`s.
    image_idxs : array of shape (M,), int
        For each caption its image's row.
    idx_to_word : sequence of str
        Words by number.

    Returns
    -------
    images : array of shape (I,), int
        Rows of the images that have a caption, rising.
    by_image : list of I lists
        Each image's captions as `without_padding` returns them.
    """
    images, places = np.unique(image_idxs, return_inverse=True)
    by_image: list[list[list[int]]] = [[] for _ in images]
    for place, words in zip(places, without_padding(captions, idx_to_word), strict=True):
        by_image[place].append(words)
    return images, by_image
