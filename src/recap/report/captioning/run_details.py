"""How the studies were run: settings, recipes, versions, time and memory."""

import csv
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from recap.core.errors import InputError
from recap.core.hdf5 import open_hdf5, read_attributes, read_table
from recap.core.progress import seconds_of_work
from recap.report.captioning.comparison import Comparison
from recap.report.captioning.selection import ENSEMBLE
from recap.report.captioning.study import Run, Study

FEATURES = "coco_captioning/val2014_vgg16_fc7.h5"
PCA = "features/pca.h5"
# COCO 2014, and by which of its sizes the work of a stage grows.
COCO = {
    "train_images": 82_783,
    "images": 40_504,
    "train_captions": 414_113,
    "captions": 202_654,
}
GROWS_WITH = {
    "prepare_annotations": ("train_captions", "captions"),
    "list_images": ("train_images", "images"),
    "extract_features": ("train_images", "images"),
    "fit_pca": ("train_images",),
    "apply_pca": ("train_images", "images"),
    "build_vocabulary": ("train_captions",),
    "encode_captions": ("train_captions", "captions"),
    "train_captioner": ("train_captions",),
    "generate_captions": ("images",),
    "measure_perplexity": ("captions",),
    "score_captions": ("captions",),
}
STAGES_OF_A_CAPTIONER = (
    "train_captioner",
    "generate_captions",
    "measure_perplexity",
    "score_captions",
)


@dataclass(frozen=True)
class SettingRow:
    """One setting, model by model or study by study.

    Attributes
    ----------
    name : str
        What is set.
    values : list of str
        Its value for each; an en dash where one does not have it.
    """

    name: str
    values: list[str]

    @property
    def differs(self) -> bool:
        """Whether they do not agree."""
        return len(set(self.values)) > 1


@dataclass(frozen=True)
class Stage:
    """What the jobs of one rule took.

    Attributes
    ----------
    rule : str
        Name of the stage.
    jobs : int
        How many jobs were measured.
    seconds : float
        Their running times, added up.
    cpu_seconds : float
        Their processor times, added up.
    peak_mb : float
        The largest resident memory of any of them, in MB.
    seconds_on_coco : float or None
        Their running times, had the study been on COCO 2014 with the same recipes: what they took
        for photos or captions grows with those, the rest does not. None where a job's log does not
        tell the two apart.
    """

    rule: str
    jobs: int
    seconds: float
    cpu_seconds: float
    peak_mb: float
    seconds_on_coco: float | None


def file_attributes(path: Path) -> dict[str, str]:
    """Return what an HDF5 file says of itself; nothing if there is no such file.

    Parameters
    ----------
    path : Path
        HDF5 file with attributes at its root. From a dataset `explained_variance_ratio` of
        shape (D,), the number of components and their share of the variance are added.

    Raises
    ------
    InputError
        If the file is damaged.
    """
    if not path.exists():
        return {}
    with open_hdf5(path) as file:
        attributes = {
            name: str(value)
            for name, value in sorted(read_attributes(file).items())
            if isinstance(value, str | np.number)
        }
        if "explained_variance_ratio" in file:
            ratios = read_table(file, "explained_variance_ratio", 1, "f")[:]
            attributes["components"] = f"{len(ratios):,}"
            attributes["explained variance"] = f"{100 * ratios.sum():.1f}%"
    return attributes


def study_rows(studies: list[Study]) -> list[SettingRow]:
    """Return what the studies were configured with, side by side."""
    return _side_by_side(
        [
            {name: _as_text(value) for name, value in study.record.settings.items()}
            for study in studies
        ]
    )


def machine_rows(studies: list[Study]) -> list[SettingRow]:
    """Return where the studies were recorded, and with which software, side by side."""
    return _side_by_side([study.record.machine | study.record.versions for study in studies])


def feature_rows(study: Study) -> list[SettingRow]:
    """Return what a study's files of features and of components say of themselves."""
    return _side_by_side([file_attributes(study.folder / path) for path in (FEATURES, PCA)])


def recipe_rows(comparison: Comparison) -> list[SettingRow]:
    """Return the recipes of the models side by side."""
    return _side_by_side([_recipe(runs) for runs in comparison.models.values()])


def training_rows(comparison: Comparison) -> list[SettingRow]:
    """Return what the trainings came to, side by side; where there are seeds, one after another."""
    return _side_by_side([_training(runs) for runs in comparison.models.values()])


def version_rows(comparison: Comparison) -> list[SettingRow]:
    """Return the versions of the software that trained each model."""
    columns = []
    for runs in comparison.models.values():
        found: dict[str, list[str]] = {}
        for run in runs:
            for name, version in run.config.get("versions", {}).items():
                found.setdefault(name, []).append(str(version))
        columns.append({name: ", ".join(dict.fromkeys(all_)) for name, all_ in found.items()})
    return _side_by_side(columns)


def read_stages(study: Study) -> list[Stage]:
    """Add up Snakemake's benchmark files, a stage a folder, the longest stage first.

    What a job took for its photos or captions is read in its log, which lies in `logs` as its
    benchmark file does in `benchmarks`. Format: https://snakemake.readthedocs.io/en/stable/snakefiles/rules.html#benchmark-rules

    Parameters
    ----------
    study : Study
        Its folder may hold `benchmarks`, with `{rule}.tsv` and `{rule}/….tsv`; of the stages of
        a captioner, `{model}-seed{seed}.tsv` and `{model}-seed{seed}-{decoder}.tsv` count only
        for what is compared.

    Raises
    ------
    InputError
        If a file lacks the columns that Snakemake writes.
    """
    compared = set()
    for name, runs in study.models.items():
        model = name.removesuffix(f" {ENSEMBLE}")
        for run in runs:
            training = f"{model}-{ENSEMBLE if run.seed is None else f'seed{run.seed}'}"
            compared |= {training, *(f"{training}-{decoder}" for decoder in run.decodings)}
    folder = study.folder / "benchmarks"
    jobs: dict[str, list[tuple[float, float, float]]] = {}
    work: dict[str, list[float | None]] = {}
    for path in sorted(folder.rglob("*.tsv")):
        rule = path.relative_to(folder).parts[0].removesuffix(".tsv")
        if rule in STAGES_OF_A_CAPTIONER and path.stem not in compared:
            continue
        log = (study.folder / "logs" / path.relative_to(folder)).with_suffix(".log")
        told = log.read_text(encoding="utf-8", errors="replace") if log.exists() else ""
        work.setdefault(rule, []).append(seconds_of_work(told))
        try:
            with open(path, encoding="utf-8", newline="") as file:
                for row in csv.DictReader(file, delimiter="\t"):
                    measured = (row["s"], row["cpu_time"], row["max_rss"])
                    jobs.setdefault(rule, []).append(tuple(map(_number, measured)))
        except (KeyError, TypeError, ValueError) as error:
            raise InputError(
                f"{path} is not one of Snakemake's benchmark files ({error!r}): remove it."
            ) from None
    stages = []
    for rule, measured in jobs.items():
        seconds, cpu_seconds, peak_mb = zip(*measured, strict=True)
        on_coco = _on_coco(rule, sum(seconds), work[rule], study.record.sizes)
        stages.append(
            Stage(rule, len(measured), sum(seconds), sum(cpu_seconds), max(peak_mb), on_coco)
        )
    return sorted(stages, key=lambda stage: (-stage.seconds, stage.rule))


def _on_coco(
    rule: str, seconds: float, work: list[float | None], sizes: dict[str, int]
) -> float | None:
    """Return what a stage would have taken on COCO 2014, by how much more work there is.

    Parameters
    ----------
    rule : str
        Name of the stage.
    seconds : float
        What its jobs took.
    work : list of float or None
        What each of them took for its photos or captions.
    sizes : dict of str to int
        How many photos and captions the study has.
    """
    names = GROWS_WITH.get(rule, ())
    here = sum(sizes.get(name, 0) for name in names)
    if not here or any(name not in sizes for name in names) or None in work:
        return None
    growing = min(sum(work), seconds)
    return seconds - growing + growing * sum(COCO[name] for name in names) / here


def _number(cell: str) -> float:
    """Return a cell of a benchmark file; 0 for a job too short to be measured."""
    return 0.0 if cell in ("-", "NA") else float(cell)


def _recipe(runs: list[Run]) -> dict[str, str]:
    """Return the recipe of a model, which all its seeds share, and what it was given."""
    config = runs[0].config
    settings = {"cell": config.get("cell", "–"), **config.get("recipe", {})}
    for name, key in [("feature dimensions", "feature_dim"), ("validation", "validation")]:
        if key in config:
            settings[name] = config[key]
    if "idx_to_word" in config:
        settings["vocabulary words"] = len(config["idx_to_word"])
    return {name: _as_text(value) for name, value in settings.items()}


def _as_text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _training(runs: list[Run]) -> dict[str, str]:
    """Return what the trainings of a model came to, seed by seed."""
    training = {
        "seeds": ", ".join("all" if run.seed is None else str(run.seed) for run in runs),
    }
    if any(run.history is None for run in runs):
        return training
    training["epochs"] = ", ".join(f"{run.history.epochs_done()[-1]:.0f}" for run in runs)
    kept = [run.kept_row() for run in runs]
    if None not in kept:
        pairs = list(zip(runs, kept, strict=True))
        training["kept epoch"] = ", ".join(str(run.history.epoch[row]) for run, row in pairs)
        training["validation loss then, nats per caption"] = ", ".join(
            f"{run.history.validation_loss[row]:.2f}" for run, row in pairs
        )
    speeds = np.concatenate([run.history.captions_per_second for run in runs])
    if not np.isnan(speeds).all():
        training["captions/s, median"] = f"{np.nanmedian(speeds):,.0f}"
    return training


def _side_by_side(columns: list[dict[str, str]]) -> list[SettingRow]:
    names = dict.fromkeys(name for column in columns for name in column)
    return [SettingRow(name, [column.get(name, "–") for column in columns]) for name in names]
