"""The files of a `coco_captioning` folder, the course's own or another's."""

from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from recap.core.errors import InputError
from recap.core.zip_files import open_zip

VOCABULARY = "coco2014_vocab.json"
CAPTIONS = {
    "train": "coco2014_captions.h5",
    "val": "coco2014_captions.h5",
    "dev": "dev2014_captions.h5",
}


@dataclass(frozen=True)
class CourseFiles:
    """What a `coco_captioning` folder, or a zip archive of one, holds.

    Attributes
    ----------
    place : Path
        The folder or archive.
    there : set of str
        Names of all its files.
    splits : list of str
        `train`, `val`, and `dev` if there is one.
    kinds : list of str
        Features that all splits have: "" for those of the network, `_pca` for the reduced ones.
    """

    place: Path
    there: set[str]
    splits: list[str]
    kinds: list[str]

    @property
    def names(self) -> list[str]:
        """The files that a study takes."""
        names = [VOCABULARY, *dict.fromkeys(CAPTIONS[split] for split in self.splits)]
        for split in self.splits:
            names += [f"{split}2014_images.txt", f"{split}2014_urls.txt"]
            names += [feature_file(split, kind) for kind in self.kinds]
        return names

    @property
    def paths(self) -> list[Path]:
        """The files that they are read from."""
        if self.place.is_file():
            return [self.place]
        raw = [name for name in map(raw_captions, self.splits) if name in self.there]
        return [self.place / name for name in [*self.names, *raw]]


def feature_file(split: str, kind: str) -> str:
    """Return the name of a split's file of features."""
    return f"{split}2014_vgg16_fc7{kind}.h5"


def raw_captions(split: str) -> str:
    """Return the name of COCO's own file of a split's captions."""
    return f"captions_{split}2014.json"


def find_course_files(source: Path) -> CourseFiles:
    """Find the files of a `coco_captioning` folder.

    Parameters
    ----------
    source : Path
        The folder, the folder that holds it, or a zip archive of it.

    Raises
    ------
    InputError
        If it is missing, neither of them, or lacks a file.
    """
    if source.is_dir():
        inner = source / "coco_captioning"
        place = inner if inner.is_dir() else source
        there = {path.name for path in place.iterdir() if path.is_file()}
    else:
        place = source
        with open_zip(source) as archive:
            there = {PurePosixPath(name).name for name in archive.namelist()}
    splits = ["train", "val", *(["dev"] if CAPTIONS["dev"] in there else [])]
    kinds = [
        kind for kind in ("", "_pca") if all(feature_file(split, kind) in there for split in splits)
    ]
    found = CourseFiles(place, there, splits, kinds or ["_pca"])
    missing = [name for name in found.names if name not in there]
    if missing:
        raise InputError(
            f"{source} has no {missing[0]}: give CS231n's folder coco_captioning, or its zip"
            " archive."
        )
    return found
