"""The data sets: where each comes from, how it is laid out, and its splits."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from recap.datasets import coco, flickr8k
from recap.download import RemoteFile, fetch
from recap.errors import InputError
from recap.files import write_json


@dataclass(frozen=True)
class Dataset:
    """A data set that recap can bring.

    Attributes
    ----------
    images : dict
        Image archive's file name by split. `train` is learnt from, `val` is scored, and `dev`,
        where there is one, chooses the checkpoint.
    annotations : str
        File name of the archive that holds the captions.
    read_split : callable
        `(archive, split) -> dict`: the split in COCO's caption format.
    files : tuple of RemoteFile
        What is downloaded; empty for a data set that is drawn.
    """

    images: dict[str, str]
    annotations: str
    read_split: Callable[[Path, str], dict]
    files: tuple[RemoteFile, ...] = ()


DATASETS = {
    "shapes": Dataset(
        images={"train": "train2014.zip", "val": "val2014.zip"},
        annotations="annotations_trainval2014.zip",
        read_split=coco.read_split,
    ),
    "coco2014": Dataset(
        images={"train": "train2014.zip", "val": "val2014.zip"},
        annotations="annotations_trainval2014.zip",
        read_split=coco.read_split,
        files=coco.FILES,
    ),
    "flickr8k": Dataset(
        images=dict.fromkeys(("train", "val", "dev"), flickr8k.IMAGES.name),
        annotations=flickr8k.TEXT.name,
        read_split=flickr8k.read_split,
        files=(flickr8k.IMAGES, flickr8k.TEXT),
    ),
}


def download_dataset(
    dataset: Literal["coco2014", "flickr8k"],
    file: str,
    *,
    output: Path,
    mirror: str = "",
    urls: dict[str, str] | None = None,
) -> None:
    """Download one file of a data set and verify it.

    Parameters
    ----------
    dataset : {"coco2014", "flickr8k"}
        Data set.
    file : str
        File name, such as `train2014.zip`.
    output : Path
        Where to put it.
    mirror : str
        Folder or URL where the file is looked for first.
    urls : dict, optional
        Addresses to use in place of the official ones, by file name; JSON on the command line.

    Raises
    ------
    InputError
        If the data set has no such file, no source has it, or its size or checksum is wrong.
    """
    files = {remote.name: remote for remote in DATASETS[dataset].files}
    if file not in files:
        raise InputError(f"{dataset} has no file {file}: it has {', '.join(files)}.")
    fetch(files[file], output, mirror, urls)


def prepare_annotations(
    dataset: Literal["shapes", "coco2014", "flickr8k"],
    archive: Path,
    *,
    split: Literal["train", "val", "dev"],
    output: Path,
) -> None:
    """Write the captions of one split as a COCO caption file.

    Parameters
    ----------
    dataset : {"shapes", "coco2014", "flickr8k"}
        Data set.
    archive : Path
        The data set's archive of captions.
    split : {"train", "val", "dev"}
        `train` is learnt from, `val` is scored, `dev` chooses the checkpoint.
    output : Path
        JSON file to write.

    Raises
    ------
    InputError
        If the archive is damaged or is not this data set's, or if there is no such split.
    """
    if split not in DATASETS[dataset].images:
        raise InputError(
            f"{dataset} has no {split} split: it has {', '.join(DATASETS[dataset].images)}."
        )
    write_json(output, DATASETS[dataset].read_split(archive, split))
