"""Captioners that do not work, whatever they score."""

from collections import Counter

import numpy as np

from recap.report.captioning.comparison import Comparison
from recap.report.captioning.wording import words_of
from recap.report.statistics import fewest_images

MOST = 0.5  # of the captions
FEWEST_WORDS = 4  # of a caption that can repeat itself
SHOWN_AS_ZERO = 0.0005


def failures(comparison: Comparison, decoder: str) -> dict[str, list[str]]:
    """Return what is wrong with the captions of each model's seeds.

    Returns
    -------
    dict of str to list of str
        By model, a clause for each seed; empty for a seed that works.
    """
    references = [captions[0] if captions else "" for captions in comparison.references]
    return {
        model: [
            failure(decoding.captions, decoding.cider, references)
            for decoding in comparison.decodings(model, decoder)
        ]
        for model in comparison.models
    }


def failure(captions: list[str], cider: np.ndarray, references: list[str]) -> str:
    """Return what is wrong with the captions of one training, as a clause; nothing if they work.

    Parameters
    ----------
    captions : list of N str
        One for each image.
    cider : ndarray of shape (N,), float64
        Their CIDEr-D, as fractions.
    references : list of N str
        A reference of each image: where most of these are one, a captioner's may be.
    """
    images = len(captions)
    if images < fewest_images(1):
        return ""  # which is said of the images
    in_words = [words_of(caption) for caption in captions]
    words, times = Counter(in_words).most_common(1)[0]
    of_references = Counter(map(words_of, references)).most_common(1)[0][1]
    if times > MOST * images and of_references <= MOST * images:
        repeated = f"one caption, “{' '.join(words)}”," if words else "a caption without words"
        return f"it gives {repeated} to {times:,} of {images:,} images"
    repeating = sum(map(_repeats_itself, in_words))
    if repeating > MOST * images:
        return f"{repeating:,} of its {images:,} captions repeat one word"
    if cider.mean() < SHOWN_AS_ZERO:
        return "its captions share nothing with what people wrote and score zero"
    return ""


def _repeats_itself(words: tuple[str, ...]) -> bool:
    """Return whether more than half of a caption is one word."""
    return len(words) >= FEWEST_WORDS and Counter(words).most_common(1)[0][1] > len(words) / 2
