"""The scores as a table: for programs, and for the terminal."""

import csv
import io
import textwrap
from dataclasses import dataclass

from recap.report.statistics import mean_and_deviation
from recap.report.study import METRICS, Study

SUMMARY_METRICS = ("BLEU-1", "BLEU-4", "METEOR", "ROUGE-L", "CIDEr-D")
SUMMARY_WIDTH = 88
LONGEST_NAME = 24


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
    """

    model: str
    decoder: str
    seeds: int
    mean: dict[str, float | None]
    deviation: dict[str, float | None]


def score_rows(study: Study) -> list[ScoreRow]:
    """Return a row for each model and decoder."""
    rows = []
    for model in study.models:
        for decoder in study.decoders(model):
            decodings = study.decodings(model, decoder)
            mean: dict[str, float | None] = {}
            deviation: dict[str, float | None] = {}
            for metric in METRICS:
                values = [decoding.scores[metric] for decoding in decodings]
                mean[metric], deviation[metric] = (
                    (None, None) if None in values else mean_and_deviation(values)
                )
            rows.append(ScoreRow(model, decoder, len(decodings), mean, deviation))
    return rows


def percent(score: float | None) -> str:
    """Return a score times 100 with one decimal, as papers print it; a dash for none."""
    return "–" if score is None else f"{100 * score:.1f}"


def best_values(rows: list[ScoreRow]) -> dict[str, str | None]:
    """Return the best printed value of each metric, None where no row has one."""
    best: dict[str, str | None] = {}
    for metric in METRICS:
        values = [row.mean[metric] for row in rows if row.mean[metric] is not None]
        best[metric] = percent(max(values)) if values else None
    return best


def notes(study: Study) -> list[str]:
    """Return what the scorer noted, each note once."""
    return list(dict.fromkeys(note for item in study.all_decodings() for note in item.notes))


def comparison_csv(rows: list[ScoreRow]) -> str:
    """Return the rows as CSV: fractions in full precision, empty where there is none."""
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(["model", "decoder", "seeds", *METRICS, *(f"{name}_sd" for name in METRICS)])
    for row in rows:
        values = [*row.mean.values(), *row.deviation.values()]
        writer.writerow([row.model, row.decoder, row.seeds, *values])
    return file.getvalue()


def summary_text(rows: list[ScoreRow], verdict: str, remarks: list[str]) -> str:
    """Return the scores as an aligned table under 90 columns, with the verdict below.

    Parameters
    ----------
    rows : list of ScoreRow
        From `score_rows`.
    verdict : str
        One or more sentences.
    remarks : list of str
        From `notes`.
    """
    cells = [["model", "decoder", *SUMMARY_METRICS]]
    for row in rows:
        name = row.model if len(row.model) <= LONGEST_NAME else f"{row.model[: LONGEST_NAME - 1]}…"
        cells.append(
            [name, row.decoder, *(percent(row.mean[metric]) for metric in SUMMARY_METRICS)]
        )
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = []
    for line in cells:
        padded = [
            text.ljust(width) if column < 2 else text.rjust(width)
            for column, (text, width) in enumerate(zip(line, widths, strict=True))
        ]
        lines.append("  ".join(padded).rstrip())
    lines.insert(1, "-" * (sum(widths) + 2 * (len(widths) - 1)))
    means = " and means over the seeds" if any(row.seeds > 1 for row in rows) else ""
    for paragraph in [verdict, *remarks, f"Scores are times 100{means}."]:
        lines += ["", *textwrap.wrap(paragraph, SUMMARY_WIDTH)]
    return "\n".join(lines) + "\n"
