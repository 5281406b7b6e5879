"""Begin a study with the files of a `coco_captioning` folder."""

import re
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager
from itertools import zip_longest
from pathlib import Path, PurePosixPath
from typing import IO

import numpy as np

from recap.captions.files import read_captions, read_lines, read_vocabulary
from recap.captions.words import END, NULL, START
from recap.core.errors import InputError
from recap.core.files import atomic_path
from recap.core.hdf5 import open_hdf5, read_table
from recap.core.outputs import OutputFolder
from recap.datasets.annotations import caption_file, iterate_images
from recap.datasets.archive import open_member
from recap.datasets.course import (
    CAPTIONS,
    VOCABULARY,
    CourseFiles,
    feature_file,
    find_course_files,
    raw_captions,
)

PIECE = 1 << 20  # bytes copied at a time

COCO_NAME = re.compile(r"COCO_\w+_(\d{12})\.\w+")


def take_course_files(source: Path, *, output: OutputFolder, annotations: OutputFolder) -> None:
    """Begin a study with the files of a `coco_captioning` folder, in place of making them.

    They are copied byte for byte and held against each other. Each split's captions are written as
    a COCO caption file, too, for what follows training. Where COCO's own `captions_val2014.json`
    lies beside the files, it is taken; else the captions are those of the files, in lower case,
    without punctuation, and with `<UNK>` for rare words.

    Parameters
    ----------
    source : Path
        The folder, the folder that holds it, or a zip archive of it.
    output : Path
        Folder to write the files into.
    annotations : Path
        Folder to write `captions_{split}.json` into.

    Raises
    ------
    InputError
        If a file is missing or damaged, or the files do not belong together.
    """
    found = find_course_files(source)
    for name in found.names:
        _write(output / name, _pieces_of(found, name))
    words = read_vocabulary(output / VOCABULARY)
    for split in found.splits:
        images = _read_images(output, split)
        captions, rows = _read_captions(output / CAPTIONS[split], split, words, len(images))
        for kind in found.kinds:
            _check_features(output / feature_file(split, kind), len(images))
        path = annotations / f"captions_{split}.json"
        if raw_captions(split) in found.there:
            _write(path, _pieces_of(found, raw_captions(split)))
            _check_order(path, images, raw_captions(split))
        else:
            entries = (
                {"id": number, "image_id": images[row]["id"], "caption": _in_words(caption, words)}
                for number, (row, caption) in enumerate(zip(rows, captions, strict=True), start=1)
            )
            info = {"description": f"{found.place.resolve().name} ({split}; rare words are <UNK>)"}
            _write(path, caption_file(info, images, entries))
        print(f"{split}: {len(images)} images, {len(captions)} captions")


def _write(path: Path, pieces: Iterable[bytes]) -> None:
    with atomic_path(path, record_digest=True) as scratch, open(scratch, "wb") as file:
        file.writelines(pieces)


def _pieces_of(found: CourseFiles, name: str) -> Iterator[bytes]:
    with _open(found, name) as file:
        while piece := file.read(PIECE):
            yield piece


def _open(found: CourseFiles, name: str) -> AbstractContextManager[IO[bytes]]:
    if found.place.is_file():
        return open_member(found.place, name)
    return open(found.place / name, "rb")


def _read_images(folder: Path, split: str) -> list[dict]:
    """Return COCO's records of a split's images: with COCO's ids, or else numbered from 1."""
    lines = read_lines(folder / f"{split}2014_images.txt")
    urls = read_lines(folder / f"{split}2014_urls.txt")
    if len(urls) != len(lines):
        raise InputError(
            f"{split}2014_images.txt has {len(lines)} lines but {split}2014_urls.txt has"
            f" {len(urls)}: take both from one set."
        )
    names = ["/".join(PurePosixPath(line).parts[3:]) or line for line in lines]
    in_coco = [COCO_NAME.fullmatch(name) for name in names]
    ids = [int(match[1]) for match in in_coco] if all(in_coco) else range(1, len(names) + 1)
    return [
        {"id": image_id, "file_name": name, "flickr_url": url}
        for image_id, name, url in zip(ids, names, urls, strict=True)
    ]


def _read_captions(
    path: Path, split: str, words: list[str], n_images: int
) -> tuple[np.ndarray, np.ndarray]:
    captions, rows = read_captions(path, split)
    for numbers, name, count in ((captions, "words", len(words)), (rows, "images", n_images)):
        if numbers.size and not 0 <= numbers.min() <= numbers.max() < count:
            raise InputError(
                f"{split}_captions in {path.name} are of {name} up to {numbers.max()}, but there"
                f" are {count} {name}: take all files from one set."
            )
    return captions, rows


def _check_features(path: Path, n_images: int) -> None:
    with open_hdf5(path) as file:
        rows = len(read_table(file, "features", 2, "f"))
    if rows != n_images:
        raise InputError(
            f"{path.name} has features of {rows} images, but {n_images} are listed: take all files"
            " from one set."
        )


def _check_order(path: Path, images: list[dict], name: str) -> None:
    for listed, record in zip_longest(images, iterate_images(path)):
        if listed is None or record is None or listed["file_name"] != record["file_name"]:
            raise InputError(
                f"{name} lists other images than the rest of the files, or in another order: leave"
                " it out, or give the one that they were made from."
            )


def _in_words(caption: np.ndarray, words: list[str]) -> str:
    """Return a caption's words without those that mark its beginning and end."""
    found = [words[number] for number in caption]
    return " ".join(word for word in found if word not in (NULL, START, END))
