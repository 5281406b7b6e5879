"""Figures of the page: losses, distances along the training, classes, grids of pictures."""

import base64
import io

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import ScalarFormatter
from PIL import Image

from recap.generative.losses import LOSSES
from recap.generative.sample import lay_grid
from recap.report.figures import SHAPES, colour_of, draw_svg, shape_of
from recap.report.generative.study import Training

QUIET = "#808890"
SHOWN = 64  # samples of a stage
FRAME_SECONDS = 0.5


def draw_losses(trainings: list[Training], number: int, prefix: str) -> str:
    """Draw the losses of a GAN's trainings beside what they are at the equilibrium."""
    losses = LOSSES[trainings[0].recipe.loss]

    def draw(axes: Axes) -> None:
        for training in trainings:
            for name, style in (("discriminator", "-"), ("generator", (0, (4, 1.5)))):
                axes.plot(
                    training.history["step"],
                    training.history[f"{name}_loss"],
                    color=colour_of(number),
                    linestyle=style,
                    linewidth=1.2,
                    label=name if training is trainings[0] else None,
                )
        for value in (losses.discriminator_equilibrium, losses.generator_equilibrium):
            axes.axhline(value, color=QUIET, linewidth=1, linestyle=":")
            axes.annotate(
                f"{value:.3g}",
                (1, value),
                xycoords=("axes fraction", "data"),
                color=QUIET,
                xytext=(3, 0),
                textcoords="offset points",
                va="center",
                fontsize=9,
            )
        _finish(axes, "loss")

    label = (
        f"Losses of {trainings[0].gan} by step; dotted lines at"
        f" {losses.discriminator_equilibrium:.3g} and {losses.generator_equilibrium:.3g}, where"
        " nothing tells pictures apart"
    )
    return draw_svg(draw, name="curve", label=label, prefix=prefix)


def draw_distances(groups: list[list[Training]], floor: float) -> str:
    """Draw the Fréchet distance of each GAN along its training."""

    def draw(axes: Axes) -> None:
        for number, trainings in enumerate(groups):
            for training in trainings:
                along = training.scores["along"]
                axes.plot(
                    np.linspace(0, 100, len(along)),
                    [stage["frechet_distance"] for stage in along],
                    color=colour_of(number),
                    marker=SHAPES[shape_of(number)],
                    markersize=5,
                    linewidth=1.4,
                    label=training.gan if training is trainings[0] else None,
                )
        axes.axhline(floor, color=QUIET, linewidth=1, linestyle=":", label="floor")
        axes.set_yscale("log")
        axes.yaxis.set_major_formatter(ScalarFormatter())
        _finish(axes, "Fréchet distance", "% of the training")

    return draw_svg(draw, name="curve", label="Fréchet distance along the training", prefix="d-")


def draw_classes(groups: list[list[Training]]) -> str:
    """Draw the share of each class among the samples of each GAN, as the mean over seeds."""

    def draw(axes: Axes) -> None:
        width = 0.8 / len(groups)
        usual = np.array(groups[0][0].scores["floor"]["class_shares"])
        kinds = int(np.flatnonzero(usual)[-1]) + 1
        for number, trainings in enumerate(groups):
            shares = np.mean([one.scores["gan"]["class_shares"] for one in trainings], axis=0)
            shares = shares[:kinds]
            places = np.arange(kinds) + (number - (len(groups) - 1) / 2) * width
            axes.bar(places, 100 * shares, width, color=colour_of(number), label=trainings[0].gan)
        axes.set_xticks(range(kinds))
        axes.hlines(
            100 * usual[:kinds],
            np.arange(kinds) - 0.45,
            np.arange(kinds) + 0.45,
            color=QUIET,
            linewidth=1,
            linestyle=":",
            label="training images",
        )
        _finish(axes, "% of the samples", "class, as the judge sees it")

    return draw_svg(draw, name="curve", label="Share of each class among the samples", prefix="c-")


def _finish(axes: Axes, measure: str, along: str = "step") -> None:
    axes.set_xlabel(along)
    axes.set_ylabel(measure)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, fontsize=9)


def grid_uri(pictures: np.ndarray, columns: int | None = None) -> str:
    """Return a grid of pictures as a PNG data URI."""
    file = io.BytesIO()
    lay_grid(pictures, columns).save(file, "PNG", optimize=True)
    return f"data:image/png;base64,{base64.b64encode(file.getvalue()).decode('ascii')}"


def animation(training: Training) -> bytes:
    """Return a GIF of the samples along a training, twice as large."""
    grids = [lay_grid(stage[:SHOWN]) for stage in training.stages]
    frames = [
        grid.resize((2 * grid.width, 2 * grid.height), Image.Resampling.NEAREST) for grid in grids
    ]
    file = io.BytesIO()
    frames[0].save(
        file,
        "GIF",
        save_all=True,
        append_images=frames[1:],
        duration=[int(1000 * FRAME_SECONDS)] * (len(frames) - 1) + [3000],
        loop=0,
    )
    return file.getvalue()
