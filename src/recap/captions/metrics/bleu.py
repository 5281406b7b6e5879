"""BLEU-1 to BLEU-4: how many of a caption's n-grams are in a reference of its image."""

import numpy as np

from recap.captions.metrics.ngrams import ORDERS, Candidates, References

# coco-caption's guards against division by zero, which show in the last digits.
TINY, SMALL = 1e-15, 1e-9


def bleu_counts(references: References, candidates: Candidates) -> np.ndarray:
    """Return what BLEU is computed from; added up over captions, it gives BLEU of them together.

    K. Papineni et al., ACL 2002, as coco-caption computes it. The brevity penalty takes the
    reference whose length is closest, the shorter of two that are.

    Parameters
    ----------
    references : References
        Reference captions of images.
    candidates : Candidates
        Captions that were matched with them, one or more.

    Returns
    -------
    ndarray of shape (10, N), float64
        Of each caption: right n-grams of 1 to 4 words, all n-grams of 1 to 4 words, its length
        and that of the closest reference, in words.
    """
    correct = [_correct(references, candidates, order) for order in range(ORDERS)]
    guessed = np.maximum(candidates.lengths - np.arange(ORDERS)[:, None], 0)
    closest = _closest_lengths(references, candidates)
    return np.concatenate([correct, guessed, [candidates.lengths, closest]]).astype(np.float64)


def bleu_of_counts(counts: np.ndarray) -> np.ndarray:
    """Return BLEU-1 to BLEU-4, of shape (4, …), from `bleu_counts`, of shape (10, …)."""
    correct, guessed = counts[:ORDERS], counts[ORDERS:-2]
    length, reference_length = counts[-2:]
    orders = np.arange(1, ORDERS + 1).reshape(-1, *[1] * length.ndim)
    precision = (correct + TINY) / (guessed + SMALL)
    bleu = np.cumprod(precision, axis=0) ** (1 / orders)
    ratio = (length + TINY) / (reference_length + SMALL)
    return bleu * np.exp(np.minimum(0, 1 - 1 / ratio))


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
