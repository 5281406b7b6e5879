"""The HDF5 files that hold features, a row an image."""

from pathlib import Path

import h5py
import numpy as np

from recap.errors import InputError

FEATURES = "features"
SKIPPED = "skipped"


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
