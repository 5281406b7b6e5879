"""MNIST's file format (http://yann.lecun.com/exdb/mnist): gzipped arrays of bytes, named IDX."""

import gzip
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from recap.core.errors import InputError
from recap.core.files import atomic_path
from recap.datasets.digits.files import CLASSES

SIDE = 28


@dataclass(frozen=True)
class Digits:
    """Pictures of a split and their classes.

    Attributes
    ----------
    images : ndarray of shape (N, 28, 28), uint8
        0 is the background.
    labels : ndarray of shape (N,), uint8
        0 to 9.
    """

    images: np.ndarray
    labels: np.ndarray


def read_digits(images: Path, labels: Path) -> Digits:
    """Read a split of MNIST or of a data set in its format.

    Parameters
    ----------
    images, labels : Path
        Gzipped IDX files.

    Returns
    -------
    Digits

    Raises
    ------
    InputError
        If a file is missing, damaged or of another kind, if the two do not belong together, or if
        a label is no class.
    """
    pictures = read_images(images)
    classes = _read_idx(labels, 1)
    if len(pictures) != len(classes):
        raise InputError(
            f"{images} has {len(pictures)} pictures and {labels} {len(classes)} labels: name two"
            " files of one split."
        )
    if len(classes) == 0 or classes.max() >= CLASSES:
        found = f"the label {classes.max()}" if len(classes) else "no labels"
        raise InputError(f"{labels} has {found}, where MNIST has 0 to {CLASSES - 1}.")
    return Digits(pictures, classes)


def read_images(path: Path) -> np.ndarray:
    """Read the pictures of a split alone.

    Parameters
    ----------
    path : Path
        Gzipped IDX file.

    Returns
    -------
    ndarray of shape (N, 28, 28), uint8

    Raises
    ------
    InputError
        If it is missing, damaged or of another kind.
    """
    pictures = _read_idx(path, 3)
    if pictures.shape[1:] != (SIDE, SIDE):
        raise InputError(
            f"{path} has pictures of {pictures.shape[2]}x{pictures.shape[1]}, where MNIST has"
            f" {SIDE}x{SIDE}: name MNIST's file, or one in its format."
        )
    return pictures


def write_digits(images: Path, labels: Path, digits: Digits) -> None:
    """Write a split in MNIST's format, with the same bytes for the same pictures.

    Parameters
    ----------
    images, labels : Path
        Gzipped IDX files to make.
    digits : Digits
        The pictures and their classes.
    """
    for path, array in ((images, digits.images), (labels, digits.labels)):
        header = bytes([0, 0, 8, array.ndim]) + np.array(array.shape, ">u4").tobytes()
        with atomic_path(path) as scratch:
            scratch.write_bytes(gzip.compress(header + array.tobytes(), mtime=0))


def _read_idx(path: Path, dimensions: int) -> np.ndarray:
    """Return the array of bytes that a gzipped IDX file holds."""
    try:
        content = gzip.decompress(path.read_bytes())
    except FileNotFoundError:
        raise InputError(f"{path} does not exist.") from None
    except IsADirectoryError:
        raise InputError(f"{path} is a folder: name a gzipped IDX file in it.") from None
    except (EOFError, OSError, zlib.error) as error:
        raise InputError(
            f"{path} cannot be read as a gzip file ({error}): download it again, or pack it with"
            " gzip if it is unpacked."
        ) from None
    start = 4 + 4 * dimensions
    # Two zeros, 8 for bytes without a sign, and the number of dimensions.
    if content[:4] != bytes([0, 0, 8, dimensions]) or len(content) < start:
        raise InputError(
            f"{path} does not begin as an IDX file of bytes in {dimensions} dimensions does: name"
            " MNIST's images where images are wanted, and its labels where labels are."
        )
    shape = tuple(map(int, np.frombuffer(content, ">u4", dimensions, offset=4)))
    wanted, found = int(np.prod(shape, dtype=object)), len(content) - start
    if wanted != found:
        raise InputError(
            f"{path} announces {' x '.join(map(str, shape))} bytes and holds {found}: download it"
            " again."
        )
    return np.frombuffer(content, np.uint8, offset=start).reshape(shape)
