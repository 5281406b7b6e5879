"""The learning curves."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from recap.report.captioning.history import History
from recap.report.captioning.study import Run
from recap.report.figures import SHAPES, colour_of, draw_svg, shape_of

TRAINING_POINTS = 120

# Characters in a row of the legend, and a row's height in inches.
LEGEND_WIDTH, ROW_HEIGHT = 72, 0.22


def learning_curves(models: dict[str, list[Run]], *, prefix: str = "") -> str:
    """Draw training and validation loss of every model and seed, as one `<svg>` element.

    Parameters
    ----------
    models : dict of str to list of Run
        As in `Comparison`; runs without a history are passed over.
    prefix : str
        What the ids within begin with, so that several drawings fit on one page.
    """

    def draw(axes: Axes) -> None:
        for index, runs in enumerate(models.values()):
            for run in runs:
                if run.history is not None:
                    _draw_run(axes, run, run.history, index)
        _finish(axes, models)

    label = f"Learning curves of {', '.join(models)}"
    return draw_svg(draw, name="learning-curves", label=label, prefix=prefix)


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
    # Below the axes, where it covers no curve; as many columns as the longest name leaves room for.
    columns = max(1, min(3, LEGEND_WIDTH // (max(map(len, labels)) + 6)))
    rows = -(-len(labels) // columns)
    axes.figure.set_figheight(axes.figure.get_figheight() + ROW_HEIGHT * rows)
    axes.figure.legend(handles, labels, frameon=False, loc="outside lower center", ncols=columns)
