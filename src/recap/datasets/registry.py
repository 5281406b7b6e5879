"""The data sets that recap can bring."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from recap.core.errors import InputError
from recap.core.files import atomic_path
from recap.core.outputs import OutputFile
from recap.core.remote_file import RemoteFile
from recap.datasets import coco, flickr8k, karpathy

OFFICIAL, KARPATHY = "official", "karpathy"
DRAWN = frozenset({"shapes"})  # data sets of drawn scenes, not of photographs


@dataclass(frozen=True)
class Dataset:
    """A data set that recap can bring, in one way of parting it into splits.

    Attributes
    ----------
    images : dict
        The image archives that hold a split's photos, by split. `train` is learnt from, `val` is
        scored, and `dev`, where there is one, chooses the checkpoint.
    annotations : str
        File name of the archive that holds the captions.
    read_split : callable
        `(archive, split)` -> pieces, as bytes, of the split's COCO caption file.
    files : tuple of RemoteFile
        What is downloaded; empty for a data set that is drawn.
    """

    images: dict[str, tuple[str, ...]]
    annotations: str
    read_split: Callable[[Path, str], Iterator[bytes]]
    files: tuple[RemoteFile, ...] = ()


def _coco(train: RemoteFile, val: RemoteFile, annotations: RemoteFile) -> Dataset:
    return Dataset(
        images={"train": (train.name,), "val": (val.name,)},
        annotations=annotations.name,
        read_split=coco.read_split,
        files=(train, val, annotations),
    )


# By name and splits.
DATASETS = {
    ("shapes", OFFICIAL): Dataset(
        images={"train": ("train2014.zip",), "val": ("val2014.zip",)},
        annotations="annotations_trainval2014.zip",
        read_split=coco.read_split,
    ),
    ("coco2014", OFFICIAL): _coco(coco.TRAIN_2014, coco.VAL_2014, coco.ANNOTATIONS_2014),
    ("coco2017", OFFICIAL): _coco(coco.TRAIN_2017, coco.VAL_2017, coco.ANNOTATIONS_2017),
    ("coco_small", OFFICIAL): Dataset(
        images=dict.fromkeys(("train", "val", "dev"), (coco.VAL_2017.name,)),
        annotations=coco.ANNOTATIONS_2017.name,
        read_split=coco.read_small,
        files=(coco.VAL_2017, coco.ANNOTATIONS_2017),
    ),
    ("coco2014", KARPATHY): Dataset(
        # Of val2014, 30,504 photos are learnt from.
        images={
            "train": (coco.TRAIN_2014.name, coco.VAL_2014.name),
            "val": (coco.VAL_2014.name,),
            "dev": (coco.VAL_2014.name,),
        },
        annotations=karpathy.ARCHIVE.name,
        read_split=karpathy.read_coco,
        files=(coco.TRAIN_2014, coco.VAL_2014, karpathy.ARCHIVE),
    ),
    ("flickr8k", OFFICIAL): Dataset(
        images=dict.fromkeys(("train", "val", "dev"), (flickr8k.IMAGES.name,)),
        annotations=flickr8k.TEXT.name,
        read_split=flickr8k.read_split,
        files=(flickr8k.IMAGES, flickr8k.TEXT),
    ),
    ("flickr8k", KARPATHY): Dataset(
        images=dict.fromkeys(("train", "val", "dev"), (flickr8k.IMAGES.name,)),
        annotations=karpathy.ARCHIVE.name,
        read_split=karpathy.read_flickr8k,
        files=(flickr8k.IMAGES, karpathy.ARCHIVE),
    ),
}

DATASET_FILES = {
    f"{name}/{file.name}": file for (name, _), dataset in DATASETS.items() for file in dataset.files
}
"""What is downloaded for the data sets, by path below `resources`."""


def find_dataset(name: str, splits: str = OFFICIAL) -> Dataset:
    """Return a data set by its name and the way of parting it.

    Parameters
    ----------
    name : str
        Such as `coco2014`.
    splits : {"official", "karpathy"}
        Whose splits.

    Raises
    ------
    InputError
        If there are no such splits of the data set.
    """
    try:
        return DATASETS[name, splits]
    except KeyError:
        have = ", ".join(other for other, others in DATASETS if others == splits)
        raise InputError(
            f"There are no {splits} splits of {name}: there are of {have}; change `split`."
        ) from None


def prepare_annotations(
    dataset: Literal["shapes", "coco2014", "coco2017", "coco_small", "flickr8k"],
    archive: Path,
    *,
    splits: Literal["official", "karpathy"] = OFFICIAL,
    split: Literal["train", "val", "dev"],
    output: OutputFile,
) -> None:
    """Write the captions of one split as a COCO caption file.

    Parameters
    ----------
    dataset : {"shapes", "coco2014", "coco2017", "coco_small", "flickr8k"}
        Data set.
    archive : Path
        The data set's archive of captions; Karpathy's, for his splits.
    splits : {"official", "karpathy"}
        Whose splits: the data set's own, or Karpathy's.
    split : {"train", "val", "dev"}
        `train` is learnt from, `val` is scored, `dev` chooses the checkpoint.
    output : Path
        JSON file to write.

    Raises
    ------
    InputError
        If the archive is damaged or is not this data set's, or if there is no such split.
    """
    found = find_dataset(dataset, splits)
    if split not in found.images:
        raise InputError(f"{dataset} has no {split} split: it has {', '.join(found.images)}.")
    with atomic_path(output) as scratch, open(scratch, "wb") as file:
        file.writelines(found.read_split(archive, split))
