"""The files of `coco_captioning/`, as CS231n's course code reads them."""

from pathlib import Path, PurePosixPath
from urllib.parse import urlsplit

import numpy as np

from recap.captions.vocabulary import decode_captions
from recap.core.checks import require
from recap.core.errors import InputError
from recap.core.files import atomic_path, check_different
from recap.core.hdf5 import open_hdf5, read_table
from recap.core.json_files import read_json
from recap.core.outputs import OutputFile
from recap.core.text import is_one_line
from recap.datasets.annotations import iterate_images
from recap.features.files import FEATURES, open_features

__all__ = [
    "decode_captions",
    "list_images",
    "load_coco_data",
    "read_captions",
    "sample_coco_minibatch",
]


def list_images(
    annotations: Path,
    *,
    images: OutputFile,
    urls: OutputFile,
    components: int = 0,
    regions: int = 1,
) -> None:
    """List a split's image files and their Flickr addresses in the feature files' row order.

    Parameters
    ----------
    annotations : Path
        COCO caption file.
    images : Path
        Text file to write, a path a line in the course's form, such as
        `coco/images/val2014/COCO_val2014_000000391895.jpg`. The folder is the one that the image's
        `coco_url` names, or else that of the split.
    urls : Path
        Text file to write, an address a line: `flickr_url`, or else `coco_url`, or else nothing.
    components : int
        Principal components that are to be found in the features of these images, if any.
    regions : int
        Regions of an image that give features of their own.

    Raises
    ------
    InputError
        If the annotations are missing or not in COCO's format, or list too few images for the
        components; or if both outputs are one file.
    """
    require(components >= 0, "components", "at least 0", components)
    require(regions >= 1, "regions", "at least 1", regions)
    check_different(images, urls)
    split_folder = images.name.removesuffix("_images.txt")
    with (
        atomic_path(images, record_digest=True) as images_scratch,
        atomic_path(urls, record_digest=True) as urls_scratch,
        open(images_scratch, "w", encoding="utf-8") as images_list,
        open(urls_scratch, "w", encoding="utf-8") as urls_list,
    ):
        count = 0
        for record in iterate_images(annotations):
            folder = _folder(record) or split_folder
            images_list.write(f"coco/images/{folder}/{record['file_name']}\n")
            urls_list.write(f"{_url(record, 'flickr_url') or _url(record, 'coco_url')}\n")
            count += 1
        if components > count * regions:
            raise InputError(
                f"{components} `pca_components` cannot be found in the {count} images of"
                f" {annotations}; lower it to {count * regions}, or give more images."
            )


def _folder(record: dict) -> str:
    """Return the folder of an image in COCO, or nothing if its record does not tell it."""
    path = PurePosixPath(urlsplit(_url(record, "coco_url")).path)
    return path.parent.name if path.name == record["file_name"] else ""


def _url(record: dict, key: str) -> str:
    """Return an address of an image, or nothing if what stands there is none."""
    address = record.get(key)
    try:
        urlsplit(address)
        return address if is_one_line(address) else ""
    except (AttributeError, TypeError, ValueError):
        return ""


def read_captions(path: Path, split: str) -> tuple[np.ndarray, np.ndarray]:
    """Read a split's encoded captions.

    Parameters
    ----------
    path : Path
        HDF5 file in the form of `coco2014_captions.h5`.
    split : str
        `train`, `val` or `dev`.

    Returns
    -------
    captions : array of shape (M, T), int32
        Words by their number in the vocabulary.
    image_idxs : array of shape (M,), int32
        For each caption its image's row in the feature file.

    Raises
    ------
    InputError
        If the file is missing or damaged, or lacks the split.
    """
    with open_hdf5(path) as file:
        captions = read_table(file, f"{split}_captions", 2, "i")
        image_idxs = read_table(file, f"{split}_image_idxs", 1, "i")
        if len(captions) != len(image_idxs):
            raise InputError(
                f"{path} has {len(captions)} captions of the split {split}, but {len(image_idxs)}"
                " image_idxs: encode the captions again."
            )
        return captions[:], image_idxs[:]


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
            raise InputError(f"{urls} does not exist: `snakemake encode` makes it.")
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
