"""The comparison of GANs as one page."""

from dataclasses import dataclass
from pathlib import Path

from recap.report.figures import colour_of, shape_of
from recap.report.generative.figures import (
    SHOWN,
    draw_classes,
    draw_distances,
    draw_losses,
    grid_uri,
)
from recap.report.generative.study import Training
from recap.report.generative.verdict import has_failed
from recap.report.provenance import machine, versions
from recap.report.run_details import as_text, read_stages, side_by_side
from recap.report.shell import render
from recap.report.statistics import mean_and_deviation

HERE = Path(__file__).parent
FLOOR = "training images"
MEASURES = ("frechet_distance", "precision", "recall", "classes_made", "copies")


@dataclass(frozen=True)
class Row:
    """A line of the table: a GAN's scores as mean and deviation over seeds, or the floor's.

    Attributes
    ----------
    name : str
        Of the GAN.
    seeds : int or None
        Trainings; None for the floor.
    measures : dict of str to tuple of (float, float or None)
        By name of a measure, mean and sample standard deviation.
    failed : bool
        Whether a training made one class alone, or lost its discriminator.
    """

    name: str
    seeds: int | None
    measures: dict[str, tuple[float, float | None]]
    failed: bool = False

    def in_words(self) -> list[str | None]:
        """Return the number of seeds and each measure as text; None for what it does not have."""
        return [None if self.seeds is None else str(self.seeds), *map(self.text, MEASURES)]

    def text(self, measure: str) -> str | None:
        """Return a measure as text, such as `20.6 ± 0.8`; None if it does not have it."""
        if measure not in self.measures:
            return None
        mean, deviation = self.measures[measure]
        form = {"frechet_distance": "{:.1f}", "classes_made": "{:g}"}.get(measure, "{:.3f}")
        return form.format(mean) + ("" if deviation is None else f" ± {form.format(deviation)}")


def table_rows(groups: list[list[Training]]) -> list[Row]:
    """Return the rows of the table, the floor last."""
    rows = []
    for trainings in groups:
        scores = [training.scores["gan"] for training in trainings]
        measures = {
            name: mean_and_deviation([float(score[name]) for score in scores]) for name in MEASURES
        }
        rows.append(Row(trainings[0].gan, len(trainings), measures, has_failed(trainings)))
    floor = groups[0][0].scores["floor"]
    measures = {name: (float(floor[name]), None) for name in MEASURES if name in floor}
    return [*rows, Row(FLOOR, None, measures)]


def render_page(
    study: Path,
    groups: list[list[Training]],
    judge: dict,
    title: str,
    text: str,
    rows: list[Row],
) -> str:
    """Return the page as HTML."""
    first = [trainings[0] for trainings in groups]
    working = [row for row in rows if row.seeds is not None and not row.failed]
    best = min(working, key=lambda row: row.measures["frechet_distance"][0], default=None)
    return render(
        HERE / "page.html",
        scripts=[HERE / "page.js"],
        title=title,
        text=text,
        study=study.name,
        judge=judge,
        rows=rows,
        best=best and best.name,
        samples=first[0].scores["samples"],
        test_images=first[0].scores["test_images"],
        marks={
            training.gan: {"colour": colour_of(number), "shape": shape_of(number)}
            for number, training in enumerate(first)
        },
        gans=[
            {
                "name": training.gan,
                "seed": training.seed,
                "stages": [
                    {"step": int(step), "grid": grid_uri(drawn[:SHOWN])}
                    for step, drawn in zip(training.steps, training.stages, strict=True)
                ],
                "along": training.scores["along"],
                "losses": draw_losses(groups[number], number, f"l{number}-"),
                "interpolation": grid_uri(
                    training.pictures["interpolation"].reshape(-1, 28, 28),
                    columns=training.pictures["interpolation"].shape[1],
                ),
                "neighbours": grid_uri(
                    training.pictures["neighbours"].swapaxes(0, 1).reshape(-1, 28, 28),
                    columns=len(training.pictures["neighbours"]),
                ),
                "failed": rows[number].failed,
            }
            for number, training in enumerate(first)
        ],
        distances=draw_distances(groups, first[0].scores["along_floor"]),
        classes=draw_classes(groups),
        recipes=side_by_side(
            [
                {name: as_text(value) for name, value in training.config["recipe"].items()}
                for training in first
            ]
        ),
        machine=side_by_side([machine() | versions()]),
        stages=read_stages((study / "benchmarks").rglob("*.tsv"), lambda rule, job: True),
    )
