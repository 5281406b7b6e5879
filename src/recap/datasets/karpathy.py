"""Karpathy's splits of COCO 2014 and Flickr8k (https://arxiv.org/abs/1412.2306).

They are what most captioning papers report on. COCO's 123,287 photos are parted anew: 5,000 of
val2014 are the `test` that is scored, 5,000 are `val`, and the other 30,504, named `restval`, are
learnt from together with train2014. Here the scored split is `val`, as in every study of recap,
and Karpathy's `val` is `dev`.
"""

import json
from pathlib import Path

from recap.datasets.archive import read_member
from recap.datasets.coco import SERVER
from recap.datasets.flickr8k import flickr_url
from recap.errors import InputError
from recap.remote_file import RemoteFile

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


def read_coco(archive: Path, split: str) -> dict:
    """Return one of Karpathy's splits of COCO 2014 in COCO's caption format.

    Images and captions keep COCO's ids, and stand in the order of `dataset_coco.json`.

    Parameters
    ----------
    archive : Path
        `caption_datasets.zip`.
    split : {"train", "dev", "val"}
        `val` is Karpathy's `test`, the one that is scored.

    Raises
    ------
    InputError
        If the archive is damaged or is not Karpathy's.
    """
    return _read(archive, "dataset_coco.json", split)


def read_flickr8k(archive: Path, split: str) -> dict:
    """Return one of Karpathy's splits of Flickr8k in COCO's caption format.

    Parameters
    ----------
    archive : Path
        `caption_datasets.zip`.
    split : {"train", "dev", "val"}
        `val` is Karpathy's `test`, the one that is scored.

    Raises
    ------
    InputError
        If the archive is damaged or is not Karpathy's.
    """
    return _read(archive, "dataset_flickr8k.json", split)


def _read(archive: Path, name: str, split: str) -> dict:
    try:
        content = json.loads(read_member(archive, name))
        entries = [entry for entry in content["images"] if entry["split"] in CALLED[split]]
        records = [_image_record(entry) for entry in entries]
        captions = [
            {
                "id": sentence["sentid"],
                "image_id": record["id"],
                "caption": sentence["raw"],
            }
            for entry, record in zip(entries, records, strict=True)
            for sentence in entry["sentences"]
        ]
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"{name} in {archive} is not in the format of Karpathy's splits ({error!r}): download"
            " the archive again."
        ) from None
    called = " and ".join(CALLED[split])
    info = {"description": f"{content['dataset']}, Karpathy's {called} split", "url": ARCHIVE.url}
    return {"info": info, "licenses": [], "images": records, "annotations": captions}


def _image_record(entry: dict) -> dict:
    """Return COCO's record of an image; COCO's own entries have its id and folder."""
    name = entry["filename"]
    if "cocoid" in entry:
        url = f"{SERVER}/{entry['filepath']}/{name}"
        return {"id": entry["cocoid"], "file_name": name, "coco_url": url}
    return {"id": entry["imgid"], "file_name": name, "flickr_url": flickr_url(name)}
