"""Load `coco_captioning/` as CS231n's course code does, and draw minibatches of it."""

from pathlib import Path

import numpy as np

from recap.core.errors import InputError
from recap.core.hdf5 import open_hdf5, read_table
from recap.core.json_files import read_json
from recap.features.files import FEATURES, open_features


def load_coco_data(
    base_dir: Path | str, max_train: int | None = None, pca_features: bool = True
) -> dict:
    """Load a `coco_captioning` folder into the dict that CS231n's notebooks work on.

    Parameters
    ----------
    base_dir : Path or str
        The folder, such as `results/shapes/coco_captioning`.
    max_train : int, optional
        Draw so many training captions with NumPy's global generator, with repetition.
    pca_features : bool
        Read the features reduced by PCA in place of fc7.

    Returns
    -------
    dict
        `train_captions`, `train_image_idxs`, `val_captions`, `val_image_idxs` (int32),
        `train_features`, `val_features` (float32), `idx_to_word`, `word_to_idx`, and
        `train_urls`, `val_urls` (arrays of str).

    Raises
    ------
    InputError
        If a file is missing or damaged.
    """
    base_dir = Path(base_dir)
    with open_hdf5(base_dir / "coco2014_captions.h5") as file:
        data = {
            f"{split}_{name}": read_table(file, f"{split}_{name}", dimensions, "i")[:]
            for split in ("train", "val")
            for name, dimensions in (("captions", 2), ("image_idxs", 1))
        }
    data.update(read_json(base_dir / "coco2014_vocab.json"))
    suffix = "_pca" if pca_features else ""
    for split in ("train", "val"):
        with open_features(base_dir / f"{split}2014_vgg16_fc7{suffix}.h5") as file:
            data[f"{split}_features"] = file[FEATURES][:]
        urls = base_dir / f"{split}2014_urls.txt"
        if not urls.exists():
            raise InputError(f"{urls} does not exist: `snakemake captions` makes it.")
        data[f"{split}_urls"] = np.array(urls.read_text(encoding="utf-8").split("\n")[:-1])
    if max_train is not None:
        mask = np.random.randint(len(data["train_captions"]), size=max_train)  # noqa: NPY002
        data["train_captions"] = data["train_captions"][mask]
        data["train_image_idxs"] = data["train_image_idxs"][mask]
    return data


def sample_coco_minibatch(
    data: dict, batch_size: int = 100, split: str = "train"
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Draw a minibatch with NumPy's global generator, with repetition, as CS231n does.

    Parameters
    ----------
    data : dict
        From `load_coco_data`.
    batch_size : int
        Captions to draw, N.
    split : {"train", "val"}
        Split to draw from.

    Returns
    -------
    captions : array of shape (N, T), int32
    image_features : array of shape (N, D), float32
    urls : array of N str
    """
    captions = data[f"{split}_captions"]
    mask = np.random.choice(len(captions), batch_size)  # noqa: NPY002
    image_idxs = data[f"{split}_image_idxs"][mask]
    return captions[mask], data[f"{split}_features"][image_idxs], data[f"{split}_urls"][image_idxs]
