"""COCO 2014 (Lin et al., https://arxiv.org/abs/1405.0312; captions: 1504.00325)."""

import json
from pathlib import Path

from recap.datasets.archive import read_member
from recap.errors import InputError
from recap.remote_file import RemoteFile

# The server answers plain http; its https shows the storage provider's certificate.
FILES = (
    RemoteFile(
        "http://images.cocodataset.org/zips/train2014.zip",
        size=13_510_573_713,
        md5="0da8c0bd3d6becc4dcb32757491aca88",
    ),
    RemoteFile(
        "http://images.cocodataset.org/zips/val2014.zip",
        size=6_645_013_297,
        md5="a3d79f5ed8d289b7a7554ce06a5782b3",
    ),
    RemoteFile(
        "http://images.cocodataset.org/annotations/annotations_trainval2014.zip",
        size=252_872_794,
    ),
)


def read_split(archive: Path, split: str) -> dict:
    """Return the captions of COCO's train or val split, as they are in the archive.

    Parameters
    ----------
    archive : Path
        `annotations_trainval2014.zip`.
    split : {"train", "val"}
        Split.

    Raises
    ------
    InputError
        If the archive is damaged or is not COCO's.
    """
    name = f"captions_{split}2014.json"
    try:
        return json.loads(read_member(archive, name))
    except ValueError as error:
        raise InputError(
            f"{name} in {archive} is not valid JSON ({error}): download the archive again."
        ) from None
