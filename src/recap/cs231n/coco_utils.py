"""Load `coco_captioning/` as CS231n's course code does, and draw minibatches of it."""

from contextlib import ExitStack
from pathlib import Path

import h5py
import numpy as np

from recap.captions.words import decode_captions
from recap.core.errors import InputError
from recap.core.hdf5 import open_hdf5, read_table
from recap.core.json_files import read_json
from recap.cs231n.places import find_data, remember
from recap.features.files import FEATURES, open_features

__all__ = ["decode_captions", "load_coco_data", "sample_coco_minibatch"]


def load_coco_data(
    base_dir: Path | str | None = None, max_train: int | None = None, pca_features: bool = True
) -> dict:
    """Load a `coco_captioning` folder into the dict that CS231n's notebooks work on.

    It prints which folder it reads, and how much memory the data take.

    Parameters
    ----------
    base_dir : Path or str, optional
        The folder, such as `results/shapes/coco_captioning`. By default the course's,
        `cs231n/datasets/coco_captioning`, or else that of the newest study: in `results/` here, in
        a folder above, or beside recap's own code.
    max_train : int, optional
        Draw so many training captions with NumPy's global generator, with repetition. The captions
        and features are then left on the disk, and read where they are used.
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
        If there is no folder, or a file is missing or damaged.
    """
    folder = find_data() if base_dir is None else Path(base_dir)
    remember(folder)
    suffix = "_pca" if pca_features else ""
    with ExitStack() as files:
        captions = folder / "coco2014_captions.h5"
        file = files.enter_context(open_hdf5(captions))
        tables = {
            f"{split}_{name}": (read_table(file, f"{split}_{name}", dimensions, "i"), captions)
            for split in ("train", "val")
            for name, dimensions in (("captions", 2), ("image_idxs", 1))
        }
        for split in ("train", "val"):
            path = folder / f"{split}2014_vgg16_fc7{suffix}.h5"
            _require_made(path, "features")
            features = files.enter_context(open_features(path))[FEATURES]
            tables[f"{split}_features"] = features, path
        size = sum(table.nbytes for table, _ in tables.values())
        held = f"{size / 1e6:,.1f} MB of memory" if max_train is None else "read where it is used"
        print(f"base dir  {folder}: {held}", flush=True)
        load = _load if max_train is None else _map
        data = {name: load(table, path) for name, (table, path) in tables.items()}
    data.update(read_json(folder / "coco2014_vocab.json"))
    for split in ("train", "val"):
        urls = folder / f"{split}2014_urls.txt"
        _require_made(urls, "captions")
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


def _require_made(path: Path, target: str) -> None:
    """Refuse the folder of a study that is not finished."""
    if not path.exists():
        raise InputError(f"{path} does not exist: `snakemake {target}` makes it.")


def _load(table: h5py.Dataset, path: Path) -> np.ndarray:
    return table[:]


def _map(table: h5py.Dataset, path: Path) -> np.ndarray:
    """Return a table as an array on the disk, whose changes stay in memory."""
    offset = table.id.get_offset()
    if offset is None:  # it is empty, compressed, or in pieces
        return table[:]
    return np.asarray(np.memmap(path, table.dtype, mode="c", offset=offset, shape=table.shape))
