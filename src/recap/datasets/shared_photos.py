"""Photos that two splits share."""

from pathlib import Path, PurePosixPath

from recap.core.errors import InputError
from recap.core.text import counted
from recap.datasets.annotations import iterate_images


def check_shared_photos(annotations: dict[str, Path], photos: dict[str, str]) -> int:
    """Refuse photos that choose the checkpoint and are scored; warn of those that are learnt from.

    Two splits share a photo if their photos lie in one place and list it under one name.

    Parameters
    ----------
    annotations : dict of str to Path
        COCO caption files by split: `train`, `val`, and `dev` if there is one.
    photos : dict of str to str
        Folder or archive of each split's photos. A split that is left out is not compared.

    Returns
    -------
    int
        How many of the photos that are scored are learnt from.

    Raises
    ------
    InputError
        If `dev` and `val` share a photo.
    """
    listed = {
        split: {_name(image["file_name"]) for image in iterate_images(annotations[split])}
        for split in photos
        if split in annotations
    }

    def shared(one: str, other: str) -> set[str]:
        if not {one, other} <= listed.keys():
            return set()
        if Path(photos[one]).resolve() != Path(photos[other]).resolve():
            return set()
        return listed[one] & listed[other]

    if both := shared("dev", "val"):
        raise InputError(
            f"{annotations['dev']} and {annotations['val']} share {_count(both)}: the checkpoint"
            " would be chosen on what is scored; leave them out of one of the two."
        )
    for split, harm in (
        ("val", "the scores measure memorisation, too"),
        ("dev", "the checkpoint is chosen on training photos, too"),
    ):
        if both := shared("train", split):
            print(
                f"warning: {annotations['train']} and {annotations[split]} share"
                f" {_count(both)}: {harm}"
            )
    return len(shared("train", "val"))


def _name(listed: str) -> str:
    return str(PurePosixPath(listed.replace("\\", "/")))


def _count(names: set[str]) -> str:
    return f"{counted(len(names), 'photo')}, such as {min(names)}"
