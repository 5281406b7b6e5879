"""The course's photos of ImageNet."""

import zipfile
from pathlib import Path

import numpy as np

from recap.backbones.imagenet_classes import IMAGENET_CLASSES
from recap.core.errors import InputError

PHOTOS = Path("cs231n/datasets/imagenet_val_25.npz")


def load_imagenet_val(num: int | None = None) -> tuple[np.ndarray, np.ndarray, dict[int, str]]:
    """Load the course's 25 validation photos of ImageNet, `cs231n/datasets/imagenet_val_25.npz`.

    Parameters
    ----------
    num : int, optional
        Photos to return, from the first.

    Returns
    -------
    X : array of shape (num, 224, 224, 3), uint8
    y : array of shape (num,)
        Numbers of their classes.
    class_names : dict of int to str

    Raises
    ------
    InputError
        If the file is missing or damaged.
    """
    try:
        # The file's own names of classes are pickled, and could run any code.
        with np.load(PHOTOS, allow_pickle=False) as archive:
            X, y = archive["X"][:num], archive["y"][:num]
    except FileNotFoundError:
        raise InputError(
            f"{PHOTOS} does not exist: the course's `get_imagenet_val.sh` brings it."
        ) from None
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        raise InputError(f"{PHOTOS} is damaged: bring it again.") from None
    return X, y, dict(enumerate(IMAGENET_CLASSES))
