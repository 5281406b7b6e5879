"""The HDF5 files that hold features, a row an image."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import h5py
import numpy as np

from recap.errors import InputError
from recap.files import atomic_path

FEATURES = "features"
SKIPPED = "skipped"
REGIONS = "regions"

# HDF5 1.8's format, which has room for an attribute of any length: the list of skipped rows.
FORMAT = ("v108", "v108")


@contextmanager
def create_features(
    path: Path, shape: tuple[int, int], attributes: dict, skipped: np.ndarray
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

    Yields
    ------
    h5py.Dataset
        The table `features`, float32, contiguous, to write rows into.
    """
    with atomic_path(path) as scratch, h5py.File(scratch, "w", libver=FORMAT) as file:
        rows = file.create_dataset(FEATURES, shape, dtype=np.float32)
        rows.attrs[SKIPPED] = np.asarray(skipped, dtype=np.int64)
        # In one order, so that a file that is put together of others has the same bytes.
        file.attrs.update(sorted(attributes.items()))
        yield rows


def open_features(path: Path) -> h5py.File:
    """Open a feature file for reading.

    Parameters
    ----------
    path : Path
        HDF5 file with `features` of shape (N, D).

    Raises
    ------
    InputError
        If the file is missing, damaged, or has no features.
    """
    file = open_hdf5(path)
    if getattr(file.get(FEATURES), "ndim", None) != 2:
        raise InputError(f"{path} has no table `{FEATURES}`: it is not a feature file.")
    return file


def open_hdf5(path: Path) -> h5py.File:
    """Open an HDF5 file for reading.

    Parameters
    ----------
    path : Path
        File to open.

    Raises
    ------
    InputError
        If the file is missing or damaged.
    """
    try:
        return h5py.File(path, "r")
    except FileNotFoundError:
        raise InputError(f"{path} does not exist: check the path.") from None
    except OSError as error:
        raise InputError(
            f"{path} is not a whole HDF5 file ({error}): delete it and make it again."
        ) from None


def regions_of(file: h5py.File) -> int:
    """Return how many regions of its image a row of a feature file, or of a PCA, is of.

    Parameters
    ----------
    file : h5py.File
        Open for reading; its attribute `regions` tells.
    """
    return int(file.attrs.get(REGIONS, 1))


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
    return features.attrs.get(SKIPPED, np.array([], dtype=np.int64))
