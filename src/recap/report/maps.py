"""Maps over photos, one for each word of a caption."""

import base64
import io
from dataclasses import dataclass

import numpy as np
from PIL import Image

SIDE = 224
"""Width of a photo below maps in pixels."""

SHADES = 16
DARKEST = 225
"""Shades that lie over a photo, and the darkest one's opacity, of 255."""

DIGITS = bytes.maketrans(bytes(range(SHADES)), b"0123456789abcdef")

SHOWN = 0.98
"""Share of a map's cells that are not the brightest: a few are far above the rest."""


@dataclass(frozen=True)
class Word:
    """A word with its maps.

    Attributes
    ----------
    text : str
        The word.
    probability : float
        That the model gave it after those before.
    shades : dict of str to str
        By kind, `gradient` and `attention`: what lies over the photo, clear where the map is high;
        PNG as a data URI.
    weight : float
        How much its map has in all, as a share of the largest of the caption.
    """

    text: str
    probability: float
    shades: dict[str, str]
    weight: float = 1.0


def shade(levels: np.ndarray) -> str:
    """Return what lies over a photo: dark where a map (side, side), uint8, is low."""
    picture = Image.fromarray(_darkness(levels), "P")
    picture.putpalette(bytes(3 * SHADES))
    opacity = [DARKEST // (SHADES - 1) * step for step in range(SHADES)]
    file = io.BytesIO()
    picture.save(file, "PNG", bits=4, transparency=bytes(opacity), optimize=True)
    encoded = base64.b64encode(file.getvalue()).decode("ascii")
    return f"data:image/png;base64,{encoded}"


def digits(maps: np.ndarray) -> list[str]:
    """Return maps (T, side, side), uint8, each as a digit a cell, from `0` to the darkest `f`."""
    return [map_.tobytes().translate(DIGITS).decode("ascii") for map_ in _darkness(maps)]


def _darkness(levels: np.ndarray) -> np.ndarray:
    """Return which shade lies over each cell of maps (..., side, side), uint8; 0 is none."""
    cells = (-2, -1)
    # Of a map of few regions, the one that is the brightest counts.
    brightest = np.quantile(levels, SHOWN, axis=cells, keepdims=True, method="higher")
    light = np.sqrt(np.minimum(levels / np.maximum(brightest, 1), 1)) * (SHADES - 1)
    return SHADES - 1 - np.round(light).astype(np.uint8)
