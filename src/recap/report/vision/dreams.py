"""How much more a layer sees in dreams."""

from pathlib import Path

from recap.report.numbers import significant
from recap.report.vision.chapter import (
    Card,
    Chapter,
    read_picture,
    read_scores,
    settings_of,
)


def dreams_chapter(folder: Path, seed: int) -> Chapter:
    """Tell how much more a layer sees in a dream."""
    scores = read_scores(folder)
    summary = scores["summary"]
    cards = [
        Card(
            image["name"],
            f"Activation {significant(image['before'])} before,"
            f" {significant(image['after'])} after",
            [
                read_picture(folder, image["pictures"]["photo"], "the photo"),
                read_picture(folder, image["pictures"]["dream"], "the dream"),
            ],
        )
        for image in scores["images"]
    ]
    return Chapter(
        id="dreams",
        name="Dreams",
        rule="dream_images",
        found=(
            f"The layer's mean square grows {summary['after'] / summary['before']:.1f}-fold, from"
            f" {significant(summary['before'])} to {significant(summary['after'])}."
        ),
        explained=(
            "Photos with more of what a layer sees in them (DeepDream), from a small size to the"
            " full one. The numbers are of the pictures with 8 bits."
        ),
        cards=cards,
        settings=settings_of(scores),
    )
