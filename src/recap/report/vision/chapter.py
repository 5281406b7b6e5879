"""What a chapter of the page has, and how it is read from a method's folder."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from recap.core.images import decode_image
from recap.core.json_files import read_json
from recap.core.photo_store import read_photo
from recap.report.run_details import SettingRow, as_text, side_by_side
from recap.report.statistics import interval, resampled_means
from recap.report.thumbnails import thumbnail

SIDE = 512  # pixels of a picture's longer side at most


@dataclass(frozen=True)
class Picture:
    """A picture within the page, and what is said below it."""

    caption: str
    uri: str
    width: int
    height: int


@dataclass(frozen=True)
class Card:
    """The pictures of one case side by side, the original first; `title` is searched."""

    title: str
    text: str
    pictures: list[Picture]


@dataclass(frozen=True)
class Table:
    """Numbers; of a row, the first cell is its head."""

    head: list[str]
    rows: list[list[str]]
    caption: str


@dataclass(frozen=True)
class Chapter:
    """What one method found.

    Attributes
    ----------
    id, name : str
        The method's folder in the study, as an anchor, and what it is called.
    rule : str
        What made it, whose benchmark files tell how long it took.
    found : str
        A sentence.
    explained : str
        How to read it.
    tables : list of Table
    figures : list of str
        SVG.
    cards : list of Card
    settings : list of SettingRow
    """

    id: str
    name: str
    rule: str
    found: str
    explained: str
    settings: list[SettingRow]
    tables: list[Table] = field(default_factory=list)
    figures: list[str] = field(default_factory=list)
    cards: list[Card] = field(default_factory=list)


def read_scores(folder: Path) -> dict[str, Any]:
    """Return a method's `scores.json`.

    Parameters
    ----------
    folder : Path
        Of the method.

    Raises
    ------
    InputError
        If it is missing or not JSON.
    """
    return read_json(folder / "scores.json")


def read_picture(folder: Path, name: str, caption: str) -> Picture:
    """Return one of the method's pictures.

    Parameters
    ----------
    folder : Path
        Of the method.
    name : str
        Of the file.
    caption : str
        What is said below it.

    Raises
    ------
    InputError
        If it is missing or damaged.
    """
    return Picture(caption, *thumbnail(decode_image(read_photo(folder / name), name), side=SIDE))


def settings_of(scores: dict[str, Any]) -> list[SettingRow]:
    """Return the settings that a method worked with, a row each."""
    return side_by_side([{name: as_text(value) for name, value in scores["settings"].items()}])


def mean_in_words(values: Sequence[float], seed: int, form: str = "{:.3f}") -> str:
    """Return a mean with its bootstrap interval, such as `0.812 (0.751 to 0.868)`.

    Parameters
    ----------
    values : sequence of float
        One for each case.
    seed : int
        Of the resampling.
    form : str
        How a number is written.
    """
    means = resampled_means(np.array([values], np.float64), seed=seed)[:, 0]
    low, high = map(form.format, interval(means))
    return f"{form.format(float(np.mean(values)))} ({low} to {high})"
