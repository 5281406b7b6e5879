"""Check the files of a `coco_captioning/` folder, rebuilt or downloaded from the course."""

import itertools
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path, PurePosixPath

import numpy as np

from recap.captions.files import read_captions, read_lines, read_vocabulary
from recap.captions.words import (
    END,
    NULL,
    SPECIAL_WORDS,
    START,
    decode_captions,
    encode_caption,
    tokenize,
)
from recap.core.errors import InputError
from recap.core.files import file_hash
from recap.core.hdf5 import open_hdf5, read_table
from recap.datasets.annotations import iterate_captions, iterate_images, number_images
from recap.features.files import FEATURES, open_features

CAPTIONS = "coco2014_captions.h5"
VOCABULARY = "coco2014_vocab.json"
BLOCK = 4096  # rows read at a time

# Bytes and sha256 of CS231n's own files.
COURSE = {
    "coco2014_captions.h5": (
        42_922_600,
        "4035d7ff55145f1f01b9ee9f3e24eb6ba6da3bdcd69f927c75390f11f74f891d",
    ),
    "coco2014_vocab.json": (
        24_226,
        "0cf30d2a349e9d24df4c9b0fa3dca46ad69b05876595546fdd690559a8c8da53",
    ),
    "train2014_images.txt": (
        4_470_282,
        "25ba420a05fb6873e10b2ad5cbda54978d98df5b85617dfc13cfd55908328ce4",
    ),
    "train2014_urls.txt": (
        5_186_859,
        "7616ec66526a3acc4ad323aef4ca6642a6bb9e7e4ad4f1541786dc07e6841ae2",
    ),
    "val2014_images.txt": (
        2_025_200,
        "5b98b5430c41dc245222e174fa67b7fc703923fa6e888c30fb33277f3d9c88ad",
    ),
    "val2014_urls.txt": (
        2_538_571,
        "760d7c76f78f46cc376390cc4d21126b040eb48d896bae00a5b21f46ef5a9818",
    ),
    "train2014_vgg16_fc7.h5": (
        1_356_322_912,
        "8e15fc883ea70730d5d1319f34712bcb706b2807645cd876f7886d61ff94a5d8",
    ),
    "train2014_vgg16_fc7_pca.h5": (
        169_541_728,
        "ec0a10c585909761d15778a1c4a5dbad92e1672853d9b5bad08e6a36fd21c779",
    ),
    "val2014_vgg16_fc7.h5": (
        663_623_776,
        "21ebb9bda6232c7697c8d883916d6bc582d0a101ddcad30512f5444196e14f63",
    ),
    "val2014_vgg16_fc7_pca.h5": (
        82_954_336,
        "6619466e3385ef1e913fae9470ef802df283675533ce0dc34d88abac5e7d1cf9",
    ),
}

# Shapes in CS231n's own files.
COURSE_SHAPES = {
    "train_captions": (400_135, 17),
    "val_captions": (195_954, 17),
    "train2014_vgg16_fc7.h5": (82_783, 4096),
    "train2014_vgg16_fc7_pca.h5": (82_783, 512),
    "val2014_vgg16_fc7.h5": (40_504, 4096),
    "val2014_vgg16_fc7_pca.h5": (40_504, 512),
}

Check = Callable[[], str]


class _DifferenceError(Exception):
    """A difference from the course's own files that is no mistake."""


def verify(
    folder: Path, *, train: Path | None = None, val: Path | None = None, course: bool = False
) -> None:
    """Check the files of a `coco_captioning` folder against each other and the course's rules.

    Prints a table, a line a check: `ok`, `FAILED`, or `differs` for what is sound but not as in
    the course's own files. A folder with as many photos as the course's is held against its
    checksums too.

    Parameters
    ----------
    folder : Path
        Such as `results/shapes/coco_captioning`.
    train : Path, optional
        COCO caption file of the training split, to hold row order and captions against.
    val : Path, optional
        The same for the split that is scored.
    course : bool
        Whether the folder must be the course's own, byte for byte.

    Raises
    ------
    InputError
        If a check does not hold.
    """
    if not folder.is_dir():
        raise InputError(f"{folder} is not a folder: give one such as results/S/coco_captioning.")
    tally = {"ok": 0, "differs": 0, "FAILED": 0}
    for name, check in _checks(folder, {"train": train, "val": val}, course):
        try:
            outcome, mark = check(), "ok"
        except InputError as error:
            outcome, mark = str(error), "FAILED"
        except _DifferenceError as difference:
            outcome, mark = str(difference), "FAILED" if course else "differs"
        # A damaged file can fail in any way, and the checks after it are wanted all the same.
        except Exception as error:
            outcome, mark = f"cannot be checked ({type(error).__name__}: {error})", "FAILED"
        tally[mark] += 1
        print(f"{mark:7}  {name:33}  {outcome}")
    print(", ".join(f"{count} {mark}" for mark, count in tally.items()))
    if tally["FAILED"]:
        raise InputError(f"{tally['FAILED']} checks of {folder} failed: see the lines above.")


def _checks(
    folder: Path, annotations: dict[str, Path | None], course: bool
) -> Iterator[tuple[str, Check]]:
    yield VOCABULARY, partial(_check_vocabulary, folder)
    yield CAPTIONS, partial(_check_keys, folder / CAPTIONS, ("train", "val"))
    files = {"train": folder / CAPTIONS, "val": folder / CAPTIONS}
    if (folder / "dev2014_captions.h5").exists():
        files["dev"] = folder / "dev2014_captions.h5"
        yield files["dev"].name, partial(_check_keys, files["dev"], ("dev",))
    for split, captions in files.items():
        yield f"{split} captions", partial(_check_captions, folder, captions, split)
        for suffix in ("", "_pca"):
            name = f"{split}2014_vgg16_fc7{suffix}.h5"
            yield name, partial(_check_features, folder / name)
        yield f"{split}2014_images.txt", partial(_check_list, folder / f"{split}2014_images.txt")
        yield f"{split} rows", partial(_check_rows, folder, captions, split)
    yield "order of the words", partial(_check_word_order, folder)
    for split, path in annotations.items():
        if path is not None:
            yield f"{split} row order", partial(_check_row_order, folder, split, path)
            yield f"{split} captions' words", partial(_check_words, folder, split, path)
    listed = folder / "train2014_images.txt"
    if course or (listed.exists() and listed.stat().st_size == COURSE[listed.name][0]):
        for name in COURSE:
            yield f"{name}, bytes", partial(_check_bytes, folder / name)


def _check_vocabulary(folder: Path) -> str:
    words = read_vocabulary(folder / VOCABULARY)
    if words[:4] != SPECIAL_WORDS:
        raise InputError(f"the first words are {words[:4]}, not {' '.join(SPECIAL_WORDS)}")
    return f"{len(words)} words"


def _check_keys(path: Path, splits: tuple[str, ...]) -> str:
    expected = {f"{split}_{part}" for split in splits for part in ("captions", "image_idxs")}
    with open_hdf5(path) as file:
        if set(file) != expected:
            raise InputError(f"the datasets are {sorted(file)}, not {sorted(expected)}")
        for split in splits:
            for part, dimensions in (("captions", 2), ("image_idxs", 1)):
                table = read_table(file, f"{split}_{part}", dimensions, "i")
                if table.dtype != np.int32 or table.chunks:
                    raise InputError(f"{split}_{part} is not int32 in one contiguous piece")
    return f"{', '.join(sorted(expected))}; int32, contiguous"


def _check_captions(folder: Path, path: Path, split: str) -> str:
    words = read_vocabulary(folder / VOCABULARY)
    null, start, end = (words.index(word) for word in (NULL, START, END))
    captions, _ = read_captions(path, split)
    if not len(captions):
        raise InputError("there are no captions")
    if (outside := _outside(captions, len(words))).size:
        raise InputError(f"word {outside[0]} is outside the vocabulary of {len(words)}")
    if (captions[:, 0] != start).any():
        raise InputError("a caption does not begin with <START>")
    if ((captions == end).sum(axis=1) != 1).any():
        raise InputError("a caption has not exactly one <END>")
    after_end = np.cumsum(captions == end, axis=1) - (captions == end) > 0
    if ((captions == null) != after_end).any():
        raise InputError("a caption has <NULL> elsewhere than after <END>")
    return (
        f"{captions.shape}{_as_in_course(f'{split}_captions', captions.shape)},"
        " <START> words <END> <NULL>..."
    )


def _check_features(path: Path) -> str:
    with open_features(path) as file:
        features = file[FEATURES]
        if features.dtype != np.float32:
            raise InputError(f"features are {features.dtype}, not float32")
        lowest = np.inf
        for start in range(0, len(features), BLOCK):
            rows = features[start : start + BLOCK]
            if not np.isfinite(rows).all():
                raise InputError("a feature is not finite")
            lowest = min(lowest, rows.min(initial=np.inf))
        sign = "none below 0" if lowest >= 0 else "some below 0"
        shape = f"{features.shape}{_as_in_course(path.name, features.shape)}"
        return f"{shape}, float32, finite, {sign}"


def _check_list(path: Path) -> str:
    lines = read_lines(path)
    names = [PurePosixPath(line) for line in lines]
    other = [
        line
        for line, name in zip(lines, names, strict=True)
        if name.parts[:2] != ("coco", "images")
    ]
    if other:
        raise InputError(f"a line is {other[0]!r}, not coco/images/FOLDER/NAME")
    if len(set(lines)) < len(lines):
        raise InputError("a photo is listed twice")
    folders = sorted({name.parent.name for name in names})
    return f"{len(lines)} photos of {', '.join(folders)}, each once"


def _check_rows(folder: Path, path: Path, split: str) -> str:
    _, image_idxs = read_captions(path, split)
    counts = {}
    for suffix in ("", "_pca"):
        with open_features(folder / f"{split}2014_vgg16_fc7{suffix}.h5") as file:
            counts[f"fc7{suffix}"] = len(file[FEATURES])
    for name in ("images", "urls"):
        counts[name] = len(read_lines(folder / f"{split}2014_{name}.txt"))
    if len(set(counts.values())) > 1:
        listed = ", ".join(f"{name} {count}" for name, count in counts.items())
        raise InputError(f"the files differ in their number of rows: {listed}")
    if (outside := _outside(image_idxs, counts["images"])).size:
        raise InputError(f"captions speak of image {outside[0]} of {counts['images']}")
    return f"{counts['images']} images, in all files"


def _check_word_order(folder: Path) -> str:
    """Hold the order of the words against how often the training captions have them."""
    words = read_vocabulary(folder / VOCABULARY)
    captions, _ = read_captions(folder / CAPTIONS, "train")
    known = captions[(captions >= 0) & (captions < len(words))].astype(np.int64)
    counts = np.bincount(known, minlength=len(words))
    rises = np.flatnonzero(np.diff(counts[len(SPECIAL_WORDS) :]) > 0)
    if rises.size:
        first = len(SPECIAL_WORDS) + rises[0]
        raise _DifferenceError(
            f"{rises.size} words are rarer in train_captions than the next one, first"
            f" {words[first]!r} ({counts[first]}) and {words[first + 1]!r} ({counts[first + 1]})"
        )
    return "by falling frequency in train_captions"


def _check_row_order(folder: Path, split: str, annotations: Path) -> str:
    lines = read_lines(folder / f"{split}2014_images.txt")
    records = iterate_images(annotations)
    for row, (line, record) in enumerate(itertools.zip_longest(lines, records)):
        name = record and record["file_name"]
        if line is None or name is None or not line.endswith(f"/{name}"):
            raise InputError(f"row {row} is {line}, and {name} in {annotations}")
    return f"that of {annotations}"


def _check_words(folder: Path, split: str, annotations: Path) -> str:
    """Encode the captions again and compare."""
    words = read_vocabulary(folder / VOCABULARY)
    word_to_idx = {word: number for number, word in enumerate(words)}
    captions, image_idxs = read_captions(folder / CAPTIONS, split)
    row_of = number_images(annotations, iterate_images(annotations))
    encoded = (
        (caption, row_of[image_id], row)
        for image_id, caption in iterate_captions(annotations, row_of)
        if (row := encode_caption(tokenize(caption), word_to_idx, captions.shape[1] - 2))
    )
    count = 0
    for count, (caption, image_idx, row) in enumerate(encoded, start=1):
        if count > len(captions):
            break
        if image_idxs[count - 1] != image_idx or (captions[count - 1] != row).any():
            raise InputError(
                f"row {count - 1} is {decode_captions(captions[count - 1], words)!r} of image"
                f" {image_idxs[count - 1]}, and {caption!r} of image {image_idx} in {annotations}"
            )
    if count != len(captions):
        raise InputError(f"there are {len(captions)}, and another number in {annotations}")
    return f"those of {annotations}"


def _check_bytes(path: Path) -> str:
    size, digest = COURSE[path.name]
    if not path.exists():
        raise InputError(f"{path.name} is missing")
    if path.stat().st_size != size:
        raise _DifferenceError(f"{path.stat().st_size:,} bytes; the course's has {size:,}")
    if file_hash(path) != digest:
        raise _DifferenceError(f"sha256 is not the course's, {digest[:12]}…")
    return "those of the course"


def _as_in_course(name: str, shape: tuple[int, ...]) -> str:
    return " as in the course" if shape == COURSE_SHAPES.get(name) else ""


def _outside(numbers: np.ndarray, count: int) -> np.ndarray:
    return numbers[(numbers < 0) | (numbers >= count)]
