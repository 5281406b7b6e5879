"""Check the files of a `coco_captioning/` folder, rebuilt or downloaded from the course."""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from recap.data import read_captions
from recap.errors import InputError
from recap.feature_files import FEATURES, open_features, open_hdf5
from recap.vocabulary import END, NULL, START, read_vocabulary

CAPTIONS = "coco2014_captions.h5"
VOCABULARY = "coco2014_vocab.json"
Check = Callable[[Path], str]


def verify(folder: Path) -> None:
    """Check the files of a `coco_captioning` folder against each other and the course's rules.

    Prints a line for each check, and fails if one does not hold.

    Parameters
    ----------
    folder : Path
        Such as `results/shapes/coco_captioning`.

    Raises
    ------
    InputError
        If a check does not hold.
    """
    if not folder.is_dir():
        raise InputError(f"{folder} is not a folder: give one such as results/S/coco_captioning.")
    failed = 0
    for name, check in _checks():
        try:
            outcome, mark = check(folder), "ok    "
        except InputError as error:
            outcome, mark = str(error), "FAILED"
            failed += 1
        print(f"{mark}  {name:36}  {outcome}")
    if failed:
        raise InputError(f"{failed} checks of {folder} failed: see the lines above.")


def _checks() -> Iterator[tuple[str, Check]]:
    yield VOCABULARY, _check_vocabulary
    yield CAPTIONS, _check_keys
    for split in ("train", "val"):
        yield f"{split} captions", lambda folder, split=split: _check_captions(folder, split)
        for suffix in ("", "_pca"):
            name = f"{split}2014_vgg16_fc7{suffix}.h5"
            yield name, lambda folder, name=name: _check_features(folder / name)
        yield f"{split} rows", lambda folder, split=split: _check_rows(folder, split)


def _check_vocabulary(folder: Path) -> str:
    words = read_vocabulary(folder / VOCABULARY)
    if words[:4] != [NULL, START, END, "<UNK>"]:
        raise InputError(f"the first words are {words[:4]}, not <NULL> <START> <END> <UNK>")
    return f"{len(words)} words"


def _check_keys(folder: Path) -> str:
    expected = {
        f"{split}_{part}" for split in ("train", "val") for part in ("captions", "image_idxs")
    }
    with open_hdf5(folder / CAPTIONS) as file:
        if set(file) != expected:
            raise InputError(f"the datasets are {sorted(file)}, not {sorted(expected)}")
        other = [key for key in file if file[key].dtype != np.int32 or file[key].chunks]
    if other:
        raise InputError(f"{other[0]} is not int32 in one contiguous piece")
    return "four datasets, int32, contiguous"


def _check_captions(folder: Path, split: str) -> str:
    words = read_vocabulary(folder / VOCABULARY)
    null, start, end = (words.index(word) for word in (NULL, START, END))
    captions, image_idxs = read_captions(folder / CAPTIONS, split)
    if captions.ndim != 2 or image_idxs.shape != captions.shape[:1]:
        raise InputError(f"shapes {captions.shape} and {image_idxs.shape} do not fit")
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
    return f"{captions.shape}, <START> words <END> <NULL>..."


def _check_features(path: Path) -> str:
    with open_features(path) as file:
        features = file[FEATURES]
        if features.dtype != np.float32:
            raise InputError(f"features are {features.dtype}, not float32")
        for start in range(0, len(features), 4096):
            if not np.isfinite(features[start : start + 4096]).all():
                raise InputError("a feature is not finite")
        return f"{features.shape}, float32, finite"


def _check_rows(folder: Path, split: str) -> str:
    _, image_idxs = read_captions(folder / CAPTIONS, split)
    counts = {}
    for suffix in ("", "_pca"):
        with open_features(folder / f"{split}2014_vgg16_fc7{suffix}.h5") as file:
            counts[f"fc7{suffix}"] = len(file[FEATURES])
    for name in ("images", "urls"):
        path = folder / f"{split}2014_{name}.txt"
        if not path.exists():
            raise InputError(f"{path.name} is missing")
        counts[name] = path.read_text(encoding="utf-8").count("\n")
    if len(set(counts.values())) > 1:
        listed = ", ".join(f"{name} {count}" for name, count in counts.items())
        raise InputError(f"the files differ in their number of rows: {listed}")
    if (outside := _outside(image_idxs, counts["images"])).size:
        raise InputError(f"captions speak of image {outside[0]} of {counts['images']}")
    return f"{counts['images']} images, in all files"


def _outside(numbers: np.ndarray, count: int) -> np.ndarray:
    return numbers[(numbers < 0) | (numbers >= count)]
