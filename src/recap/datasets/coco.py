"""COCO (Lin et al., https://arxiv.org/abs/1405.0312; captions: 1504.00325), of 2014 and of 2017."""

import random
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from recap.core.errors import InputError
from recap.core.remote_file import RemoteFile
from recap.datasets.annotations import caption_file
from recap.datasets.archive import iterate_member, open_member

# The server answers plain http; its https shows the storage provider's certificate, under whose
# own name the same files can be had with a valid one.
SERVER = "http://images.cocodataset.org"
STORAGE = "https://s3.amazonaws.com/images.cocodataset.org"

PIECE = 1 << 20
# Where each split of val2017 begins and ends among the shuffled images.
SMALL = {"train": (0.0, 0.8), "val": (0.8, 0.9), "dev": (0.9, 1.0)}


def _file(path: str, size: int, md5: str) -> RemoteFile:
    return RemoteFile(f"{SERVER}/{path}", size=size, md5=md5, other_urls=(f"{STORAGE}/{path}",))


TRAIN_2014 = _file("zips/train2014.zip", 13_510_573_713, "0da8c0bd3d6becc4dcb32757491aca88")
VAL_2014 = _file("zips/val2014.zip", 6_645_013_297, "a3d79f5ed8d289b7a7554ce06a5782b3")
ANNOTATIONS_2014 = _file(
    "annotations/annotations_trainval2014.zip", 252_872_794, "0a379cfc70b0e71301e0f377548639bd"
)
TRAIN_2017 = _file("zips/train2017.zip", 19_336_861_798, "cced6f7f71b7629ddf16f17bbcfab6b2")
VAL_2017 = _file("zips/val2017.zip", 815_585_330, "442b8da7639aecaf257c1dceb8ba8c80")
ANNOTATIONS_2017 = _file(
    "annotations/annotations_trainval2017.zip", 252_907_541, "f4bbac642086de4f52a3fdda2de5fa2c"
)


def read_split(archive: Path, split: str) -> Iterator[bytes]:
    """Yield the captions of COCO's train or val split, as they are in the archive.

    Parameters
    ----------
    archive : Path
        `annotations_trainval2014.zip` or `annotations_trainval2017.zip`.
    split : {"train", "val"}
        Split.

    Yields
    ------
    bytes
        Pieces of a COCO caption file.

    Raises
    ------
    InputError
        If the archive is damaged or is not COCO's.
    """
    name = f"captions_{split}20??.json"
    # Read to its end, so that what is not JSON is told here.
    for _ in iterate_member(archive, name, "info"):
        pass
    with open_member(archive, name) as member:
        yield from iter(partial(member.read, PIECE), b"")


def read_small(archive: Path, split: str) -> Iterator[bytes]:
    """Yield a split of COCO 2017's validation photos: 4,000 to learn from, 500, and 500.

    Parameters
    ----------
    archive : Path
        `annotations_trainval2017.zip`.
    split : {"train", "val", "dev"}
        Split; the images are drawn by a fixed seed.

    Yields
    ------
    bytes
        Pieces of a COCO caption file.

    Raises
    ------
    InputError
        If the archive is damaged or is not COCO's.
    """
    name = "captions_val2017.json"
    images = list(iterate_member(archive, name, "images"))
    begin, end = (round(share * len(images)) for share in SMALL[split])
    # Not by NumPy: the workflow reads this module with Snakemake's own packages alone.
    order = random.Random(0).sample(range(len(images)), len(images))
    try:
        chosen = [images[row] for row in sorted(order[begin:end])]
        kept = {image["id"] for image in chosen}
        captions = (
            entry
            for entry in iterate_member(archive, name, "annotations")
            if entry["image_id"] in kept
        )
        info = {"description": f"COCO 2017's validation photos, {split} split of recap's"}
        yield from caption_file(info, chosen, captions)
    except (KeyError, TypeError) as error:
        raise InputError(
            f"{name} in {archive} is not one of COCO's ({error!r}): download the archive again."
        ) from None
