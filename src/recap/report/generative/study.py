"""Read what a generative study has made."""

import csv
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from recap.core.arrays import read_arrays
from recap.core.errors import InputError
from recap.core.json_files import read_json
from recap.generative.recipe import GAN

PARTS = {"samples", "floor_images", "test_images", "gan", "floor", "along", "along_floor"}


@dataclass(frozen=True)
class Training:
    """One training of a GAN, and its scores.

    Attributes
    ----------
    gan : str
        Name of its recipe.
    seed : int
        Of the training.
    config : dict
        What it was made by.
    history : dict of str to ndarray
        Columns of `history.csv`.
    steps : ndarray of shape (K,), int64
        At which samples were drawn along the training.
    stages : ndarray of shape (K, N, 28, 28), uint8
        These samples, of the same noise each time.
    scores : dict
        Of the trained generator, from `score_gan`.
    pictures : dict of str to ndarray
        Samples, interpolation and neighbours, from `score_gan`.
    """

    gan: str
    seed: int
    config: dict
    history: dict[str, np.ndarray]
    steps: np.ndarray
    stages: np.ndarray
    scores: dict
    pictures: dict[str, np.ndarray]

    @property
    def recipe(self) -> GAN:
        """What it was trained by."""
        return GAN(**self.config["recipe"])


def read_gans(study: Path, gans: list[str] | None, seeds: list[int] | None) -> list[list[Training]]:
    """Read the trainings of a study, a list a GAN.

    Parameters
    ----------
    study : Path
        Folder of the study, with `gans/{gan}/seed{seed}/` and `scores/{gan}/seed{seed}.json`.
    gans : list of str or None
        Only these, in this order; all by default.
    seeds : list of int or None
        Only these; all by default.

    Raises
    ------
    InputError
        If what is named was not scored, or a file is missing or damaged.
    """
    found: dict[str, list[int]] = {}
    for path in sorted(study.glob("scores/*/seed*.json")):
        if (seed := path.stem.removeprefix("seed")).isdecimal():
            found.setdefault(path.parent.name, []).append(int(seed))
    chosen = gans or list(found)
    for gan in chosen:
        if gan not in found:
            raise InputError(f"{study} has no scores of {gan}: run `snakemake generative`.")
    groups = [
        [_read_training(study, gan, seed) for seed in seeds or sorted(found[gan])] for gan in chosen
    ]
    if not groups:
        raise InputError(
            f"{study} has no scores of GANs: name some in `generative.train`, and run `snakemake"
            " generative`."
        )
    return groups


def _read_training(study: Path, gan: str, seed: int) -> Training:
    folder = study / "gans" / gan / f"seed{seed}"
    scores = study / "scores" / gan / f"seed{seed}.json"
    samples = read_arrays(folder / "samples.npz", "steps", "images")
    try:
        with (folder / "history.csv").open(newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        history = {name: np.array([float(row[name]) for row in rows]) for name in rows[0]}
        return Training(
            gan=gan,
            seed=seed,
            config=read_json(folder / "config.json"),
            history=history,
            steps=samples["steps"],
            stages=samples["images"],
            scores=_read_scores(scores),
            pictures=read_arrays(
                scores.with_suffix(".npz"), "samples", "interpolation", "neighbours"
            ),
        )
    except (OSError, IndexError, KeyError, TypeError, ValueError) as error:
        raise InputError(
            f"{folder / 'history.csv'} is not whole ({error!r}): train the GAN again."
        ) from None


def _read_scores(path: Path) -> dict:
    scores = read_json(path)
    if not isinstance(scores, dict) or not scores.keys() >= PARTS:
        raise InputError(f"{path} is not of `recap score-gan`: make it again.")
    return scores
