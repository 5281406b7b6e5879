"""Pictures of 8 bits, written whole."""

from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from recap.core.errors import InputError
from recap.core.files import atomic_path
from recap.core.outputs import PICTURES, is_picture

# Pixels between pictures in a row, and of the line of words above.
GAP, LINE = 6, 24


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


def save_arrays(path: Path, **arrays: np.ndarray) -> None:
    """Write arrays as a compressed NumPy archive.

    Parameters
    ----------
    path : Path
        File to make, `.npz`.
    **arrays : array
        By their names.
    """
    with atomic_path(path) as scratch, open(scratch, "wb") as file:
        np.savez_compressed(file, **arrays)


def label_pictures(pictures: dict[str, np.ndarray]) -> np.ndarray:
    """Return pictures in a row, with their names above.

    Parameters
    ----------
    pictures : dict of str to array of shape (height, width, 3), uint8
        In RGB, of one size.

    Returns
    -------
    array of shape (height + LINE, width of all with gaps, 3), uint8
    """
    height, width, _ = next(iter(pictures.values())).shape
    row = Image.new("RGB", (len(pictures) * (width + GAP) - GAP, LINE + height), "white")
    pen = ImageDraw.Draw(row)
    for number, (name, pixels) in enumerate(pictures.items()):
        left = number * (width + GAP)
        pen.text((left, 4), name.replace("_", " "), "black", ImageFont.load_default(14))
        row.paste(Image.fromarray(pixels), (left, LINE))
    return np.array(row)


def require_one(output: Path, many: int, what: str = "photos") -> None:
    """Refuse a picture as the output of several photos.

    Parameters
    ----------
    output : Path
        A picture or a folder.
    many : int
        How many there are.
    what : str
        What they are, if not photos.

    Raises
    ------
    InputError
        If it is one picture for several photos.
    """
    if is_picture(output) and many > 1:
        raise InputError(f"{output} is one picture, and there are {many} {what}: name a folder.")
