"""Read COCO caption results files."""

from pathlib import Path

from recap.errors import InputError
from recap.json_files import read_json


def read_results(path: Path) -> dict[int, str]:
    """Read a COCO caption results file.

    Format: https://cocodataset.org/#format-results

    Parameters
    ----------
    path : Path
        JSON list of `{"image_id": 1, "caption": "..."}`.

    Returns
    -------
    dict of int to str
        Caption by image id, in file order.

    Raises
    ------
    InputError
        If the file is missing, empty or in another format, or names an image twice.
    """
    captions: dict[int, str] = {}
    try:
        for entry in read_json(path):
            image, caption = entry["image_id"], entry["caption"]
            if not (isinstance(image, int) and isinstance(caption, str)):
                raise TypeError(f"image {image!r}, caption {caption!r}")
            if image in captions:
                raise InputError(
                    f"{path} has more than one caption of image {image}: keep one per image."
                )
            captions[image] = caption
    except (KeyError, TypeError) as error:
        raise InputError(
            f"{path} is not a COCO caption results file ({error!r}): it needs a list of"
            ' {"image_id": 1, "caption": "..."}.'
        ) from None
    if not captions:
        raise InputError(f"{path} holds no caption: caption at least one image.")
    return captions


def name_images(images: list[int]) -> str:
    """Return a phrase such as "image 1" or "images 1, 2, 3 and 7 more"."""
    shown = ", ".join(str(image) for image in images[:3])
    more = f" and {len(images) - 3} more" if len(images) > 3 else ""
    return f"image{'s' if len(images) > 1 else ''} {shown}{more}"
