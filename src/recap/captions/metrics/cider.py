"""CIDEr-D: how much a caption agrees with what people say of an image and of no other."""

from collections.abc import Sequence

import numpy as np

from recap.captions.metrics.ngrams import (
    LOWER_HALF,
    ORDERS,
    Candidates,
    Caption,
    Counts,
    References,
)

SIGMA = 6.0  # words; how fast a difference in length costs


class CiderD:
    """CIDEr-D as coco-caption computes it (R. Vedantam et al., CVPR 2015), for any captions.

    An n-gram weighs the more the fewer images have it in a reference. For each order, a caption
    and a reference are compared by the cosine of their weighted counts, the caption's clipped to
    the reference's, and a difference in length costs. The score is ten times the mean over orders
    and references.

    Scores are rewards as they are: `CiderD(References(captions_of_each_image))` is made once, and
    called with samples of the captioner for self-critical training.

    Parameters
    ----------
    references : References
        Reference captions of images.
    images : sequence of int, optional
        Rows of the images that count for how rare an n-gram is; all by default.
    """

    def __init__(self, references: References, images: Sequence[int] | None = None):
        self._references = references
        counts = np.ones(len(references.first) - 1, dtype=bool)
        if images is not None:
            counts[:] = False
            counts[np.asarray(images, dtype=np.int64)] = True
        rarest = np.log(float(counts.sum()))
        self._weights: list[np.ndarray] = []
        self._norms: list[np.ndarray] = []
        for index in references.orders:
            ngram = index.groups & LOWER_HALF
            here = counts[index.groups >> 32]
            images_with = np.bincount(ngram[here], minlength=len(index.keys))
            weight = rarest - np.log(np.maximum(1.0, images_with))
            weighted = index.count * np.repeat(weight[ngram], np.diff(index.starts))
            # At the end, which the row -1 means: the weight of what no reference has.
            self._weights.append(np.append(weight, rarest))
            self._norms.append(_norms(index.reference, weighted, len(references.lengths)))

    def __call__(self, images: Sequence[int], captions: Sequence[Caption]) -> np.ndarray:
        """Return the CIDEr-D of captions, an array of shape (N,), float64, from 0 to 10.

        Parameters
        ----------
        images : sequence of N int
            Row of each caption's image; several captions may be of one image.
        captions : sequence of N captions
            Each a sequence of words of the same kind as the references'.
        """
        return self.score(self._references.match(images, captions))

    def score(self, candidates: Candidates) -> np.ndarray:
        """Return the CIDEr-D of matched captions, an array of shape (N,), float64, from 0 to 10."""
        pairs, caption, reference = candidates.pairs, candidates.caption, candidates.reference
        similarity = np.zeros(len(caption))
        for order, counts in enumerate(candidates.orders):
            weight = self._weights[order][counts.ngram]
            norms = _norms(counts.caption, counts.count * weight, len(pairs) - 1)
            norm = norms[caption] * self._norms[order][reference]
            similarity += self._dots(order, counts, weight, candidates) / np.where(norm, norm, 1)
        # Lengths are counted in bigrams.
        longer = np.maximum(candidates.lengths - 1, 0)[caption]
        longer -= np.maximum(self._references.lengths - 1, 0)[reference]
        similarity *= np.exp(-(longer**2) / (2 * SIGMA**2))
        return 10 * np.add.reduceat(similarity, pairs[:-1]) / ORDERS / np.diff(pairs)

    def _dots(
        self, order: int, counts: Counts, weight: np.ndarray, candidates: Candidates
    ) -> np.ndarray:
        """Return the products of the captions, clipped, with the references, by pair."""
        index = self._references.orders[order]
        shared = np.flatnonzero(counts.group >= 0)
        start = index.starts[counts.group[shared]]
        size = index.starts[counts.group[shared] + 1] - start
        # An entry for each n-gram that a caption shares with a reference.
        here = np.repeat(shared, size)
        there = np.arange(len(here)) + np.repeat(start - np.cumsum(size) + size, size)
        clipped = np.minimum(counts.count[here], index.count[there])
        products = clipped * index.count[there] * weight[here] ** 2
        shift = candidates.pairs[:-1] - self._references.first[candidates.images]
        pair = index.reference[there] + shift[counts.caption[here]]
        return np.bincount(pair, weights=products, minlength=len(candidates.caption))


def _norms(row: np.ndarray, weighted: np.ndarray, n_rows: int) -> np.ndarray:
    """Return the length of each row's vector, whose entries are given with their rows."""
    return np.sqrt(np.bincount(row, weights=weighted**2, minlength=n_rows))
