"""How good the network is that was trained here."""

from pathlib import Path

from scipy.stats import binomtest

from recap.report.numbers import percent
from recap.report.vision.chapter import (
    Chapter,
    Table,
    read_scores,
    settings_of,
)


def classifier_chapter(folder: Path, seed: int) -> Chapter:
    """Tell how good the network is that was trained here."""
    scores = read_scores(folder)
    summary = scores["summary"]
    rows = []
    for name, words in (
        ("shapes_and_colours_right", "All shapes and all colours"),
        ("right", "Exactly the classes shown"),
    ):
        right = round(summary[name] * summary["held_out"])
        proportion = binomtest(right, summary["held_out"]).proportion_ci(method="wilson")
        rows.append(
            [
                words,
                f"{right} of {summary['held_out']}",
                f"{percent(summary[name])}%",
                f"{percent(proportion.low)} to {percent(proportion.high)}",
            ]
        )
    return Chapter(
        id="classifier",
        name="The network",
        rule="train_scene_classifier",
        found=(
            "It tells all shapes and all colours of"
            f" {percent(summary['shapes_and_colours_right'])}% of {summary['held_out']} scenes that"
            " it was not trained on."
        ),
        explained=(
            "A network of six convolutions, trained here on drawn scenes. Where each object lies is"
            " known, so that what other networks can only be looked at for is measured below."
        ),
        tables=[Table(["Right about", "scenes", "share", "95% interval"], rows, "")],
        settings=settings_of(scores),
    )
