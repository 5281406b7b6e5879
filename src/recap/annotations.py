"""COCO caption annotations: the format in which every data set describes its images.

Format: https://cocodataset.org/#format-data. The files are read from beginning to end without
being held in memory, because those of large data sets would not fit.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from recap.errors import InputError
from recap.files import iterate_json, read_json


@dataclass(frozen=True)
class Annotations:
    """One split of a data set.

    Attributes
    ----------
    images : list of dict
        COCO image records in file order, which is the row order of the feature files. Each
        has at least `id` and `file_name`.
    captions : list of tuple of (int, str)
        `(image id, caption)` in file order.
    description : str
        The data set in a few words, from `info`.
    """

    images: list[dict]
    captions: list[tuple[int, str]]
    description: str

    def captions_by_image(self) -> dict[int, list[str]]:
        """Return the reference captions of each image, in file order, by image id."""
        references: dict[int, list[str]] = {image["id"]: [] for image in self.images}
        for image_id, caption in self.captions:
            references[image_id].append(caption)
        return references


def read_annotations(path: Path) -> Annotations:
    """Read a COCO caption annotation file (`captions_train2014.json` and its like).

    Parameters
    ----------
    path : Path
        JSON file with `images` and `annotations`.

    Raises
    ------
    InputError
        If the file is missing, is not JSON, lacks what COCO's format asks for, names an image
        twice, or holds a caption of an image that it does not list.
    """
    images = list(iterate_images(path))
    rows = number_images(path, images)
    captions = list(iterate_captions(path, rows))
    description = next(islice(_iterate(path, "info.description"), 1), "")
    return Annotations(images, captions, str(description))


def iterate_images(path: Path) -> Iterator[dict]:
    """Yield the image records of a COCO caption file one by one, in file order.

    Parameters
    ----------
    path : Path
        JSON file with `images`.

    Yields
    ------
    dict
        With at least `id` and `file_name`.

    Raises
    ------
    InputError
        If the file is missing, is not JSON, or lacks what COCO's format asks for.
    """
    for image in _iterate_list(path, "images"):
        try:
            yield {**image, "id": image["id"], "file_name": str(image["file_name"])}
        except (KeyError, TypeError) as error:
            raise _not_coco(path, error) from None


def number_images(path: Path, images: Iterable[dict]) -> dict[int, int]:
    """Return the row of each image by its id.

    Parameters
    ----------
    path : Path
        JSON file that the images are from.
    images : iterable of dict
        Its image records, in file order.

    Raises
    ------
    InputError
        If an image is named twice.
    """
    rows: dict[int, int] = {}
    for row, image in enumerate(images):
        try:
            if rows.setdefault(image["id"], row) != row:
                raise InputError(
                    f"{path} lists an image id twice: give every image an id of its own."
                )
        except TypeError as error:
            raise _not_coco(path, error) from None
    return rows


def iterate_captions(path: Path, rows: dict[int, int] | None = None) -> Iterator[tuple[int, str]]:
    """Yield the captions of a COCO caption file one by one, in file order.

    Parameters
    ----------
    path : Path
        JSON file with `annotations`.
    rows : dict, optional
        From `number_images`, to check that every caption's image is listed.

    Yields
    ------
    tuple of (int, str)
        Image id and caption.

    Raises
    ------
    InputError
        If the file is missing, is not JSON, lacks what COCO's format asks for, or holds a caption
        of an image that is not listed.
    """
    for entry in _iterate_list(path, "annotations"):
        try:
            image_id, caption = entry["image_id"], str(entry["caption"])
            lost = rows is not None and image_id not in rows
        except (KeyError, TypeError) as error:
            raise _not_coco(path, error) from None
        if lost:
            raise InputError(
                f"{path} has a caption of image {image_id}, which `images` does not list"
                f" ({caption!r}): add the image or drop the caption."
            )
        yield image_id, caption


def _iterate_list(path: Path, key: str) -> Iterator[Any]:
    """Yield the entries of one of the file's lists; complain if there is no such list."""
    empty = True
    for entry in _iterate(path, f"{key}.item"):
        empty = False
        yield entry
    if empty:
        try:
            if not isinstance(read_json(path)[key], list):
                raise TypeError(f"{key} is no list")
        except (KeyError, TypeError) as error:
            raise _not_coco(path, error) from None


def _iterate(path: Path, place: str) -> Iterator[Any]:
    """Yield what stands at a place of a JSON file (`images.item`: each entry of `images`)."""
    try:
        with open(path, "rb") as file:
            yield from iterate_json(file, place, str(path))
    except FileNotFoundError:
        raise InputError(f"{path} does not exist: check the path.") from None
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror}): check the path.") from None


def _not_coco(path: Path, error: Exception) -> InputError:
    return InputError(
        f"{path} is not in COCO's caption format ({error!r}): it needs `images` with `id` and"
        " `file_name`, and `annotations` with `image_id` and `caption`."
    )
