"""Count the n-grams that captions share with the references of their images.

Words and n-grams are numbered, so that counting and matching are sorts and look-ups of whole
arrays. A pair of numbers is packed into one of 64 bits, the first of them in the upper half.
"""

from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np
import pandas as pd

ORDERS = 4  # n-grams of 1 to 4 words
LOWER_HALF = (1 << 32) - 1

# The words of a caption: text, or their numbers in a vocabulary.
Caption = Sequence[Hashable]


@dataclass(frozen=True)
class Counts:
    """How often captions hold each n-gram of one order, by caption and n-gram.

    Attributes
    ----------
    caption : ndarray of shape (M,), int64
        Row of the caption.
    ngram : ndarray of shape (M,), int64
        Row of the n-gram in `OrderIndex.keys`, or -1 if no reference of any image has it.
    count : ndarray of shape (M,), int64
        How often the caption holds it.
    group : ndarray of shape (M,), int64
        Row of `OrderIndex.groups` with this n-gram and the caption's image, or -1.
    """

    caption: np.ndarray
    ngram: np.ndarray
    count: np.ndarray
    group: np.ndarray


@dataclass(frozen=True)
class Candidates:
    """Captions of images, matched with the references of these images.

    Attributes
    ----------
    images : ndarray of shape (N,), int64
        Row of each caption's image.
    lengths : ndarray of shape (N,), int64
        Words of each caption.
    orders : list of Counts
        Of 1, 2, 3 and 4 words.
    pairs : ndarray of shape (N + 1,), int64
        Where the pairs of each caption with the references of its image begin among all pairs.
    caption : ndarray of shape (P,), int64
        Row of the caption of each pair.
    reference : ndarray of shape (P,), int64
        Row of the reference of each pair.
    """

    images: np.ndarray
    lengths: np.ndarray
    orders: list[Counts]
    pairs: np.ndarray
    caption: np.ndarray
    reference: np.ndarray


@dataclass(frozen=True)
class OrderIndex:
    """The n-grams of one order that the references hold.

    Attributes
    ----------
    keys : Index of length K, int64
        The distinct n-grams: the number of all words but the last with that of the last.
    groups : ndarray of shape (G,), int64
        The distinct n-grams of each image, ascending: the image's row with the n-gram's in `keys`.
    starts : ndarray of shape (G + 1,), int64
        Where the entries of each group begin.
    reference : ndarray of shape (E,), int32
        An entry for each distinct n-gram of each reference: the reference's row.
    count : ndarray of shape (E,), int32
        How often that reference holds the n-gram.
    """

    keys: pd.Index
    groups: np.ndarray
    starts: np.ndarray
    reference: np.ndarray
    count: np.ndarray


class References:
    """The reference captions of images, counted once for many candidates.

    Parameters
    ----------
    references : sequence of sequences of captions
        One or more references of each image; a caption is a sequence of words.

    Attributes
    ----------
    first : ndarray of shape (I + 1,), int64
        Where the references of each image begin.
    lengths : ndarray of shape (R,), int64
        Words of each reference.
    orders : list of OrderIndex
        Of 1, 2, 3 and 4 words.
    """

    def __init__(self, references: Sequence[Sequence[Caption]]):
        per_image = np.fromiter(map(len, references), np.int64, len(references))
        self.first = np.concatenate([[0], np.cumsum(per_image)])
        self._numbers = _Numbers()
        words, self.lengths = _flatten(list(chain.from_iterable(references)), self._numbers)
        image = np.repeat(np.arange(len(references)), per_image)
        distinct: list[np.ndarray] = []

        def number(order: int, ngrams: np.ndarray) -> np.ndarray:
            numbers, keys = pd.factorize(ngrams)
            distinct.append(keys)
            return numbers

        self.orders = [
            _index(distinct[-1], self.first, image[reference], reference, ngram)
            for reference, ngram in _ngrams(words, self.lengths, number)
        ]

    def match(self, images: Sequence[int], captions: Sequence[Caption]) -> Candidates:
        """Count the n-grams of captions and find them among the references of their images.

        Parameters
        ----------
        images : sequence of N int
            Row of each caption's image; several captions may be of one image.
        captions : sequence of N captions
            Each a sequence of words of the same kind as the references'.
        """
        images = np.asarray(images, dtype=np.int64)
        words, lengths = _flatten(captions, _Numbers(self._numbers))

        def number(order: int, ngrams: np.ndarray) -> np.ndarray:
            known = self.orders[order].keys
            numbers = known.get_indexer(ngrams)
            new = numbers < 0
            numbers[new] = len(known) + pd.factorize(ngrams[new])[0]
            return numbers

        orders = []
        for order, (caption, ngram) in enumerate(_ngrams(words, lengths, number)):
            index = self.orders[order]
            keys, count = np.unique(caption << 32 | ngram, return_counts=True)
            caption, ngram = keys >> 32, keys & LOWER_HALF
            group = find(index.groups, images[caption] << 32 | ngram)
            known = np.where(ngram < len(index.keys), ngram, -1)
            orders.append(Counts(caption, known, count, group))
        first, n_references = self.first[images], np.diff(self.first)[images]
        pairs = np.concatenate([[0], np.cumsum(n_references)])
        caption = np.repeat(np.arange(len(images)), n_references)
        reference = np.arange(pairs[-1]) + (first - pairs[:-1])[caption]
        return Candidates(images, lengths, orders, pairs, caption, reference)


class _Numbers(dict):
    """The number of each word; a new word gets the next."""

    def __missing__(self, word: Hashable) -> int:
        self[word] = number = len(self)
        return number


def find(ascending: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """Return where each wanted number stands in a sorted array, or -1 where it does not."""
    place = np.searchsorted(ascending, wanted)
    place[place == len(ascending)] = -1
    return np.where(ascending[place] == wanted, place, -1) if len(ascending) else place


def _flatten(captions: Sequence[Caption], numbers: _Numbers) -> tuple[np.ndarray, np.ndarray]:
    """Return the words of all captions as numbers, and the length of each caption."""
    lengths = np.fromiter(map(len, captions), np.int64, len(captions))
    words = map(numbers.__getitem__, chain.from_iterable(captions))
    return np.fromiter(words, np.int64, lengths.sum()), lengths


def _ngrams(
    words: np.ndarray, lengths: np.ndarray, number: Callable[[int, np.ndarray], np.ndarray]
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield the caption and the number of each n-gram, in running order, for each order.

    `number` is given the order, from 0, and the n-grams as pairs of the number of all words but
    the last with the last word, and returns numbers for them.
    """
    caption = np.repeat(np.arange(len(lengths)), lengths)
    left = np.repeat(np.cumsum(lengths), lengths) - np.arange(len(words))  # to the caption's end
    start = np.arange(len(words))
    ngram = np.zeros(len(words), dtype=np.int64)
    for order in range(ORDERS):
        fits = left[start] > order
        start, ngram = start[fits], ngram[fits]
        ngram = number(order, ngram << 32 | words[start + order])
        yield caption[start], ngram


def _index(
    keys: np.ndarray,
    first: np.ndarray,
    image: np.ndarray,
    reference: np.ndarray,
    ngram: np.ndarray,
) -> OrderIndex:
    """Sort the n-grams of one order by image, n-gram and reference, and count them."""
    # All three in one number sort several times as fast as an order of rows is found.
    among_image = int(np.diff(first).max(initial=0)).bit_length()
    among_ngrams = len(keys).bit_length()
    packed = (image << among_ngrams | ngram) << among_image | (reference - first[image])
    entries, count = np.unique(packed, return_counts=True)
    group = entries >> among_image
    starts = np.flatnonzero(np.diff(group, prepend=-1))
    groups = group[starts]
    image_of_group = groups >> among_ngrams
    reference_in_image = entries & ((1 << among_image) - 1)
    starts = np.append(starts, len(entries))
    return OrderIndex(
        keys=pd.Index(keys),
        groups=image_of_group << 32 | groups & ((1 << among_ngrams) - 1),
        starts=starts,
        reference=(reference_in_image + np.repeat(first[image_of_group], np.diff(starts))).astype(
            np.int32
        ),
        count=count.astype(np.int32),
    )
