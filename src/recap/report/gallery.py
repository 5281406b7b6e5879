"""A choice of photos with what people and the models say of them."""

import base64
import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from recap.annotations import Annotations
from recap.images import ImageStore, open_images
from recap.report.study import Study

PER_GROUP = 4
THUMBNAIL_SIDE = 320
JPEG_QUALITY = 80


@dataclass(frozen=True)
class ModelCaption:
    """What one model says of a photo.

    Attributes
    ----------
    model : str
        Name of the model.
    caption : str
        Its caption.
    cider : float
        CIDEr-D of the caption, as a fraction.
    """

    model: str
    caption: str
    cider: float


@dataclass(frozen=True)
class Card:
    """One photo of the gallery.

    Attributes
    ----------
    file_name : str
        As the annotations have it.
    picture : str
        JPEG as a data URI.
    width, height : int
        Its size in pixels.
    references : list of str
        What people wrote.
    captions : list of ModelCaption
        What each model says.
    """

    file_name: str
    picture: str
    width: int
    height: int
    references: list[str]
    captions: list[ModelCaption]


@dataclass(frozen=True)
class Group:
    """Photos that are shown for the same reason.

    Attributes
    ----------
    title : str
        The reason in a few words.
    explanation : str
        The reason in a sentence.
    cards : list of Card
        The photos.
    """

    title: str
    explanation: str
    cards: list[Card]


def choose_images(cider: np.ndarray, *, seed: int) -> dict[str, list[int]]:
    """Choose the photos to show; none is chosen twice.

    Parameters
    ----------
    cider : ndarray of shape (M, N), float64
        CIDEr-D of the M models on the N images.
    seed : int
        Seed of what is drawn, and of the order among equals.

    Returns
    -------
    dict of str to list of int
        Under `best`, `worst`, `disagree` (left out for a single model) and `drawn`: up to four
        columns of `cider` each.
    """
    models, images = cider.shape
    left = np.random.default_rng(seed).permutation(images)
    mean = cider.mean(axis=0)
    keys = {"best": -mean, "worst": mean}
    if models > 1:
        keys["disagree"] = cider.min(axis=0) - cider.max(axis=0)
    keys["drawn"] = np.zeros(images)
    chosen = {}
    per_group = min(PER_GROUP, -(-images // len(keys)))
    for name, key in keys.items():
        order = left[np.argsort(key[left], kind="stable")]
        chosen[name] = [int(index) for index in order[:per_group]]
        left = left[~np.isin(left, order[:per_group])]
    return chosen


def build_gallery(
    study: Study, annotations: Annotations, images: Path, *, decoder: str, seed: int
) -> list[Group]:
    """Choose photos and put together what is said of them.

    The captions and scores are those of each model's first seed.

    Parameters
    ----------
    study : Study
        What was scored.
    annotations : Annotations
        Names of the photos and their references; all scored images are in it.
    images : Path
        Zip archive or folder of the photos.
    decoder : str
        Decoder whose captions are shown.
    seed : int
        Seed of the choice.

    Raises
    ------
    InputError
        If a photo is missing or broken.
    """
    shown = {model: study.decodings(model, decoder)[0] for model in study.models}
    cider = np.stack([decoding.cider for decoding in shown.values()])
    explanations = {
        "best": ("Best", "The highest CIDEr-D, averaged over the models."),
        "worst": ("Worst", "The lowest CIDEr-D, averaged over the models."),
        "disagree": ("Disagreement", "The widest gap between the models' CIDEr-D."),
        "drawn": ("Drawn by lot", "Neither good nor bad on purpose: drawn from the rest by seed."),
    }
    references = annotations.captions_by_image()
    file_names = {image["id"]: image["file_name"] for image in annotations.images}
    groups = []
    with open_images(images) as store:
        for name, indices in choose_images(cider, seed=seed).items():
            cards = []
            for index in indices:
                image_id = study.image_ids[index]
                picture, width, height = _thumbnail(store, file_names[image_id])
                captions = [
                    ModelCaption(model, decoding.captions[index], float(decoding.cider[index]))
                    for model, decoding in shown.items()
                ]
                cards.append(
                    Card(
                        file_name=file_names[image_id],
                        picture=picture,
                        width=width,
                        height=height,
                        references=references[image_id],
                        captions=captions,
                    )
                )
            if cards:
                groups.append(Group(*explanations[name], cards))
    return groups


def _thumbnail(store: ImageStore, file_name: str) -> tuple[str, int, int]:
    """Return a photo as a JPEG data URI, its width and its height."""
    image = store.read(file_name)
    image.thumbnail((THUMBNAIL_SIDE, THUMBNAIL_SIDE), Image.Resampling.LANCZOS)
    file = io.BytesIO()
    image.save(file, "JPEG", quality=JPEG_QUALITY, optimize=True)
    encoded = base64.b64encode(file.getvalue()).decode("ascii")
    return f"data:image/jpeg;base64,{encoded}", image.width, image.height
