"""Which maps point to what a class is seen by."""

from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from recap.report.figures import SHAPES, colour_of, draw_svg, shape_of
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
        rule="show_saliency",
        found=_saliency_found(means, measures, len(cases)),
        explained=(
            "Which pixels the score of a class depends on, white where most. The pointing game asks"
            " whether the brightest pixel lies on the object; overlap is intersection over union of"
            " the brightest pixels, as many as the object has. Insertion and deletion are the areas"
            " under the class's probability while pixels are given back or erased in the order of"
            " the map. The two baselines know nothing of the photo."
            f"{_flat_in_words(randomization)}"
        ),
        tables=[Table(head, rows, "Means over the cases, with 95% bootstrap intervals.")],
        figures=[_draw_randomization(randomization)] if randomization else [],
        cards=cards,
        settings=settings_of(scores),
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


def _flat_in_words(randomization: dict[str, Any] | None) -> str:
    """Return which maps have no place in the curves, as they are the same everywhere."""
    if not randomization:
        return ""
    counts = {method: sum(flat) for method, flat in randomization["flat"].items()}
    told = ", ".join(f"{many} of {SALIENCY[method]}" for method, many in counts.items() if many)
    return told and (
        f" Once weights are shuffled, some maps are the same everywhere, and like no other: {told}."
        " They are left out of the curves."
    )


def _draw_randomization(randomization: dict[str, Any]) -> str:
    """Draw how like the maps are to those of a network whose layers are shuffled."""
    layers = randomization["layers"]

    def draw(axes: Axes) -> None:
        for number, (method, values) in enumerate(randomization["correlations"].items()):
            if set(values) == {None}:
                continue
            axes.plot(
                range(len(values)),
                np.array(values, np.float64),  # None leaves a gap
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
