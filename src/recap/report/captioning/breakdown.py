"""Where a captioner is good: score by the length of the references and by what is in the image."""

from dataclasses import dataclass

import numpy as np

from recap.report.captioning.comparison import Comparison
from recap.report.captioning.judge import by_image
from recap.report.captioning.wording import words_of
from recap.report.numbers import ZERO, percent

LENGTH_CLASSES = 5
FEWEST_IMAGES = 10  # a mean over fewer says little
MOST_CATEGORIES = 20


@dataclass(frozen=True)
class Slice:
    """The scores on some of the images.

    Attributes
    ----------
    name : str
        What the images have in common.
    images : int
        How many they are.
    scores : dict of str to float
        Mean CIDEr-D of each model on them, as a fraction.
    """

    name: str
    images: int
    scores: dict[str, float]

    def lead(self, best: str, other: str) -> float:
        """Return how much one model is ahead of another on these images."""
        return self.scores[best] - self.scores[other]

    def highest(self, models: list[str]) -> list[str]:
        """Return which of these models score highest; none where images are few or all zero."""
        if self.images < FEWEST_IMAGES:
            return []
        printed = {model: percent(self.scores[model]) for model in models}
        top = percent(max((self.scores[model] for model in models), default=0.0))
        return [] if top == ZERO else [model for model in models if printed[model] == top]


def by_reference_length(comparison: Comparison, decoder: str) -> list[Slice]:
    """Return the scores by how long people's captions of an image are, about a fifth each.

    Returns
    -------
    list of Slice
        The shortest first; empty if the lengths do not differ.
    """
    lengths = np.array(
        [
            round(np.mean([len(words_of(caption)) for caption in captions])) if captions else 0
            for captions in comparison.references
        ]
    )
    shares = np.arange(1, LENGTH_CLASSES) / LENGTH_CLASSES
    cuts = np.unique(np.quantile(lengths, shares, method="inverted_cdf"))
    classes = np.searchsorted(cuts, lengths)
    slices = []
    for number in np.unique(classes):
        here = classes == number
        shortest, longest = lengths[here].min(), lengths[here].max()
        words = f"{shortest}" if shortest == longest else f"{shortest} to {longest}"
        slices.append(_slice(comparison, decoder, f"{words} words", here))
    return slices if len(slices) > 1 else []


def by_category(comparison: Comparison, decoder: str) -> list[Slice]:
    """Return the scores by what is in the image; an image with several objects counts for each.

    Returns
    -------
    list of Slice
        The most frequent kinds of objects, the most frequent first; rare ones are left out.
    """
    ids = np.array(comparison.image_ids)
    slices = [
        _slice(comparison, decoder, name, np.isin(ids, list(images)))
        for name, images in comparison.categories.items()
        if len(images.intersection(comparison.image_ids)) >= FEWEST_IMAGES
    ]
    return sorted(slices, key=lambda item: -item.images)[:MOST_CATEGORIES]


def _slice(comparison: Comparison, decoder: str, name: str, here: np.ndarray) -> Slice:
    scores = {
        model: float(values[here].mean()) for model, values in by_image(comparison, decoder).items()
    }
    return Slice(name, int(here.sum()), scores)
