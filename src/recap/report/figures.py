"""Figures for light and dark mode, and the colours and shapes that mark models."""

import io
import re
from collections.abc import Callable
from dataclasses import dataclass
from html import escape

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure

# Mid-tones, each 3:1 or more against white and against near-black, and apart for the colour-blind.
COLOURS = ("#2f81d6", "#d0702a", "#1f9a70", "#b5679d", "#8a7a2c", "#6f7fd8")
# Each with Matplotlib's name of it; as many as have no factor in common with the colours.
SHAPES = {"disc": "o", "square": "s", "diamond": "D", "triangle": "^", "wedge": "v"}
# Matplotlib knows no "currentColor": this hue stands for it until the SVG is text.
INK = "#010203"


def colour_of(index: int) -> str:
    """Return the colour of the model at a place in the list of models."""
    return COLOURS[index % len(COLOURS)]


def shape_of(index: int) -> str:
    """Return the shape of the model's mark, which tells models apart where colour does not."""
    return list(SHAPES)[index % len(SHAPES)]


@dataclass(frozen=True)
class Scale:
    """A scale of scores along a strip, with a margin at both ends.

    Attributes
    ----------
    low, high : float
        Scores at the ends.
    """

    low: float
    high: float

    def place(self, score: float) -> float:
        """Return where a score lies, in percent of the strip's width."""
        return round(4 + 92 * (score - self.low) / ((self.high - self.low) or 1.0), 2)


def scale_of(*scores: float) -> Scale:
    """Return the scale that holds these scores."""
    return Scale(min(scores), max(scores))


def draw_svg(draw: Callable[[Axes], None], *, name: str, label: str, prefix: str = "") -> str:
    """Draw a figure as SVG.

    Parameters
    ----------
    draw : callable
        Draws into Matplotlib's axes.
    name : str
        Class of the element, which no other kind of figure on the page has.
    label : str
        What the figure shows, for screen readers.
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
        draw(figure.add_subplot())
        file = io.StringIO()
        figure.savefig(
            file,
            format="svg",
            transparent=True,
            metadata=dict.fromkeys(["Date", "Creator", "Format", "Type"]),
        )
    svg = re.sub(r'(\bid="|href="#|url\(#)', rf"\1{prefix}", file.getvalue())
    return _themed(svg, name, label)


def _themed(svg: str, name: str, label: str) -> str:
    """Return the bare element in the colour of the page's text, with a label for screen readers.

    The rule of style is scoped by class, because a style inside an SVG reaches the whole page.
    """
    element = svg[svg.index("<svg") :]
    opening = f'<svg class="{name}" role="img" aria-label="{escape(label)}"'
    style = (
        f"<style>.{name}{{color:#24292f}}"
        f"@media (prefers-color-scheme:dark){{.{name}{{color:#d5dae0}}}}</style>"
    )
    # A space is a path without the points that HTML asks of a path.
    element = re.sub(r"<path (?![^>]*\bd=)", '<path d="M0 0" ', element)
    head, body = element.replace("<svg", opening, 1).split(">", 1)
    return f"{head}>{style}{body.replace(INK, 'currentColor')}"
