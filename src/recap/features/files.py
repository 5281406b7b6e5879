"""The HDF5 files that hold features, a row an image."""

import hashlib
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import h5py
import numpy as np

from recap.core.errors import InputError
from recap.core.hdf5 import create_hdf5, open_hdf5, read_attributes, read_table
from recap.datasets.annotations import Annotations

FEATURES = "features"
SKIPPED = "skipped"
REGIONS = "regions"
SCALES = "scales"  # of a network in int8, as JSON
SEEN = "seen"  # share of a photo's shorter side, 0 for the whole photo

# What was read of a photo: its bytes' sha256 and number; zeros for one that is not there.
PHOTO = np.dtype([("sha256", np.uint8, 32), ("bytes", np.uint64)])
PHOTOS = "photos"
IMAGES_SHA256, IMAGES_BYTES = "images_sha256", "images_bytes"

# HDF5 1.8's format, which has room for an attribute of any length: the list of skipped rows.
FORMAT = ("v108", "v108")


@contextmanager
def create_features(
    path: Path,
    shape: tuple[int, int],
    attributes: dict,
    skipped: np.ndarray,
    photos: np.ndarray | None = None,
    record_digest: bool = True,
) -> Iterator[h5py.Dataset]:
    """Make a feature file, whole or not at all.

    Parameters
    ----------
    path : Path
        HDF5 file to make.
    shape : tuple of int
        Rows and columns.
    attributes : dict
        What the file says of its origin.
    skipped : array of int
        Rows of images that could not be read.
    photos : array of shape (N,), optional
        Of type `PHOTO`: what was read of each row's photo, kept in a shard for the whole file.
    record_digest : bool
        As in `atomic_path`.

    Yields
    ------
    h5py.Dataset
        The table `features`, float32, contiguous, to write rows into.
    """
    with create_hdf5(path, record_digest=record_digest, libver=FORMAT) as file:
        rows = file.create_dataset(FEATURES, shape, dtype=np.float32)
        rows.attrs[SKIPPED] = np.asarray(skipped, dtype=np.int64)
        if photos is not None:
            file[PHOTOS] = photos
        # In one order, so that a file that is put together of others has the same bytes.
        file.attrs.update(sorted(attributes.items()))
        yield rows


def describe_read(photos: Iterable[np.ndarray]) -> dict[str, str | int]:
    """Return the attributes that tell the bytes of the photos that a feature file was made from.

    Parameters
    ----------
    photos : iterable of array of shape (n,)
        Of type `PHOTO`, shard by shard, in the order of the rows.

    Returns
    -------
    dict
        The sha256 of all photos' sha256, 32 bytes each, and how many bytes they have together.
    """
    digest, count = hashlib.sha256(), 0
    for piece in photos:
        digest.update(np.ascontiguousarray(piece["sha256"]))
        count += int(piece["bytes"].sum())
    return {IMAGES_SHA256: digest.hexdigest(), IMAGES_BYTES: count}


def refuse_all_skipped(skipped: np.ndarray, count: int) -> None:
    """Refuse features of images of which none could be read.

    Parameters
    ----------
    skipped : array of int
        Rows of images that could not be read.
    count : int
        How many there are.

    Raises
    ------
    InputError
        If all were skipped.
    """
    if len(skipped) == count:
        raise InputError(
            f"None of the {count} images could be read: check that the annotations belong to these"
            " images."
        )


@contextmanager
def open_features(path: Path) -> Iterator[h5py.File]:
    """Open a feature file for reading; a context manager.

    Parameters
    ----------
    path : Path
        HDF5 file with `features` of shape (N, D).

    Yields
    ------
    h5py.File
        With a table `features` of floating point numbers.

    Raises
    ------
    InputError
        If the file is missing, damaged, or has no features.
    """
    with open_hdf5(path) as file:
        features = read_table(file, FEATURES, 2, "f")
        skipped = np.asarray(skipped_rows(features))
        is_whole = skipped.ndim == 1 and (skipped.dtype.kind in "iu" or not skipped.size)
        if is_whole and skipped.size:
            is_whole = skipped.min() >= 0 and skipped.max() < len(features)
        if not is_whole or features.shape[1] % regions_of(file):
            raise InputError(f"{path} is damaged: its attributes do not fit `{FEATURES}`.")
        yield file


def regions_of(file: h5py.File) -> int:
    """Return how many regions of its image a row of a feature file, or of a PCA, is of.

    Parameters
    ----------
    file : h5py.File
        Open for reading; its attribute `regions` tells.

    Raises
    ------
    InputError
        If the attribute is no whole number from 1 up.
    """
    regions = str(read_attributes(file).get(REGIONS, 1))
    if not re.fullmatch(r"[1-9]\d{0,8}", regions):
        raise InputError(
            f"{file.filename} is damaged: its attributes do not fit, `regions` is {regions!r}; make"
            " it again."
        )
    return int(regions)


def seen_of(file: h5py.File) -> float | None:
    """Return which part of an image the features of a file are of.

    Parameters
    ----------
    file : h5py.File
        Open for reading; its attribute `seen` tells.

    Returns
    -------
    float or None
        The share of the image's shorter side that the square about its middle has which the network
        saw; 0 for the whole image; None where the file does not tell.

    Raises
    ------
    InputError
        If the attribute is no such share.
    """
    seen = read_attributes(file).get(SEEN)
    if seen is None:
        return None
    if isinstance(seen, float | np.integer) and 0 <= seen <= 1:
        return float(seen)
    raise InputError(
        f"{file.filename} is damaged: its attributes do not fit, `{SEEN}` is {seen!r}; make it"
        " again."
    )


def skipped_rows(features: h5py.Dataset) -> np.ndarray:
    """Return the rows of images that could not be read, which no stage may use.

    Parameters
    ----------
    features : h5py.Dataset of shape (N, D)
        The table of a feature file.

    Returns
    -------
    array of int64
        Row numbers; empty for most files.
    """
    return read_attributes(features).get(SKIPPED, np.array([], dtype=np.int64))


@contextmanager
def open_usable_features(
    features: Path, annotations: Path, split: Annotations
) -> Iterator[tuple[h5py.Dataset, np.ndarray]]:
    """Open the features of a split's images, and tell which of the images could be read.

    Parameters
    ----------
    features, annotations : Path
        HDF5 file, and where the split's annotations come from.
    split : Annotations
        Lists the images in the features' order.

    Yields
    ------
    rows : h5py.Dataset of shape (I, F), float32
        Still in the file.
    usable : array of shape (U,), int64
        Numbers of the rows of images that could be read, rising.

    Raises
    ------
    InputError
        If the features are missing or damaged, are of other images, or none could be read.
    """
    with open_features(features) as file:
        rows = file[FEATURES]
        if len(rows) != len(split.images):
            raise InputError(
                f"{features} has {len(rows)} rows but {annotations} lists {len(split.images)}"
                " images: make the features from these annotations."
            )
        skipped = skipped_rows(rows)
        refuse_all_skipped(skipped, len(rows))
        yield rows, np.setdiff1d(np.arange(len(rows)), skipped)
