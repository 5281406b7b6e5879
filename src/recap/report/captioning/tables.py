"""The scores as a table: for programs, and for the terminal."""

import csv
import io
from dataclasses import dataclass

import numpy as np

from recap.captions.metrics.bleu import bleu_of_counts
from recap.evaluation.decoders import read_decoder
from recap.evaluation.scoring.references import PreparedReferences
from recap.evaluation.scoring.score import compute_scores
from recap.report.captioning.comparison import Comparison
from recap.report.captioning.names import LONGEST_NAME
from recap.report.captioning.study import METRICS, MORE_METRICS, Decoding
from recap.report.captioning.verdict import Verdict
from recap.report.numbers import ZERO, percent
from recap.report.statistics import interval, mean_and_deviation, resampled_means
from recap.report.tables import text_table

SUMMARY_METRICS = ("BLEU-1", "BLEU-4", "METEOR", "ROUGE-L", "CIDEr-D")
BLEU = METRICS[:4]
# The score of the whole is the mean of those of the images; BLEU's and METEOR's are not.
MEANS_OVER_IMAGES = ("ROUGE-L", "CIDEr-D", "SPICE")


@dataclass(frozen=True)
class ScoreRow:
    """The scores of a model by one decoder, over its seeds.

    Attributes
    ----------
    model : str
        Name of the model.
    decoder : str
        Name of the decoder.
    seeds : int
        How many seeds were scored.
    mean : dict of str to float or None
        Mean over the seeds of each of `METRICS`, as a fraction; None where it was not computed
        for every seed.
    deviation : dict of str to float or None
        Sample standard deviation over the seeds; None for a single seed.
    interval : dict of str to (float, float)
        95% bootstrap interval over the images of BLEU and of what is a mean over images; METEOR
        has none.
    """

    model: str
    decoder: str
    seeds: int
    mean: dict[str, float | None]
    deviation: dict[str, float | None]
    interval: dict[str, tuple[float, float]]


def metrics_of(comparison: Comparison) -> list[str]:
    """Return the metrics to show: the usual ones, and others that were computed."""
    computed = {metric for item in comparison.all_decodings() for metric in item.scores}
    return [*METRICS, *(metric for metric in MORE_METRICS if metric in computed)]


def score_rows(comparison: Comparison, *, seed: int) -> list[ScoreRow]:
    """Return a row for each model and decoder."""
    places = [
        (model, decoder) for model in comparison.models for decoder in comparison.decoders(model)
    ]
    intervals = _intervals(comparison, places, seed)
    rows = []
    for model, decoder in places:
        decodings = comparison.decodings(model, decoder)
        mean: dict[str, float | None] = {}
        deviation: dict[str, float | None] = {}
        for metric in metrics_of(comparison):
            values = [decoding.scores.get(metric) for decoding in decodings]
            mean[metric], deviation[metric] = (
                (None, None) if None in values else mean_and_deviation(values)
            )
        rows.append(
            ScoreRow(model, decoder, len(decodings), mean, deviation, intervals[model, decoder])
        )
    return rows


def human_scores(comparison: Comparison) -> dict[str, float]:
    """Return what one person's captions score against those of the others.

    The first reference of each image is held against the rest, one fewer than a model's captions
    are: so people stand a little lower here than they would beside the models. METEOR and SPICE,
    which need Java, are left out.

    Returns
    -------
    dict of str to float
        Fractions by metric; empty if an image has fewer than two references.
    """
    if min(map(len, comparison.references)) < 2:
        return {}
    firsts, others = {}, {}
    for image_id, captions in zip(comparison.image_ids, comparison.references, strict=True):
        firsts[image_id], *others[image_id] = captions
    scores = compute_scores(firsts, PreparedReferences(others), meteor=False)["scores"]
    return {metric: score for metric, score in scores.items() if score is not None}


def _intervals(
    comparison: Comparison, places: list[tuple[str, str]], seed: int
) -> dict[tuple[str, str], dict[str, tuple[float, float]]]:
    """Return the intervals of each row, all from the same resamples."""
    values = {place: _values(comparison.decodings(*place)) for place in places}
    stacked = [rows for of_place in values.values() for rows in of_place.values()]
    resampled = resampled_means(np.concatenate(stacked), seed=seed)
    found: dict[tuple[str, str], dict[str, tuple[float, float]]] = {}
    end = 0
    for place, of_place in values.items():
        found[place] = {}
        for name, rows in of_place.items():
            start, end = end, end + len(rows)
            means = resampled[:, start:end]
            if name == "BLEU":
                # Counts added up over the resampled images, seed by seed: shape (10, seeds, R).
                counts = means.T.reshape(-1, 10, len(means)).swapaxes(0, 1) * rows.shape[1]
                bleu = bleu_of_counts(counts).mean(axis=1)
                found[place] |= dict(zip(BLEU, map(interval, bleu), strict=True))
            else:
                found[place][name] = interval(means.mean(axis=1))
    return found


def _values(decodings: list[Decoding]) -> dict[str, np.ndarray]:
    """Return what scores are computed from, arrays of shape (K, N), seed after seed."""
    values = {
        metric: np.stack([item.per_image[metric] for item in decodings])
        for metric in MEANS_OVER_IMAGES
        if all(metric in item.per_image for item in decodings)
    }
    counts = [item.bleu_counts for item in decodings if item.bleu_counts is not None]
    if len(counts) == len(decodings):
        values["BLEU"] = np.concatenate(counts)
    return values


def best_values(rows: list[ScoreRow], working: list[str]) -> dict[str, str | None]:
    """Return the best printed value of each metric among the models that do not fail.

    It is None where there is none, or where it is zero.
    """
    best: dict[str, str | None] = {}
    for metric in rows[0].mean:
        values = [row.mean[metric] for row in rows if row.model in working]
        top = percent(max((value for value in values if value is not None), default=None))
        best[metric] = None if top in (ZERO, percent(None)) else top
    return best


def notes(comparison: Comparison) -> list[str]:
    """Return what the scorer noted, each note once."""
    return list(dict.fromkeys(note for item in comparison.all_decodings() for note in item.notes))


def search_in_words(rows: list[ScoreRow], verdict: Verdict) -> str:
    """Say of which models the verdict's beam search lowers the score; nothing if of none."""
    greedy = {row.model: row.mean["CIDEr-D"] for row in rows if row.decoder == "greedy"}
    lowered = [
        f"{standing.model} (from {percent(greedy[standing.model])} to {percent(standing.score)})"
        for standing in verdict.working
        if standing.score < greedy.get(standing.model, 0)
        and percent(standing.score) != percent(greedy[standing.model])
    ]
    decoder = read_decoder(verdict.decoder)
    if not lowered or decoder.beam_width == 1:
        return ""
    return (
        f"Against greedy decoding, {decoder.in_words} lowers the CIDEr-D of {', '.join(lowered)}:"
        " it finds captions that are likelier to the model, which need not be better ones."
    )


def comparison_csv(tables: dict[str, list[ScoreRow]], full_names: dict[str, str]) -> str:
    """Return rows, by the name of what was scored, as CSV: fractions in full precision.

    Models have their names in full, from `full_names`.
    """
    rows = [row for table in tables.values() for row in table]
    metrics = list(dict.fromkeys(metric for row in rows for metric in row.mean))
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    kinds = ("", "_sd", "_low", "_high")
    columns = [f"{metric}{kind}" for kind in kinds for metric in metrics]
    writer.writerow(["data", "model", "decoder", "seeds", *columns])
    for name, table in tables.items():
        for row in table:
            ends = [row.interval.get(metric, (None, None)) for metric in metrics]
            values = [
                *(row.mean.get(metric) for metric in metrics),
                *(row.deviation.get(metric) for metric in metrics),
                *(low for low, _ in ends),
                *(high for _, high in ends),
            ]
            writer.writerow([name, full_names[row.model], row.decoder, row.seeds, *values])
    return file.getvalue()


def summary_text(
    rows: list[ScoreRow], verdict: str, remarks: list[str], full_names: dict[str, str]
) -> str:
    """Return the scores as an aligned table under 90 columns, with verdict and remarks below.

    A model whose name is short for another, or too long for the table, is told below it.
    """
    cells, told = [["model", "decoder", *SUMMARY_METRICS]], {}
    for row in rows:
        name = row.model
        if len(name) > LONGEST_NAME:
            name = f"[{list(full_names).index(row.model) + 1}]"
        if name != full_names[row.model]:
            told[name] = full_names[row.model]
        cells.append(
            [name, row.decoder, *(percent(row.mean[metric]) for metric in SUMMARY_METRICS)]
        )
    means = " and means over the seeds" if any(row.seeds > 1 for row in rows) else ""
    paragraphs = [verdict, *remarks, f"Scores are times 100{means}."]
    if told:
        paragraphs.insert(0, "\n".join(f"{name}: {full}" for name, full in told.items()))
    return text_table(cells, paragraphs, names=2)
