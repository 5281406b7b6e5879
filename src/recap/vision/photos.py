"""The photos that vision looks at: files, folders, and arrays with labels and true masks."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from recap.core.arrays import read_arrays
from recap.core.errors import InputError
from recap.core.images import FORMATS, decode_image
from recap.core.photo_store import read_photo
from recap.vision.networks import Classifier


@dataclass(frozen=True)
class Photo:
    """A photo and what is known of it.

    Attributes
    ----------
    name : str
        No other photo of the same reading has it.
    image : PIL.Image.Image
        Upright, in RGB.
    labels : tuple of int
        Numbers of the classes that it shows; none where they are not known.
    masks : array of shape (classes, height, width), bool, optional
        Where each class is seen.
    """

    name: str
    image: Image.Image
    labels: tuple[int, ...] = ()
    masks: np.ndarray | None = None


@dataclass(frozen=True)
class CutPhoto:
    """A photo as a network sees it.

    Attributes
    ----------
    name : str
        As of `Photo`.
    pixels : array of shape (height, width, 3), uint8
        In RGB.
    labels : tuple of int
        As of `Photo`.
    masks : array of shape (classes, height, width), bool, optional
        As of `Photo`.
    """

    name: str
    pixels: np.ndarray
    labels: tuple[int, ...]
    masks: np.ndarray | None


def cut_photos(sources: Sequence[Path], classifier: Classifier) -> list[CutPhoto]:
    """Read photos and cut them to a network's size.

    Parameters
    ----------
    sources : sequence of Path
        As `read_photos` takes them.
    classifier : Classifier
        Network.

    Raises
    ------
    InputError
        As `read_photos` does, or if a photo's labels or masks are not of the network's classes.
    """
    cut = classifier.preprocessing.cut
    classes = len(classifier.class_names)
    photos = []
    for photo in read_photos(sources):
        masks = photo.masks
        if not all(0 <= label < classes for label in photo.labels) or (
            masks is not None and len(masks) != classes
        ):
            raise InputError(
                f"{photo.name} has labels or masks of other classes than the network's {classes}:"
                " give the photos that the network was made for."
            )
        if masks is not None:
            masks = np.stack([cut(Image.fromarray(mask)) for mask in masks])
        photos.append(CutPhoto(photo.name, cut(photo.image), photo.labels, masks))
    return photos


def read_photos(sources: Sequence[Path]) -> Iterator[Photo]:
    """Read photos one after another.

    Parameters
    ----------
    sources : sequence of Path
        Picture files; folders of them; or NumPy archives `.npz` with `X` (N, height, width, 3)
        uint8 in RGB and, where they are known, `y` ((N,) numbers of classes, or (N, classes) bool)
        and `masks` (N, classes, height, width) bool.

    Yields
    ------
    Photo
        Named as its file without the ending; in an archive, with its row behind.

    Raises
    ------
    InputError
        If a source is missing, holds no photos, or a photo cannot be read.
    """
    names: set[str] = set()
    for source in map(Path, sources):
        for photo in _read_archive(source) if source.suffix == ".npz" else _read_files(source):
            if photo.name in names:
                raise InputError(
                    f"Two photos are called {photo.name}, and their pictures would be: rename one"
                    f" ({source})."
                )
            names.add(photo.name)
            yield photo
    if not names:
        raise InputError("There is no photo: name one or more picture files.")


def _read_files(source: Path) -> Iterator[Photo]:
    """Yield the photo of a file, or those of a folder by their names."""
    paths = [source]
    if source.is_dir():
        Image.init()
        endings = {ending for ending, form in Image.EXTENSION.items() if form in FORMATS}
        endings |= {".heic", ".heif"}
        paths = sorted(path for path in source.iterdir() if path.suffix.lower() in endings)
        if not paths:
            raise InputError(f"The folder {source} has no picture files: name another.")
    for path in paths:
        yield Photo(path.stem, decode_image(read_photo(path), str(path)))


def _read_archive(source: Path) -> Iterator[Photo]:
    """Yield the photos of a NumPy archive."""
    found = read_arrays(source, "X", optional=("y", "masks"))
    pixels, labels, masks = found["X"], found.get("y"), found.get("masks")
    many, *size = pixels.shape or (0,)
    if pixels.dtype != np.uint8 or len(size) != 3 or size[2] != 3 or 0 in pixels.shape:
        raise InputError(
            f"{source} holds an `X` of shape {pixels.shape}, {pixels.dtype}: it must be (N, height,"
            " width, 3), uint8."
        )
    labels = [()] * many if labels is None else _label_sets(labels, many, source)
    if masks is not None and (
        masks.dtype != bool
        or masks.ndim != 4
        or masks.shape[::2] != (many, size[0])
        or masks.shape[3] != size[1]
    ):
        raise InputError(
            f"{source} holds `masks` of shape {masks.shape}, {masks.dtype}: they must be (N,"
            " classes, height, width), bool, for the photos of its `X`."
        )
    for row in range(many):
        name = f"{source.stem}-{row:0{len(str(many - 1))}}"
        mask = None if masks is None else masks[row]
        yield Photo(name, Image.fromarray(pixels[row]), labels[row], mask)


def _label_sets(labels: np.ndarray, many: int, source: Path) -> list[tuple[int, ...]]:
    """Return the classes of each photo, of numbers (N,) or truths (N, classes)."""
    if labels.shape == (many,) and labels.dtype.kind in "iu":
        return [(int(label),) for label in labels]
    if labels.ndim == 2 and len(labels) == many and labels.dtype == bool:
        return [tuple(map(int, np.flatnonzero(row))) for row in labels]
    raise InputError(
        f"{source} holds a `y` of shape {labels.shape}, {labels.dtype}: it must be (N,) whole"
        " numbers or (N, classes) bool, for the photos of its `X`."
    )
