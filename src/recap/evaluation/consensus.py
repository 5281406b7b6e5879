"""Minimum Bayes risk: of several captions of an image, take the one that is most like the others.

S. Kumar and W. Byrne, "Minimum Bayes-risk decoding for statistical machine translation", NAACL
2004; for captions J. Devlin et al., "Exploring nearest neighbor approaches for image captioning",
2015. A caption's score is its expected CIDEr-D if the captioner, and not a person, says what is
true. What people said of training photos that look alike can count, too, as in J. Mao et al.,
"Learning like a child", ICCV 2015.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from recap.captions.metrics.cider import CiderD
from recap.captions.metrics.ngrams import Caption, References
from recap.evaluation.search import FoundCaption

# What log-probabilities are divided by, nats: at 1 the likeliest caption counts for nearly all.
TEMPERATURE = 5.0

# How much more the captions of training photos count than those that the search found: they are
# less like any of these.
WEIGHT = 20.0


def rank_by_consensus(
    found: Sequence[FoundCaption],
    spoken: Sequence[Sequence[Caption]],
    end: int,
    near: np.ndarray | None = None,
) -> list[FoundCaption]:
    """Put the captions that a search found of each image in the order of their expected CIDEr-D.

    Parameters
    ----------
    found : sequence of N FoundCaption
        A search's best caption of each image, with the `others`.
    spoken : sequence of sequences of captions
        Training captions of each image in the numbers of their words, `<END>` last. They tell how
        rare phrases are, and so how much they weigh.
    end : int
        The number of `<END>`, which counts as a word.
    near : array of shape (N, K), int64, optional
        For each image those of `spoken` whose photos are like it.

    Returns
    -------
    list of N FoundCaption
        The same captions; the first of each image has the highest mean CIDEr-D against all of that
        image, weighted by their probabilities to the power of 1 / TEMPERATURE; with `near`, plus
        WEIGHT times the mean against what people said of these. Of equal ones the first stays
        first.
    """
    groups = [[replace(best, others=()), *best.others] for best in found]
    captions = [[[*one.words, end] for one in group] for group in groups]
    # Each caption is the only reference of an image of its own, after those that people captioned.
    alone = [[caption] for group in captions for caption in group]
    cider = CiderD(References([*spoken, *alone]), range(len(spoken)))
    ranked, first = [], len(spoken)
    nobody = np.empty((len(groups), 0), np.int64)
    for group, said, alike in zip(groups, captions, nobody if near is None else near, strict=True):
        size = len(group)
        # A photo at a time: pairs grow with the square of the beam's width.
        rows = np.repeat(np.arange(first, first + size), size)
        likeness = cider(rows, said * size).reshape(size, size)
        first += size
        weights = np.array([one.log_probability for one in group]) / TEMPERATURE
        weights = np.exp(weights - weights.max())
        expected = (weights / weights.sum()) @ likeness
        if alike.size:
            rows = np.tile(alike, size)
            repeated = [caption for caption in said for _ in alike]
            expected += WEIGHT * cider(rows, repeated).reshape(size, -1).mean(axis=1)
        order = np.argsort(-expected, kind="stable")
        best, *others = [group[number] for number in order]
        ranked.append(replace(best, others=tuple(others)))
    return ranked
