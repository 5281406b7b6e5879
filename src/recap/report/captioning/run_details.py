"""How the studies were run: settings, recipes, versions, and what COCO 2014 would take."""

from pathlib import Path

import numpy as np

from recap.core.hdf5 import open_hdf5, read_attributes, read_table
from recap.report.captioning.comparison import Comparison
from recap.report.captioning.crate import read_run
from recap.report.captioning.selection import ENSEMBLE
from recap.report.captioning.study import Run, Study
from recap.report.run_details import SettingRow, Stage, as_text, read_stages, side_by_side

FEATURES = "coco_captioning/val2014_vgg16_fc7_pca.h5"
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
    "list_shards": ("train_images", "images"),
    "sum_features": ("train_images",),
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
    return side_by_side(
        [
            {name: as_text(value) for name, value in study.record.settings.items()}
            for study in studies
        ]
    )


def machine_rows(studies: list[Study]) -> list[SettingRow]:
    """Return when, how and where the studies were recorded, with which software, side by side."""
    return side_by_side(
        [read_run(study.folder) | study.record.machine | study.record.versions for study in studies]
    )


def feature_rows(study: Study) -> list[SettingRow]:
    """Return what a study's files of features and of components say of themselves."""
    return side_by_side([file_attributes(study.folder / path) for path in (FEATURES, PCA)])


def recipe_rows(comparison: Comparison) -> list[SettingRow]:
    """Return the recipes of the models side by side."""
    names = comparison.full_names
    shortened = any(full != model for model, full in names.items())
    return side_by_side(
        [
            ({"model": full} if shortened else {}) | _recipe(comparison.models[model])
            for model, full in names.items()
        ]
    )


def training_rows(comparison: Comparison) -> list[SettingRow]:
    """Return what the trainings came to, side by side; where there are seeds, one after another."""
    return side_by_side([_training(runs) for runs in comparison.models.values()])


def version_rows(comparison: Comparison) -> list[SettingRow]:
    """Return the versions of the software that trained each model."""
    columns = []
    for runs in comparison.models.values():
        found: dict[str, list[str]] = {}
        for run in runs:
            for name, version in run.config.get("versions", {}).items():
                found.setdefault(name, []).append(str(version))
        columns.append({name: ", ".join(dict.fromkeys(all_)) for name, all_ in found.items()})
    return side_by_side(columns)


def stages_of(study: Study) -> list[Stage]:
    """Return what the stages of a study took; those of a captioner for what is compared only."""
    compared = set()
    for name, runs in study.models.items():
        model = name.removesuffix(f" {ENSEMBLE}")
        for run in runs:
            training = f"{model}-{ENSEMBLE if run.seed is None else f'seed{run.seed}'}"
            compared |= {training, *(f"{training}-{decoder}" for decoder in run.decodings)}
    return read_stages(
        [*(study.folder / "benchmarks").rglob("*.tsv"), *study.record.shared_jobs],
        lambda rule, job: rule not in STAGES_OF_A_CAPTIONER or job in compared,
    )


def seconds_on_coco(stages: list[Stage], study: Study) -> dict[str, float]:
    """Return what stages would have taken on COCO 2014 with the same recipes.

    The time that they took for photos or captions grows with their number, the rest does not.

    Returns
    -------
    dict of str to float
        By name of the stage; those are left out that do not tell the two apart, or do not grow.
        Empty for COCO 2014 itself.
    """
    sizes = study.record.sizes
    if study.record.settings.get("dataset") == "coco2014":
        return {}
    found = {}
    for stage in stages:
        names = GROWS_WITH.get(stage.rule, ())
        here = sum(sizes.get(name, 0) for name in names)
        if here and stage.growing is not None and all(name in sizes for name in names):
            times = sum(COCO[name] for name in names) / here
            found[stage.rule] = stage.seconds - stage.growing + stage.growing * times
    return found


def _recipe(runs: list[Run]) -> dict[str, str]:
    """Return the recipe of a model, which all its seeds share, and what it was given."""
    config = runs[0].config
    settings = {"architecture": config.get("architecture", "–"), **config.get("recipe", {})}
    for name, key in [("feature dimensions", "feature_dim"), ("validation", "validation")]:
        if key in config:
            settings[name] = config[key]
    if "idx_to_word" in config:
        settings["vocabulary words"] = len(config["idx_to_word"])
    return {name: as_text(value) for name, value in settings.items()}


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
