"""How sure networks are of the pictures that were found of classes."""

from pathlib import Path

from recap.report.vision.chapter import (
    Card,
    Chapter,
    Table,
    mean_in_words,
    read_picture,
    read_scores,
    settings_of,
)


def classes_chapter(folder: Path, seed: int) -> Chapter:
    """Tell how sure networks are of the pictures that were found of classes."""
    scores = read_scores(folder)
    summary = scores["summary"]
    networks = {"probability": "this network", "other_probability": "another network"}
    shown = [name for name in networks if name in next(iter(summary.values()))]
    rows = [
        [
            recipe,
            *(
                mean_in_words([image[recipe][name] for image in scores["images"]], seed)
                for name in shown
            ),
        ]
        for recipe in summary
    ]
    cards = [
        Card(
            image["class"],
            "",
            [
                read_picture(
                    folder, name, f"by {recipe}: probability {image[recipe]['probability']:.3f}"
                )
                for recipe, name in image["pictures"].items()
            ],
        )
        for image in scores["images"]
    ]
    found = ", and ".join(
        f"{mean['probability']:.2f} by {recipe}" for recipe, mean in summary.items()
    )
    return Chapter(
        id="classes",
        name="Typical pictures of classes",
        rule="visualize_classes",
        found=f"Of the class that a picture was made for, the mean probability is {found}.",
        explained=(
            "From noise, images that a class has a high score for: by frequencies with decorrelated"
            " colours, moved, scaled and turned between steps, or by pixels as in the course. What"
            " another network makes of them tells whether they show the class, or this network's"
            " quirks."
        ),
        tables=[
            Table(
                ["Recipe", *(f"probability, {networks[name]}" for name in shown)],
                rows,
                "Means over the classes, with 95% bootstrap intervals; pictures of 8 bits.",
            )
        ],
        cards=cards,
        settings=settings_of(scores),
    )
