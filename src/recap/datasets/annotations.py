"""COCO caption annotations: the format in which every data set describes its images.

Format: https://cocodataset.org/#format-data. The files are read from beginning to end without
being held in memory, because those of large data sets would not fit.
"""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from recap.core.errors import InputError
from recap.core.json_files import iterate_json, read_json
from recap.core.text import is_one_line, normalize_text


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
    return Annotations(images, captions, str(read_info(path).get("description", "")))


def read_info(path: Path) -> dict:
    """Return what a COCO caption file says of itself; nothing where it does not.

    Parameters
    ----------
    path : Path
        JSON file.

    Raises
    ------
    InputError
        If the file is missing or is not JSON.
    """
    info = next(islice(_iterate(path, "info"), 1), {})
    return info if isinstance(info, dict) else {}


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
        If the file is missing, is not JSON, lacks what COCO's format asks for, or has an id that is
        no whole number or a file name that cannot be one.
    """
    for image in _iterate_list(path, "images"):
        try:
            image_id, file_name = image["id"], image["file_name"]
            record = {**image, "file_name": str(file_name)}
        except (KeyError, TypeError) as error:
            raise _not_coco(path, error) from None
        _check_id(path, image_id)
        # A number may be a name; null and the like are none, and lists of names have one a line.
        if type(file_name) not in (str, int) or not is_one_line(record["file_name"]):
            raise InputError(
                f"{path} has the file name {json.dumps(file_name)} for the image {image_id}:"
                " give it the name of its file, as text on one line."
            )
        yield record


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
        if rows.setdefault(image["id"], row) != row:
            raise InputError(
                f"{path} lists the image id {image['id']} twice: give every image an id of its own."
            )
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
        Image id and caption, the caption in Unicode's NFC and without characters that cannot be
        seen.

    Raises
    ------
    InputError
        If the file is missing, is not JSON, lacks what COCO's format asks for, has a caption that
        is no text, or holds a caption of an image that is not listed.
    """
    for entry in _iterate_list(path, "annotations"):
        try:
            image_id, caption = entry["image_id"], entry["caption"]
        except (KeyError, TypeError) as error:
            raise _not_coco(path, error) from None
        _check_id(path, image_id)
        if not isinstance(caption, str):
            raise InputError(
                f"{path} has the caption {json.dumps(caption)} in the annotation"
                f" {json.dumps(entry.get('id'))}, of image {image_id}: a caption is text;"
                " correct it or leave the annotation out."
            )
        caption = normalize_text(caption)
        if rows is not None and image_id not in rows:
            raise InputError(
                f"{path} has a caption of image {image_id}, which `images` does not list"
                f" ({caption!r}): add the image or drop the caption."
            )
        yield image_id, caption


def _check_id(path: Path, image_id: object) -> None:
    if type(image_id) is not int:
        raise InputError(
            f"{path} has the image id {json.dumps(image_id)}, which is no whole number: number the"
            " images, in `images` and in `annotations` alike."
        )


def _iterate_list(path: Path, key: str) -> Iterator[Any]:
    """Yield the entries of one of the file's lists; complain if there is no such list."""
    empty = True
    for entry in _iterate(path, key):
        empty = False
        yield entry
    if empty:
        try:
            if not isinstance(read_json(path)[key], list):
                raise TypeError(f"{key} is no list")
        except (KeyError, TypeError) as error:
            raise _not_coco(path, error) from None


def _iterate(path: Path, key: str) -> Iterator[Any]:
    """Yield what stands under a key of a JSON file: each entry, if it is a list."""
    try:
        with open(path, "rb") as file:
            yield from iterate_json(file, key, str(path))
    except FileNotFoundError:
        raise InputError(f"{path} does not exist: check the path.") from None
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror}): check the path.") from None


def _not_coco(path: Path, error: Exception) -> InputError:
    return InputError(
        f"{path} is not in COCO's caption format ({error!r}): it needs `images` with `id` and"
        " `file_name`, and `annotations` with `image_id` and `caption`."
    )


def caption_file(
    info: dict, images: Iterable[dict], annotations: Iterable[dict]
) -> Iterator[bytes]:
    """Yield a COCO caption file in pieces: what `json.dumps` gives, without its ever being whole.

    Parameters
    ----------
    info : dict
        What the data set is.
    images, annotations : iterable of dict
        COCO's records.

    Yields
    ------
    bytes
        The whole is one JSON object.
    """
    encode = json.JSONEncoder().encode
    yield f'{{"info": {encode(info)}, "licenses": []'.encode()
    for name, records in (("images", images), ("annotations", annotations)):
        yield f', "{name}": ['.encode()
        separator = ""
        for record in records:
            yield f"{separator}{encode(record)}".encode()
            separator = ", "
        yield b"]"
    yield b"}"
