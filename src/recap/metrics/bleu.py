"""BLEU-1 to BLEU-4: how many of a caption's n-grams are in a reference of its image."""

import numpy as np

from recap.metrics.ngrams import ORDERS, Candidates, References

# coco-caption's guards against division by zero, which show in the last digits.
TINY, SMALL = 1e-15, 1e-9


def bleu_scores(references: References, candidates: Candidates) -> tuple[np.ndarray, np.ndarray]:
    """Return BLEU of the corpus and of each caption, as coco-caption computes them.

    K. Papineni et al., ACL 2002. The brevity penalty takes the reference whose length is closest,
    the shorter of two that are.

    Parameters
    ----------
    references : References
        Reference captions of images.
    candidates : Candidates
        Captions that were matched with them, one or more.

    Returns
    -------
    corpus : ndarray of shape (4,), float64
        BLEU-1 to BLEU-4 of all captions together, fractions; not the mean of:
    captions : ndarray of shape (4, N), float64
        BLEU-1 to BLEU-4 of each caption.
    """
    correct = np.stack([_correct(references, candidates, order) for order in range(ORDERS)])
    guessed = np.maximum(candidates.lengths - np.arange(ORDERS)[:, None], 0)
    closest = _closest_lengths(references, candidates)
    captions = _bleu(correct, guessed, candidates.lengths, closest)
    totals = (correct, guessed, candidates.lengths, closest)
    corpus = _bleu(*(counts.sum(axis=-1, keepdims=True) for counts in totals))
    return corpus[:, 0], captions


def _correct(references: References, candidates: Candidates, order: int) -> np.ndarray:
    """Return how many n-grams of each caption are right, each as often as one reference has it."""
    index, counts = references.orders[order], candidates.orders[order]
    shared = counts.group >= 0
    # At the end, which the row -1 means: nothing.
    most = np.append(np.maximum.reduceat(index.count, index.starts[:-1]), 0)
    right = np.minimum(counts.count, most[counts.group])
    return np.bincount(
        counts.caption[shared], weights=right[shared], minlength=len(candidates.lengths)
    )


def _closest_lengths(references: References, candidates: Candidates) -> np.ndarray:
    lengths = references.lengths[candidates.reference]
    apart = np.abs(lengths - candidates.lengths[candidates.caption])
    return np.minimum.reduceat(apart << 32 | lengths, candidates.pairs[:-1]) & ((1 << 32) - 1)


def _bleu(
    correct: np.ndarray, guessed: np.ndarray, length: np.ndarray, reference_length: np.ndarray
) -> np.ndarray:
    """Return BLEU-1 to BLEU-4, of shape (4, N), from counts of shapes (4, N) and (N,)."""
    precision = (correct + TINY) / (guessed + SMALL)
    bleu = np.cumprod(precision, axis=0) ** (1 / np.arange(1, ORDERS + 1)[:, None])
    ratio = (length + TINY) / (reference_length + SMALL)
    return bleu * np.exp(np.minimum(0, 1 - 1 / ratio))
