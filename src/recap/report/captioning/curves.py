"""The learning curves as SVG that reads on light and on dark paper."""

import io
import re
from html import escape

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from recap.report.captioning.history import History
from recap.report.captioning.study import Run

# Mid-tones, each 3:1 or more against white and against near-black, and apart for the colour-blind.
COLOURS = ("#2f81d6", "#d0702a", "#1f9a70", "#b5679d", "#8a7a2c", "#6f7fd8")
# Each with Matplotlib's name of it; as many as have no factor in common with the colours.
SHAPES = {"disc": "o", "square": "s", "diamond": "D", "triangle": "^", "wedge": "v"}
TRAINING_POINTS = 120
# Matplotlib knows no "currentColor": this hue stands for it until the SVG is text.
INK = "#010203"


def colour_of(index: int) -> str:
    """Return the colour of the model at a place in the list of models."""
    return COLOURS[index % len(COLOURS)]


def shape_of(index: int) -> str:
    """Return the shape of the model's mark, which tells models apart where colour does not."""
    return list(SHAPES)[index % len(SHAPES)]


def learning_curves(models: dict[str, list[Run]], *, prefix: str = "") -> str:
    """Draw training and validation loss of every model and seed.

    Parameters
    ----------
    models : dict of str to list of Run
        As in `Comparison`; runs without a history are passed over.
    prefix : str
        What the ids within begin with, so that several drawings fit on one page.

    Returns
    -------
    str
        One `<svg>` element; text is drawn as paths, so that no font is needed, and its colour
        follows the reader's light or dark scheme.
    """
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(
            {
                "svg.hashsalt": "recap",
                "svg.fonttype": "path",
                "text.parse_math": False,
                "font.family": "DejaVu Sans",
                "font.size": 11,
                "text.color": INK,
                "axes.labelcolor": INK,
                "axes.edgecolor": INK,
                "xtick.color": INK,
                "ytick.color": INK,
            }
        )
        figure = Figure(figsize=(6.4, 3.8), layout="constrained")
        axes = figure.add_subplot()
        for index, runs in enumerate(models.values()):
            for run in runs:
                if run.history is not None:
                    _draw_run(axes, run, run.history, index)
        _finish(axes, models)
        file = io.StringIO()
        figure.savefig(
            file,
            format="svg",
            transparent=True,
            metadata=dict.fromkeys(["Date", "Creator", "Format", "Type"]),
        )
    svg = re.sub(r'(\bid="|href="#|url\(#)', rf"\1{prefix}", file.getvalue())
    return _themed(svg, ", ".join(models))


def _draw_run(axes: Axes, run: Run, history: History, index: int) -> None:
    colour, marker = colour_of(index), SHAPES[shape_of(index)]
    epochs = history.epochs_done()
    pieces = np.array_split(np.arange(len(epochs)), min(TRAINING_POINTS, -(-len(epochs) // 3)))
    axes.plot(
        [epochs[piece].mean() for piece in pieces],
        [history.loss[piece].mean() for piece in pieces],
        color=colour,
        linewidth=1.1,
        alpha=0.65,
        # A line of one point cannot be seen.
        marker="o" if len(pieces) == 1 else None,
        markersize=4,
    )
    validated = ~np.isnan(history.validation_loss)
    axes.plot(
        epochs[validated],
        history.validation_loss[validated],
        color=colour,
        linewidth=2,
        marker=marker,
        markersize=4,
    )
    best = run.kept_row()
    if best is not None:
        axes.plot(
            epochs[best],
            history.validation_loss[best],
            color=colour,
            linestyle="none",
            marker="o",
            markersize=11,
            markerfacecolor="none",
            markeredgewidth=1.6,
        )


def _finish(axes: Axes, models: dict[str, list[Run]]) -> None:
    histories = [run.history for group in models.values() for run in group if run.history]
    # The first steps lie so high that the rest would be flat: begin where a tenth is learnt.
    losses = [history.loss[len(history.loss) // 10 :] for history in histories]
    losses += [history.validation_loss for history in histories]
    values = np.concatenate(losses)
    values = values[np.isfinite(values)]
    if values.size:
        margin = 0.05 * np.ptp(values) or 1.0
        axes.set_ylim(values.min() - margin, values.max() + margin)
    axes.set_xlim(left=0)
    axes.set_xlabel("epochs")
    axes.set_ylabel("loss (nats per caption)")
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="y", color="#808890", alpha=0.25, linewidth=0.8)
    axes.set_axisbelow(True)
    handles = [
        *(
            Line2D([], [], color=colour_of(index), linewidth=3, marker=SHAPES[shape_of(index)])
            for index in range(len(models))
        ),
        Line2D([], [], color="#808890", linewidth=1.1),
        Line2D([], [], color="#808890", linewidth=2, marker="o", markersize=3.5),
        Line2D(
            [],
            [],
            color="#808890",
            linestyle="none",
            marker="o",
            markersize=11,
            markerfacecolor="none",
            markeredgewidth=1.6,
        ),
    ]
    labels = [*models, "training", "validation", "kept epoch"]
    axes.legend(handles, labels, frameon=False, loc="upper right", ncols=2)


def _themed(svg: str, names: str) -> str:
    """Return the bare element with the reader's colour for its ink, and a name for screen readers.

    The rule of style is scoped by class, because a style inside an SVG reaches the whole page.
    """
    element = svg[svg.index("<svg") :]
    opening = (
        f'<svg class="learning-curves" role="img" aria-label="Learning curves of {escape(names)}"'
    )
    style = (
        "<style>.learning-curves{color:#24292f}"
        "@media (prefers-color-scheme:dark){.learning-curves{color:#d5dae0}}</style>"
    )
    # A space is a path without the points that HTML asks of a path.
    element = re.sub(r"<path (?![^>]*\bd=)", '<path d="M0 0" ', element)
    head, body = element.replace("<svg", opening, 1).split(">", 1)
    return f"{head}>{style}{body.replace(INK, 'currentColor')}"
