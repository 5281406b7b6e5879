"""What can be seen in a scene of the `shapes` data set, and the drawing of lots for it."""

from dataclasses import dataclass

import numpy as np

BACKGROUNDS = ("grass", "sky", "sand", "road", "water", "snow")
SHAPES = ("ring", "square", "triangle", "star", "heart")
COLOURS = ("red", "orange", "yellow", "green", "blue", "purple", "white", "black")
SIZES = ("small", "large")
PLACES = ("left", "middle", "right")
ATTRIBUTES = ("shape", "colour", "size", "place")

SIDE = 224
"""Height and width of a scene in pixels."""

CLASHES = {
    "grass": {"green"},
    "sky": {"blue", "white"},
    "sand": {"yellow", "orange", "white"},
    "road": {"black"},
    "water": {"blue", "green"},
    "snow": {"white"},
}
"""Colours that would be hard to see on a background, and are not drawn there."""

RADII = {"small": (35.0, 37.0), "large": (48.0, 50.0)}
"""Radius in pixels, from and to, with the outline; the gap keeps the sizes apart at a glance."""

# Where the middle of a place is, in pixels from the left.
COLUMNS_ALONE = {"left": 60.0, "middle": 112.0, "right": 164.0}
COLUMNS_IN_PAIR = {"left": 56.0, "right": 168.0}

SHARE_OF_PAIRS = 0.25
"""Share of scenes that show two objects."""

SCATTER = 4.0
"""An object lies at most this many pixels from the middle of its place, along each axis."""

TILT = 7.0
"""An object is turned by at most this many degrees either way."""


@dataclass(frozen=True)
class DrawnObject:
    """One object of a scene.

    Attributes
    ----------
    shape, colour, size, place : str
        One of `SHAPES`, `COLOURS`, `SIZES` and `PLACES`.
    x, y : float
        Centre in pixels from the left and the top.
    radius : float
        In pixels.
    angle : float
        Turn in degrees, clockwise as seen.
    """

    shape: str
    colour: str
    size: str
    place: str
    x: float
    y: float
    radius: float
    angle: float


@dataclass(frozen=True)
class Scene:
    """A background, one of `BACKGROUNDS`, and one or two objects from left to right."""

    background: str
    objects: tuple[DrawnObject, ...]


def draw_lots(random: np.random.Generator) -> Scene:
    """Choose a scene at random.

    Every background, shape and size is as likely as any other, and so is every colour that can
    be seen on the background. The objects of a pair stand left and right and differ in colour.

    Parameters
    ----------
    random : numpy.random.Generator
        Source of all chance.
    """
    background = str(random.choice(BACKGROUNDS))
    visible = [colour for colour in COLOURS if colour not in CLASHES[background]]
    if random.random() < SHARE_OF_PAIRS:
        columns, places = COLUMNS_IN_PAIR, list(COLUMNS_IN_PAIR)
    else:
        columns, places = COLUMNS_ALONE, [str(random.choice(PLACES))]
    colours = random.choice(visible, size=len(places), replace=False)
    objects = []
    for place, colour in zip(places, colours, strict=True):
        size = str(random.choice(SIZES))
        x_scatter, y_scatter = random.uniform(-SCATTER, SCATTER, size=2)
        objects.append(
            DrawnObject(
                shape=str(random.choice(SHAPES)),
                colour=str(colour),
                size=size,
                place=place,
                x=round(columns[place] + float(x_scatter), 1),
                y=round(SIDE / 2 + float(y_scatter), 1),
                radius=round(random.uniform(*RADII[size]), 1),
                angle=round(random.uniform(-TILT, TILT), 1),
            )
        )
    return Scene(background, tuple(objects))
