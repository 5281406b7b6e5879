"""Read COCO caption results files."""

from pathlib import Path

from recap.core.errors import InputError
from recap.core.json_files import read_json
from recap.core.text import normalize_text


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
        Caption by image id, in file order, normalized as reference captions are.

    Raises
    ------
    InputError
        If the file is missing, empty or in another format, names an image twice, or has an id that
        is no whole number or a caption that is no text.
    """
    captions: dict[int, str] = {}
    try:
        for entry in read_json(path):
            image, caption = entry["image_id"], entry["caption"]
            if type(image) is not int:
                raise InputError(
                    f"{path} has the image id {image!r}, which is no whole number: give each"
                    " caption the number of its image in the annotations."
                )
            if not isinstance(caption, str):
                raise InputError(
                    f"{path} has the caption {caption!r} of image {image}: a caption is text;"
                    " correct it or leave it out."
                )
            if image in captions:
                raise InputError(
                    f"{path} has more than one caption of image {image}: keep one per image."
                )
            captions[image] = normalize_text(caption)
    except (KeyError, TypeError) as error:
        lacks = f", an entry has no {error}" if isinstance(error, KeyError) else ""
        raise InputError(
            f"{path} is not a COCO caption results file{lacks}: it needs a list of"
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
