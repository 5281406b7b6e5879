"""COCO (Lin et al., https://arxiv.org/abs/1405.0312; captions: 1504.00325), of 2014 and of 2017."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path

from recap.core.remote_file import RemoteFile
from recap.datasets.archive import iterate_member, open_member

# The server answers plain http; its https shows the storage provider's certificate, under whose
# own name the same files can be had with a valid one.
SERVER = "http://images.cocodataset.org"
STORAGE = "https://s3.amazonaws.com/images.cocodataset.org"

PIECE = 1 << 20


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
