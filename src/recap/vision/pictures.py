"""Pictures of 8 bits, written whole."""

from pathlib import Path

import numpy as np
from PIL import Image

from recap.core.errors import InputError
from recap.core.files import atomic_path
from recap.core.outputs import PICTURES, is_picture


def save_picture(path: Path, pixels: np.ndarray) -> None:
    """Write a picture, without loss unless its name ends as a JPEG's.

    Parameters
    ----------
    path : Path
        File to make; its ending is one of `recap.core.outputs.PICTURES`.
    pixels : array of shape (height, width, 3), uint8
        In RGB.
    """
    options = {"JPEG": {"quality": 95}, "WEBP": {"lossless": True}}
    form = PICTURES[path.suffix.lower()]
    with atomic_path(path) as scratch:
        Image.fromarray(pixels).save(scratch, format=form, **options.get(form, {}))


def require_one(output: Path, many: int) -> None:
    """Refuse a picture as the output of several photos.

    Parameters
    ----------
    output : Path
        A picture or a folder.
    many : int
        Photos.

    Raises
    ------
    InputError
        If it is one picture for several photos.
    """
    if is_picture(output) and many > 1:
        raise InputError(f"{output} is one picture, and there are {many} photos: name a folder.")
