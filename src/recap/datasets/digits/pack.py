"""Pack a folder of pictures in MNIST's format."""

from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from recap.core.checks import require, require_seed
from recap.core.errors import InputError
from recap.core.files import check_different
from recap.core.images import decode_image
from recap.core.outputs import OutputFile
from recap.core.photo_store import read_photo
from recap.core.progress import progress
from recap.datasets.digits.files import list_pictures
from recap.datasets.digits.idx import SIDE, Digits, write_digits


def pack_pictures(
    folder: Path,
    *,
    train_images: OutputFile,
    train_labels: OutputFile,
    test_images: OutputFile,
    test_labels: OutputFile,
    test_share: float = 0.1,
    invert: bool = False,
    seed: int = 0,
) -> None:
    """Pack a folder of pictures, a sub-folder a class, in MNIST's format.

    Each picture becomes gray, and its centre square is scaled to 28x28 pixels.

    Parameters
    ----------
    folder : Path
        With two to ten sub-folders, whose names in their order are the classes.
    train_images : Path
        Gzipped IDX file to make, of the pictures to train on.
    train_labels : Path
        Gzipped IDX file to make, of their classes.
    test_images : Path
        Gzipped IDX file to make, of the pictures to test on.
    test_labels : Path
        Gzipped IDX file to make, of their classes.
    test_share : float
        Share of the pictures that are kept for testing, drawn by seed.
    invert : bool
        Whether dark strokes on a light ground become light on dark, as MNIST's are.
    seed : int
        Seed of the draw and of the order.

    Raises
    ------
    InputError
        If the folder is missing, has another number of sub-folders or too few pictures, or a
        picture cannot be read.
    """
    require(0 < test_share < 1, "test_share", "more than 0 and less than 1", test_share)
    require_seed(seed)
    check_different(train_images, train_labels, test_images, test_labels)
    files = [
        (path, label) for label, of_class in enumerate(list_pictures(folder)) for path in of_class
    ]
    tested = round(test_share * len(files))
    if not 0 < tested < len(files):
        raise InputError(f"{folder} has {len(files)} pictures, too few to train and to test on.")
    order = np.random.default_rng(seed).permutation(len(files))
    shown = progress([files[number] for number in order], desc="pack pictures", unit="picture")
    pictures = np.stack([_shrink(path, invert) for path, _ in shown])
    labels = np.array([files[number][1] for number in order], np.uint8)
    write_digits(test_images, test_labels, Digits(pictures[:tested], labels[:tested]))
    write_digits(train_images, train_labels, Digits(pictures[tested:], labels[tested:]))


def _shrink(path: Path, invert: bool) -> np.ndarray:
    """Return the centre square of a picture in 28x28 gray pixels."""
    image = decode_image(read_photo(path), str(path)).convert("L")
    image = ImageOps.fit(image, (SIDE, SIDE), Image.Resampling.LANCZOS)
    return 255 - np.asarray(image) if invert else np.asarray(image)
