"""How near painted photos come to the content and the styles."""

from pathlib import Path

from recap.report.numbers import significant
from recap.report.vision.chapter import (
    Card,
    Chapter,
    Table,
    read_picture,
    read_scores,
    settings_of,
)


def style_chapter(folder: Path, seed: int) -> Chapter:
    """Tell how near the painted photos come to the content and the styles."""
    rows, cards, settings = [], [], []
    painted = {
        path.parent.name: read_scores(path.parent) for path in sorted(folder.glob("*/scores.json"))
    }
    for style, scores in painted.items():
        settings = settings_of(scores)
        for image in scores["images"]:
            first, last = image["first"], image["last"]
            rows.append(
                [
                    f"{style}, {image['name']}",
                    *(f"{significant(first[part])} → {significant(last[part])}" for part in first),
                ]
            )
            pictures = [read_picture(folder / style, image["pictures"]["content"], "the photo")]
            pictures += [
                read_picture(folder / style, each["picture"], f"the style, {each['name']}")
                for each in scores["styles"]
            ]
            pictures.append(read_picture(folder / style, image["pictures"]["painted"], "painted"))
            cards.append(Card(f"{image['name']} in the style of {style}", "", pictures))
    falls = {
        style: scores["summary"]["first"] / scores["summary"]["last"]
        for style, scores in painted.items()
    }
    listed = ", ".join(f"{style} {fall:.1f}-fold" for style, fall in falls.items())
    return Chapter(
        id="style",
        name="Style transfer",
        rule="transfer_style",
        found=f"The weighted losses fall from the photo's to the painting's: {listed}.",
        explained=(
            "A photo is changed until a layer's map is its own still, and the Gram matrices of"
            " others are the painting's (Gatys et al.). Losses are weighted: content, style and"
            " total variation, from the first step to the last."
        ),
        tables=[Table(["Painting", "content", "style", "total variation", "total"], rows, "")],
        cards=cards,
        settings=settings,
    )
