"""A chapter for each method, from what its folder holds."""

from collections.abc import Callable
from pathlib import Path
from statistics import fmean
from typing import Any

from matplotlib.axes import Axes
from matplotlib.ticker import NullFormatter, StrMethodFormatter
from scipy.stats import binomtest

from recap.report.figures import SHAPES, colour_of, draw_svg, shape_of
from recap.report.numbers import percent
from recap.report.vision.chapter import (
    Card,
    Chapter,
    Table,
    mean_in_words,
    read_picture,
    read_scores,
    settings_of,
)

SALIENCY = {
    "gradient": "Gradient",
    "smoothgrad": "SmoothGrad",
    "integrated_gradients": "Integrated gradients",
    "grad_cam": "Grad-CAM",
    "random": "random",
    "centre": "centre",
}
BASELINES = ("random", "centre")

# Measures of saliency: what they are called, and whether more is better.
MEASURES = {
    "pointing": ("Pointing game", True),
    "overlap": ("Overlap with the truth", True),
    "insertion": ("Insertion", True),
    "deletion": ("Deletion", False),
}


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
        seconds=scores["seconds"],
    )


def saliency_chapter(folder: Path, seed: int) -> Chapter:
    """Tell which maps point to what the class is seen by."""
    scores = read_scores(folder)
    cases = scores["images"]
    methods = [name for name in SALIENCY if name in cases[0]["insertion"]]
    measures = [name for name in MEASURES if any(name in case for case in cases)]
    head = [
        "Map",
        *(f"{words} {'↑' if more else '↓'}" for words, more in map(MEASURES.get, measures)),
    ]
    rows, means = [], {}
    for method in methods:
        cells = [SALIENCY[method]]
        for measure in measures:
            values = [
                float(case[measure][method]) for case in cases if method in case.get(measure, {})
            ]
            means[measure, method] = fmean(values) if values else None
            cells.append(mean_in_words(values, seed) if values else "–")
        rows.append(cells)
    cards = []
    for case in cases:
        captions = {"photo": "what the network saw"} | SALIENCY
        pictures = [
            read_picture(folder, name, captions.get(kind, kind))
            for kind, name in case["pictures"].items()
        ]
        text = f"Probability {case['probability']:.3f}"
        if "pointing" in case:
            hits = [SALIENCY[m] for m in methods if m not in BASELINES and case["pointing"][m]]
            text += f"; brightest pixel on the object: {', '.join(hits) or 'none'}"
        cards.append(Card(case["target"], text, pictures))
    randomization = scores.get("randomization")
    return Chapter(
        id="saliency",
        name="Saliency",
        found=_saliency_found(means, measures, len(cases)),
        explained=(
            "Which pixels the score of a class depends on, white where most. The pointing game asks"
            " whether the brightest pixel lies on the object; overlap is intersection over union of"
            " the brightest pixels, as many as the object has. Insertion and deletion are the areas"
            " under the class's probability while pixels are given back or erased in the order of"
            " the map. The two baselines know nothing of the photo."
        ),
        tables=[Table(head, rows, "Means over the cases, with 95% bootstrap intervals.")],
        figures=[_draw_randomization(randomization)] if randomization else [],
        cards=cards,
        settings=settings_of(scores),
        seconds=scores["seconds"],
    )


def _saliency_found(means: dict, measures: list[str], many: int) -> str:
    """Return the best map by the first measure, beside the best baseline."""
    measure = measures[0]
    words, _ = MEASURES[measure]
    values = {method: value for (name, method), value in means.items() if name == measure}
    values = {method: value for method, value in values.items() if value is not None}
    best = max((m for m in values if m not in BASELINES), key=values.get)
    base = max((m for m in values if m in BASELINES), key=values.get)
    return (
        f"{SALIENCY[best]} does best at {words.lower()}: {values[best]:.2f} over {many} cases,"
        f" where the better baseline, {SALIENCY[base]}, comes to {values[base]:.2f}."
    )


def _draw_randomization(randomization: dict[str, Any]) -> str:
    """Draw how like the maps are to those of a network whose layers are shuffled."""
    layers = randomization["layers"]

    def draw(axes: Axes) -> None:
        for number, (method, values) in enumerate(randomization["correlations"].items()):
            axes.plot(
                range(len(values)),
                values,
                color=colour_of(number),
                marker=SHAPES[shape_of(number)],
                label=SALIENCY.get(method, method),
            )
        axes.set_xticks(range(len(layers)), layers, rotation=45, ha="right")
        axes.set_xlabel("shuffled from the last layer down to")
        axes.set_ylabel("rank correlation of maps")
        axes.spines[["top", "right"]].set_visible(False)
        axes.legend(frameon=False, fontsize=9)

    label = (
        "How alike maps are once weights are shuffled: a map that stays shows edges, not the class"
    )
    return draw_svg(draw, name="curve", label=label, prefix="r-")


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
        seconds=scores["seconds"],
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
        seconds=scores["seconds"],
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
        seconds=scores["seconds"],
    )


def dreams_chapter(folder: Path, seed: int) -> Chapter:
    """Tell how much more a layer sees in a dream."""
    scores = read_scores(folder)
    summary = scores["summary"]
    cards = [
        Card(
            image["name"],
            f"Activation {image['before']:.3g} before, {image['after']:.3g} after",
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
        found=(
            f"The layer's mean square grows {summary['after'] / summary['before']:.1f}-fold, from"
            f" {summary['before']:.3g} to {summary['after']:.3g}."
        ),
        explained=(
            "Photos with more of what a layer sees in them (DeepDream), from a small size to the"
            " full one. The numbers are of the pictures with 8 bits."
        ),
        cards=cards,
        settings=settings_of(scores),
        seconds=scores["seconds"],
    )


def style_chapter(folder: Path, seed: int) -> Chapter:
    """Tell how near the painted photos come to the content and the styles."""
    rows, cards, seconds, settings = [], [], 0.0, []
    painted = {
        path.parent.name: read_scores(path.parent) for path in sorted(folder.glob("*/scores.json"))
    }
    for style, scores in painted.items():
        seconds += scores["seconds"]
        settings = settings_of(scores)
        for image in scores["images"]:
            first, last = image["first"], image["last"]
            rows.append(
                [
                    f"{style}, {image['name']}",
                    *(f"{first[part]:,.4g} → {last[part]:,.4g}" for part in first),
                    f"{image['seconds']:.1f}",
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
        found=f"The weighted losses fall from the photo's to the painting's: {listed}.",
        explained=(
            "A photo is changed until a layer's map is its own still, and the Gram matrices of"
            " others are the painting's (Gatys et al.). Losses are weighted: content, style and"
            " total variation, from the first step to the last."
        ),
        tables=[
            Table(["Painting", "content", "style", "total variation", "total", "seconds"], rows, "")
        ],
        cards=cards,
        settings=settings,
        seconds=seconds,
    )


METHODS: dict[str, Callable[[Path, int], Chapter]] = {
    "classifier": classifier_chapter,
    "saliency": saliency_chapter,
    "fooling": fooling_chapter,
    "classes": classes_chapter,
    "inversion": inversion_chapter,
    "dreams": dreams_chapter,
    "style": style_chapter,
}
"""By the method's folder, in the order of the page."""
