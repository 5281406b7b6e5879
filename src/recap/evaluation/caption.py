"""Caption any photos with a trained captioner."""

import math
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import get_args

import numpy as np
import torch

from recap.backbones.int8 import parse_scales
from recap.captioners.folder import TrainedCaptioner
from recap.core.devices import Device, FeaturePrecision, choose_device
from recap.core.errors import InputError
from recap.core.images import decode_image
from recap.core.photo_store import BrokenImageError, read_photo
from recap.core.progress import progress
from recap.core.text import join_words
from recap.datasets.registry import DRAWN
from recap.evaluation.decoders import Decoder
from recap.evaluation.generate import caption_features
from recap.evaluation.origin import read_origin
from recap.evaluation.search import FoundCaption
from recap.evaluation.word_maps import Explainer
from recap.features.extractor import FeatureExtractor
from recap.features.files import SCALES
from recap.features.pca import read_pca


@dataclass(frozen=True)
class PhotoCaption:
    """A caption of a photo.

    Attributes
    ----------
    words : list of T str
        Its words.
    log_probabilities : list of T float
        In nats, of each word after those before it.
    log_probability : float
        Of the whole caption, its end too.
    """

    words: list[str]
    log_probabilities: list[float]
    log_probability: float

    @property
    def text(self) -> str:
        """The caption as it is read."""
        return join_words(self.words)

    @property
    def probabilities(self) -> list[float]:
        """The probability of each word after those before it."""
        return [math.exp(value) for value in self.log_probabilities]

    @property
    def probability(self) -> float:
        """The probability of the whole caption, its end too."""
        return math.exp(self.log_probability)


@dataclass(frozen=True)
class CaptionedPhoto:
    """A photo and what a captioner says of it.

    Attributes
    ----------
    file : Path
        The photo's file.
    captions : list of PhotoCaption
        The best first.
    seen : array of shape (crop, crop, 3), uint8
        The pixels that the network saw.
    maps : array of shape (T, side, side), float32, or None
        How much each part of `seen` counts for each word of the best caption: attention, or, where
        the captioner has none, the gradient; None if no maps were asked for.
    """

    file: Path
    captions: list[PhotoCaption]
    seen: np.ndarray
    maps: np.ndarray | None = None


def warnings_of(captioners: Sequence[TrainedCaptioner]) -> list[str]:
    """Return a sentence for each drawn data set that a captioner was trained on."""
    drawn = sorted({str(item.facts.get("dataset")) for item in captioners} & DRAWN)
    return [
        f"this captioner was trained on the drawn scenes of `{dataset}` and has never"
        " seen a photograph: of one, it can only say what those scenes show"
        for dataset in drawn
    ]


def caption_photos(
    photos: Sequence[Path],
    captioners: Sequence[TrainedCaptioner],
    pca: Path,
    *,
    weights: str = "",
    decoder: Decoder,
    best: int = 1,
    with_maps: bool = False,
    device: Device = "auto",
) -> list[CaptionedPhoto]:
    """Caption photos; one that cannot be read is told on standard error and left out.

    A photo of the study gets the same features as in the study, if those were made on the same kind
    of device: the number format is kept, and batches are filled up to their usual size.

    Parameters
    ----------
    photos : sequence of Path
        Picture files.
    captioners : sequence of TrainedCaptioner
        One, or several that caption as an ensemble.
    pca : Path
        What `fit_pca` wrote in the captioners' study.
    weights : str
        File of the backbone's weights, where they are not random.
    decoder : Decoder
        How to find captions.
    best : int
        Captions a photo, the best ones; more than one only of a beam that is as wide.
    with_maps : bool
        Whether to compute maps of the words; an ensemble has none.
    device : {"auto", "cpu", "cuda", "mps"}
        Where to compute.

    Raises
    ------
    InputError
        If there is one photo alone and it cannot be read, the PCA is missing or damaged, it does
        not belong to the captioner or the weights, or the beam is narrower than `best`.
    """
    decoder.require_best(best)
    origin = read_origin(pca, weights)
    backbone = origin.backbone
    chosen_device = choose_device(device)
    precision = str(origin.attributes.get("precision", "auto"))
    if precision not in get_args(FeaturePrecision):
        raise InputError(
            f"{pca} is damaged: its features have the precision {precision!r}; fit it again on what"
            " extract-features writes."
        )
    scales = None
    if precision == "int8":
        scales = parse_scales(origin.attributes.get(SCALES), backbone.network, pca)
    extractor = FeatureExtractor(backbone, origin.layer, chosen_device, precision, scales=scales)
    pixels = {}
    for photo in photos:
        try:
            image = decode_image(read_photo(photo), str(photo))
        except BrokenImageError as error:
            if len(photos) == 1:
                raise
            print(f"error: {error}", file=sys.stderr)
        else:
            pixels[photo] = backbone.preprocessing.cut(image)
    if not pixels:
        return []
    squares = list(pixels.values())
    if np.array_equal(extractor.batch, origin.attributes.get("batch")):
        # A row's last bits depend on the size of its batch, which is filled up as in the study.
        squares += [np.zeros_like(squares[0])] * (-len(squares) % extractor.batch)
    starts = range(0, len(squares), extractor.batch)
    batches = [squares[start : start + extractor.batch] for start in starts]
    features = np.concatenate([extractor(np.stack(batch)) for batch in batches])[: len(pixels)]
    components = read_pca(pca)
    features = components.transform(features).astype(np.float32)
    found = caption_features(captioners, features, decoder, chosen_device, best=best)
    vocabulary = captioners[0].idx_to_word
    captioned = [
        CaptionedPhoto(
            file, [_in_words(one, vocabulary) for one in (first, *first.others)], pixels[file]
        )
        for file, first in zip(pixels, found, strict=True)
    ]
    if not with_maps or len(captioners) > 1:
        return captioned
    explainer = Explainer(origin, components, captioners[0], chosen_device)
    attention = captioners[0].recipe.attention
    with progress(captioned, desc="maps", unit="photo") as bar:
        return [replace(photo, maps=_maps(explainer, photo, attention)) for photo in bar]


def _in_words(found: FoundCaption, vocabulary: Sequence[str]) -> PhotoCaption:
    """Return a caption that a search found in words."""
    words = [vocabulary[number] for number in found.words]
    return PhotoCaption(words, found.log_probabilities[: len(words)], found.log_probability)


def _maps(explainer: Explainer, photo: CaptionedPhoto, attention: bool) -> np.ndarray:
    """Return a map for each word of a photo's best caption."""
    words = photo.captions[0].words
    if not attention:
        return explainer.maps(photo.seen, words).gradient
    with torch.inference_mode():
        _, maps = explainer.say(explainer.image(photo.seen), words)
    return maps.cpu().numpy()
