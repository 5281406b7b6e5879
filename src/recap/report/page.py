"""The comparison as one HTML page that needs nothing but itself."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

import recap
from recap.annotations import Annotations
from recap.report.curves import colour_of
from recap.report.gallery import Group
from recap.report.provenance import (
    FEATURES,
    PCA,
    SettingRow,
    file_attributes,
    read_stages,
    recipe_rows,
    training_rows,
    version_rows,
)
from recap.report.statistics import RESAMPLES
from recap.report.study import METRICS, Study
from recap.report.tables import ScoreRow, best_values, notes, percent
from recap.report.verdict import Verdict, decoder_in_words
from recap.report.wording import wording_of_models, wording_of_people


@dataclass(frozen=True)
class Strip:
    """The interval of the difference as places on a strip, in percent of its width.

    Attributes
    ----------
    zero, low, middle, high : float
        Where no difference, the ends of the interval and the difference lie.
    """

    zero: float
    low: float
    middle: float
    high: float


def interval_strip(verdict: Verdict) -> Strip:
    """Lay the interval and zero out on a strip with a margin at both ends."""
    low, high = verdict.interval
    left, right = min(low, 0.0), max(high, 0.0)
    span = (right - left) or 1.0
    zero, start, middle, end = (
        round(8 + 84 * (value - left) / span, 2) for value in (0.0, low, verdict.difference, high)
    )
    return Strip(zero, start, middle, end)


def data_in_words(study: Study, annotations: Annotations) -> str:
    """Say which images were scored against how many references."""
    counts = {len(annotations.captions_by_image()[image_id]) for image_id in study.image_ids}
    fewest, most = min(counts), max(counts)
    references = f"{most} reference{'s' * (most != 1)}"
    if fewest != most:
        references = f"{fewest} to {references}"
    name = annotations.description or study.name
    return f"{name}: {len(study.image_ids):,} images, each scored against {references}."


def features_in_words(attributes: dict[str, str]) -> str:
    """Say what the models saw of the images.

    Parameters
    ----------
    attributes : dict of str to str
        From the feature file.
    """
    if "backbone" not in attributes:
        return "The study does not say which backbone its image features come from."
    layer = f" ({attributes['layer']})" if "layer" in attributes else ""
    weights = attributes.get("weights", "unnamed")
    if weights == "random":
        return (
            f"The image features come from {attributes['backbone']}{layer} with random weights:"
            " they are a random projection of the pixels, and no network was trained to see."
        )
    return f"The image features come from {attributes['backbone']}{layer}, weights {weights}."


def duration(seconds: float) -> str:
    """Return a time as people read it: `48.2 s`, `3 min 20 s`, `2 h 05 min`."""
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s"
    return f"{minutes // 60:,} h {minutes % 60:02d} min"


def _attribute_rows(study: Study) -> list[SettingRow]:
    features, pca = (file_attributes(study.folder / path) for path in (FEATURES, PCA))
    names = dict.fromkeys([*features, *pca])
    return [SettingRow(name, [features.get(name, "–"), pca.get(name, "–")]) for name in names]


def render_page(
    study: Study,
    annotations: Annotations,
    *,
    rows: list[ScoreRow],
    verdict: Verdict,
    curves: str,
    gallery: list[Group],
    settings: dict[str, Any],
    seed: int,
) -> str:
    """Return the page as HTML. Whatever a caption, a name or a setting holds is escaped.

    Parameters
    ----------
    study : Study
        What was scored.
    annotations : Annotations
        References of the scored images.
    rows : list of ScoreRow
        The score table.
    verdict : Verdict
        The headline.
    curves : str
        SVG from `learning_curves`.
    gallery : list of Group
        Photos from `build_gallery`.
    settings : dict
        What the study was configured with, to be told.
    seed : int
        Seed of the bootstrap and of the gallery, to be told.
    """
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(percent=percent, duration=duration)
    tokenizers = dict.fromkeys(item.tokenizer for item in study.all_decodings() if item.tokenizer)
    return environment.get_template("template.html").render(
        study=study,
        data=data_in_words(study, annotations),
        features=features_in_words(file_attributes(study.folder / FEATURES)),
        verdict=verdict,
        strip=interval_strip(verdict),
        decoder=decoder_in_words(verdict.decoder),
        resamples=RESAMPLES,
        colours={model: colour_of(index) for index, model in enumerate(study.models)},
        metrics=METRICS,
        rows=rows,
        best=best_values(rows),
        notes=notes(study),
        tokenizers=list(tokenizers),
        several_seeds=any(row.seeds > 1 for row in rows),
        curves=curves,
        gallery=gallery,
        models_wording=wording_of_models(study, verdict.decoder),
        people_wording=wording_of_people(study, annotations),
        settings={
            name: json.dumps(value) if isinstance(value, dict | list) else value
            for name, value in settings.items()
        },
        recipes=recipe_rows(study),
        trainings=training_rows(study),
        versions=version_rows(study),
        attributes=_attribute_rows(study),
        attribute_files=[FEATURES, PCA],
        stages=read_stages(study),
        seed=seed,
        version=recap.__version__,
    )
