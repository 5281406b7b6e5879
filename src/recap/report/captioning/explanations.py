"""Which pixels made the models say their words, as `explain_captions` found it."""

from collections.abc import Iterator
from dataclasses import dataclass
from math import exp
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageOps

from recap.core.arrays import read_arrays
from recap.core.errors import InputError
from recap.core.images import ImageStore
from recap.core.json_files import read_json
from recap.report.captioning.comparison import Comparison
from recap.report.captioning.verdict import Verdict
from recap.report.maps import SIDE, Word, shade
from recap.report.statistics import interval, resampled_means
from recap.report.thumbnails import thumbnail

MEASURES = ("pointing", "share")

NAMES = {
    "gradient": "gradient",
    "attention": "attention",
    "contrast": "the photo's contrast alone",
    "centre": "the middle of the photo",
    "random": "a place at random",
}
"""What the page calls the maps."""


@dataclass(frozen=True)
class ExplainedPhoto:
    """A photo as the network saw it, and each model's caption with maps.

    Attributes
    ----------
    image_id : int
        As the annotations have it.
    file_name : str
        As the annotations have it.
    picture : str
        WebP as a data URI.
    seen : float
        The share of the photo's shorter side that the picture, a square about its middle, has; 0
        where it is the whole photo.
    captions : dict of str to list of Word
        By model.
    """

    image_id: int
    file_name: str
    picture: str
    seen: float
    captions: dict[str, list[Word]]

    @property
    def first(self) -> tuple[str, int]:
        """The model and the place of the word that is shown at first: what weighs the most."""
        model = next(iter(self.captions))
        weights = [word.weight for word in self.captions[model]]
        return model, weights.index(max(weights))


@dataclass(frozen=True)
class MapScore:
    """How well maps of one kind find what words name.

    Attributes
    ----------
    model : str
        Whose words.
    kind : str
        `gradient`, `attention`, or what they are held against.
    name : str
        What the page calls it.
    pointing, share : tuple of (float, float, float)
        Mean over the photos and its 95% bootstrap interval.
    gain : tuple of (float, float) or None
        Interval of the share less that of `contrast`, photo by photo; None for what knows nothing
        of the captioner.
    """

    model: str
    kind: str
    name: str
    pointing: tuple[float, float, float]
    share: tuple[float, float, float]
    gain: tuple[float, float] | None


@dataclass(frozen=True)
class Explanations:
    """What the page shows of them.

    Attributes
    ----------
    photos : list of ExplainedPhoto
        Those that were explained.
    scores : list of MapScore
        Of drawn scenes; empty for others.
    words : dict of str to int
        How many words of each model name an object.
    """

    photos: list[ExplainedPhoto]
    scores: list[MapScore]
    words: dict[str, int]

    @property
    def found(self) -> list[str]:
        """What the maps of drawn scenes show, a sentence or two a model."""
        sentences = []
        for model in self.words:
            of = {score.kind: score for score in self.scores if score.model == model}
            mean, low, high = of["gradient"].pointing
            elsewhere = ", ".join(
                f"{NAMES[kind]} for {of[kind].pointing[0]:.0%}"
                for kind in ("contrast", "centre", "random")
            )
            sentences.append(
                f"Where {model} says a word for a shape or a colour that one object has, the word's"
                f" map is highest on that object for {mean:.0%} of the words ({low:.0%} to"
                f" {high:.0%}); beside it {elsewhere}. {_beside_contrast(of)}"
            )
        return sentences

    @property
    def with_attention(self) -> bool:
        """Whether some model has attention."""
        return any(
            "attention" in word.shades
            for photo in self.photos
            for words in photo.captions.values()
            for word in words
        )


def read_explanations(
    comparison: Comparison, verdict: Verdict, models: list[str], *, seed: int
) -> Explanations:
    """Read what was explained of the captions of some models, those that the gallery shows.

    Raises
    ------
    InputError
        If a file is damaged, or a photo is missing or broken.
    """
    pictures: dict[int, tuple[str, float]] = {}
    captions: dict[int, dict[str, list[Word]]] = {}
    scores, words = [], {}
    for model in models:
        file = comparison.decodings(model, verdict.decoder)[0].file
        folder = comparison.study_of[model].folder
        path = folder / "explanations" / file.relative_to(folder / "captions")
        if comparison.images is None or not path.exists():
            continue
        content = read_json(path)
        try:
            for photo, explained in _read_photos(content, path):
                captions.setdefault(photo["image_id"], {})[model] = explained
                pictures[photo["image_id"]] = photo["file_name"], content["seen"]
            named = [photo["named"] for photo in content["photos"] if photo.get("named")]
            if named:
                words[model] = sum(map(len, named))
                scores += _scores(model, named, seed)
        except (KeyError, TypeError, ValueError, IndexError) as error:
            raise InputError(
                f"{path} and the archive beside it do not hold the maps of words ({error!r}):"
                " explain the captions again."
            ) from None
    photos = []
    if captions:
        with ImageStore(comparison.images) as store:
            for image_id, of_models in captions.items():
                name, seen = pictures[image_id]
                picture, *_ = thumbnail(_as_seen(store.read(name), seen))
                photos.append(ExplainedPhoto(image_id, name, picture, seen, of_models))
    return Explanations(photos, scores, words)


def _read_photos(
    content: dict[str, Any], path: Path
) -> Iterator[tuple[dict[str, Any], list[Word]]]:
    """Yield each photo with its words."""
    maps = read_arrays(path.with_suffix(".npz"), "gradient", optional=["attention"])
    row = 0
    for photo in content["photos"]:
        most = max(photo["nats"]) or 1
        words = []
        for text, log_probability, nats in zip(
            photo["words"], photo["log_probabilities"], photo["nats"], strict=True
        ):
            shades = {kind: shade(array[row]) for kind, array in maps.items()}
            words.append(Word(text, exp(log_probability), shades, nats / most))
            row += 1
        yield photo, words


def _scores(model: str, named: list[list[dict[str, Any]]], seed: int) -> list[MapScore]:
    """Return the means over photos, and intervals, of what each kind of map scores."""
    kinds = list(named[0][0]["pointing"])
    values = np.array(
        [
            [np.mean([word[measure][kind] for word in words]) for words in named]
            for measure in MEASURES
            for kind in kinds
        ]
    )
    means = values.mean(axis=1).reshape(len(MEASURES), -1)
    resampled = resampled_means(values, seed=seed).T.reshape(len(MEASURES), len(kinds), -1)
    contrast = kinds.index("contrast")
    return [
        MapScore(
            model,
            kind,
            NAMES[kind],
            (float(means[0, place]), *interval(resampled[0, place])),
            (float(means[1, place]), *interval(resampled[1, place])),
            interval(resampled[1, place] - resampled[1, contrast]) if place < contrast else None,
        )
        for place, kind in enumerate(kinds)
    ]


def _beside_contrast(of: dict[str, MapScore]) -> str:
    """Say whether maps tell more than what stands out in a photo."""
    told = [
        f"{score.share[0]:.0%} of {'attention' if kind == 'attention' else 'the map'}"
        for kind, score in of.items()
        if score.gain
    ]
    low, high = of["gradient"].gain
    difference = "more than" if low > 0 else "less than" if high < 0 else "not told from"
    return (
        f"On the object lies {' and '.join(told)}, {difference} the"
        f" {of['contrast'].share[0]:.0%} of the photo's contrast, which knows nothing of the word."
    )


def _as_seen(image: Image.Image, seen: float) -> Image.Image:
    """Return the square of a photo that the network saw."""
    if not seen:
        return image.resize((SIDE, SIDE), Image.Resampling.LANCZOS)
    return ImageOps.fit(image, (SIDE, SIDE), Image.Resampling.LANCZOS, bleed=(1 - seen) / 2)
