"""The data sets that recap can bring."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from recap.datasets import coco, flickr8k
from recap.errors import InputError
from recap.files import write_json
from recap.remote_file import RemoteFile


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
