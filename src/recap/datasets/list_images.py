"""List a split's photos in the order of the feature rows."""

from pathlib import Path, PurePosixPath
from urllib.parse import urlsplit

from recap.core.checks import require
from recap.core.errors import InputError
from recap.core.files import atomic_path, check_different
from recap.core.outputs import OutputFile
from recap.core.text import is_one_line
from recap.datasets.annotations import iterate_images


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
