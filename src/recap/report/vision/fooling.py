"""How often the network takes changed photos for other classes."""

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


def fooling_chapter(folder: Path, seed: int) -> Chapter:
    """Tell how often the network takes a changed photo for another class."""
    scores = read_scores(folder)
    summary, cases = scores["summary"], scores["images"]
    rows = [
        [
            recipe,
            f"{found['kept']} of {found['cases']}",
            str(found["fooled"]),
            str(found["absolute"]),
            mean_in_words([case[recipe]["steps"] for case in cases], seed, "{:.1f}"),
            mean_in_words([case[recipe]["distance"] for case in cases], seed, "{:.2f}"),
        ]
        for recipe, found in summary.items()
    ]
    factor = f"{scores['settings']['magnified']:g}"
    cards = []
    for case in cases:
        pictures = [
            read_picture(folder, case["pictures"]["photo"], f"taken for {case['before']['class']}")
        ]
        for recipe in summary:
            after = case[recipe]["after"]
            pictures += [
                read_picture(
                    folder, case["pictures"][recipe], f"{recipe}: taken for {after['class']}"
                ),
                read_picture(
                    folder,
                    case["pictures"][f"{recipe}-difference"],
                    f"its difference, times {factor}",
                ),
            ]
        text = ", ".join(
            f"{recipe}: {case[recipe]['steps']} steps, distance {case[recipe]['distance']:.2f}"
            for recipe in summary
        )
        cards.append(Card(f"{case['before']['class']} → {case['target']}", text, pictures))
    return Chapter(
        id="fooling",
        name="Fooling images",
        rule="fool_network",
        found="Once saved with 8 bits, "
        + ", and ".join(
            f"{found['kept']} of {found['cases']} photos fool the network by the recipe {recipe}"
            for recipe, found in summary.items()
        )
        + ".",
        explained=(
            "A photo is changed step by step until the network takes it for the target. The"
            " course's recipe stops there; the margin's goes on until the target leads after"
            " rounding. Distance is the L2 norm of the difference, of pixels from 0 to 1. Before"
            " rounding stand images that no file can hold; negative as positive takes absolute"
            " values in place of 0."
        ),
        tables=[
            Table(
                [
                    "Recipe",
                    "Fooled",
                    "before rounding",
                    "negative as positive",
                    "steps",
                    "distance",
                ],
                rows,
                "Steps and distance are means over the cases, with 95% bootstrap intervals.",
            )
        ],
        cards=cards,
        settings=settings_of(scores),
    )
