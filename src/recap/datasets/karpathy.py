"""Karpathy's splits of COCO 2014 and Flickr8k (https://arxiv.org/abs/1412.2306).

They are what most captioning papers report on. COCO's 123,287 photos are parted anew: 5,000 of
val2014 are the `test` that is scored, 5,000 are `val`, and the other 30,504, named `restval`, are
learnt from together with train2014. Here the scored split is `val`, as in every study of recap,
and Karpathy's `val` is `dev`.
"""

from collections.abc import Iterator
from pathlib import Path

from recap.core.errors import InputError
from recap.core.remote_file import RemoteFile
from recap.datasets.annotations import caption_file
from recap.datasets.archive import iterate_member
from recap.datasets.coco import SERVER
from recap.datasets.flickr8k import flickr_url

ARCHIVE = RemoteFile(
    "https://cs.stanford.edu/people/karpathy/deepimagesent/caption_datasets.zip",
    size=36_745_453,
    sha256="4cfd70132527b80933105e5829dc9034eaab9573482e2e680abbab6130244817",
    has_variants=True,
    other_urls=(
        "https://huggingface.co/datasets/gpantaz/karpathy_split/resolve/main/caption_datasets.zip",
    ),
)

# What Karpathy's files call the images of each split.
CALLED = {"train": ("train", "restval"), "val": ("test",), "dev": ("val",)}


def read_coco(archive: Path, split: str) -> Iterator[bytes]:
    """Yield one of Karpathy's splits of COCO 2014 in COCO's caption format.

    Images and captions keep COCO's ids, and stand in the order of `dataset_coco.json`.

    Parameters
    ----------
    archive : Path
        `caption_datasets.zip`.
    split : {"train", "dev", "val"}
        `val` is Karpathy's `test`, the one that is scored.

    Yields
    ------
    bytes
        Pieces of a COCO caption file.

    Raises
    ------
    InputError
        If the archive is damaged or is not Karpathy's.
    """
    return _read(archive, "coco", split)


def read_flickr8k(archive: Path, split: str) -> Iterator[bytes]:
    """Yield one of Karpathy's splits of Flickr8k in COCO's caption format.

    Parameters
    ----------
    archive : Path
        `caption_datasets.zip`.
    split : {"train", "dev", "val"}
        `val` is Karpathy's `test`, the one that is scored.

    Yields
    ------
    bytes
        Pieces of a COCO caption file.

    Raises
    ------
    InputError
        If the archive is damaged or is not Karpathy's.
    """
    return _read(archive, "flickr8k", split)


def _read(archive: Path, dataset: str, split: str) -> Iterator[bytes]:
    name = f"dataset_{dataset}.json"
    called = " and ".join(CALLED[split])
    info = {"description": f"{dataset}, Karpathy's {called} split", "url": ARCHIVE.url}
    # The file is read once for each list, because it would fill a gigabyte of memory.
    images = (_image_record(entry) for entry in _entries(archive, name, split))
    captions = (
        {"id": sentence["sentid"], "image_id": _image_id(entry), "caption": sentence["raw"]}
        for entry in _entries(archive, name, split)
        for sentence in entry["sentences"]
    )
    try:
        yield from caption_file(info, images, captions)
    except (KeyError, TypeError) as error:
        raise InputError(
            f"{name} in {archive} is not in the format of Karpathy's splits ({error!r}): download"
            " the archive again."
        ) from None


def _entries(archive: Path, name: str, split: str) -> Iterator[dict]:
    """Yield what Karpathy's file says of each image of a split."""
    empty = True
    for entry in iterate_member(archive, name, "images"):
        if entry["split"] in CALLED[split]:
            empty = False
            yield entry
    if empty:
        raise KeyError(split)


def _image_id(entry: dict) -> int:
    """Return COCO's id of an image, or the place in Karpathy's file of another data set's."""
    return entry["cocoid"] if "cocoid" in entry else entry["imgid"]


def _image_record(entry: dict) -> dict:
    """Return COCO's record of an image; COCO's own entries have its id and folder."""
    name = entry["filename"]
    if "cocoid" in entry:
        address = {"coco_url": f"{SERVER}/{entry['filepath']}/{name}"}
    else:
        address = {"flickr_url": flickr_url(name)}
    return {"id": _image_id(entry), "file_name": name, **address}
