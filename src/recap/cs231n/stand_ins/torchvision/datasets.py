"""MNIST with torchvision's interface."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from PIL import Image

from recap.core.fetch import fetch
from recap.cs231n.places import find_resource
from recap.datasets.digits.files import DIGIT_FILES, NAMES
from recap.datasets.digits.idx import read_digits

__all__ = ["MNIST"]


class MNIST(torch.utils.data.Dataset):
    """The digits of MNIST and their classes.

    Parameters
    ----------
    root : str
        Folder with the four archives, in it or below. They are also found in `resources/mnist` of
        recap's folder.
    train : bool
        The 60,000 to learn from, or the 10,000 to test.
    transform, target_transform : callable, optional
        What is done to a picture (PIL) and to a class (int) before they are returned.
    download : bool
        Bring the archives into `root` if they are not found.

    Raises
    ------
    InputError
        If an archive is missing or damaged.
    """

    def __init__(
        self,
        root: str,
        train: bool = True,
        transform: Callable | None = None,
        target_transform: Callable | None = None,
        download: bool = False,
    ):
        self.transform = transform
        self.target_transform = target_transform
        split = "train" if train else "test"
        digits = read_digits(
            *(_find(Path(root), NAMES[split, kind], download) for kind in ("images", "labels"))
        )
        self.data, self.targets = torch.tensor(digits.images), torch.tensor(digits.labels).long()

    def __len__(self) -> int:
        return len(self.data)

    def __getitem__(self, place: int) -> tuple[Any, Any]:
        image, target = Image.fromarray(self.data[place].numpy()), int(self.targets[place])
        image = self.transform(image) if self.transform else image
        return image, self.target_transform(target) if self.target_transform else target


def _find(root: Path, name: str, download: bool) -> Path:
    found = next(root.rglob(name), None) or find_resource(f"mnist/{name}")
    if found is None and download:
        root.mkdir(parents=True, exist_ok=True)
        fetch(DIGIT_FILES[f"mnist/{name}"], root / name, remedy=f"put it into {root}")
    return found or root / name
