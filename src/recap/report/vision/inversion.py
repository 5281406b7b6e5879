"""How well images are found that have a layer's map."""

from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.ticker import NullFormatter, StrMethodFormatter

from recap.report.figures import draw_svg
from recap.report.vision.chapter import (
    Card,
    Chapter,
    Table,
    read_picture,
    read_scores,
    settings_of,
)


def inversion_chapter(folder: Path, seed: int) -> Chapter:
    """Tell how well images are found that have a layer's map."""
    scores = read_scores(folder)
    summary = scores["summary"]
    layers = list(summary["last"])
    best = min(layers, key=lambda layer: summary["last"][layer] / summary["first"][layer])
    rows = [
        [
            layer,
            f"{summary['first'][layer]:.3g}",
            f"{summary['last'][layer]:.3g}",
            f"{summary['rounded'][layer]:.3g}",
            f"{summary['first'][layer] / summary['last'][layer]:,.0f}",
        ]
        for layer in layers
    ]

    def draw(axes: Axes) -> None:
        axes.plot(range(len(layers)), [summary["last"][layer] for layer in layers], marker="o")
        axes.set_xticks(range(len(layers)), layers, rotation=45, ha="right")
        axes.set_yscale("log")
        axes.yaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
        axes.yaxis.set_minor_formatter(NullFormatter())
        axes.set_ylabel("error of the map")
        axes.spines[["top", "right"]].set_visible(False)

    cards = [
        Card(
            image["name"],
            "",
            [
                read_picture(
                    folder,
                    name,
                    "what the network saw"
                    if kind == "photo"
                    else f"{kind}: {image['last'][kind]:.2g}",
                )
                for kind, name in image["pictures"].items()
            ],
        )
        for image in scores["images"]
    ]
    return Chapter(
        id="inversion",
        name="Feature inversion",
        rule="invert_features",
        found=(
            f"From noise, images are found whose map at {best} differs from the photo's by"
            f" {summary['last'][best]:.2g} of its square, {rows[layers.index(best)][-1]} times less"
            " than the noise's."
        ),
        explained=(
            "What a layer has kept of a photo is what an image with the same map has of it; what it"
            " has lost is free. Errors are sums of squared differences, as shares of the map's own."
        ),
        tables=[Table(["Layer", "of the noise", "found", "with 8 bits", "times less"], rows, "")],
        figures=[draw_svg(draw, name="curve", label="Error of the map by layer", prefix="i-")],
        cards=cards,
        settings=settings_of(scores),
    )
