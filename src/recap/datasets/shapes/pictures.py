"""Painting a scene of the `shapes` data set: textured grounds and softly lit objects."""

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from recap.datasets.shapes.scenes import SIDE, DrawnObject, Scene

FINE = 2
"""Backgrounds are drawn this many times larger, and averaged down for smooth edges."""

FINER = 4
"""The same for the outlines of objects, whose edges are what tells shapes apart."""

OUTLINE = 4.0
"""Width in pixels of the dark line around objects.

The same line on every colour and background lets a random network tell shapes apart: with it, and
a ring in place of a disc, a linear probe on 2,000 scenes went from 73% to 98% right.
"""

INK = (24, 24, 40)

RGB = {
    "red": (218, 38, 40),
    "orange": (250, 132, 16),
    "yellow": (252, 214, 36),
    "green": (30, 150, 62),
    "blue": (34, 74, 208),
    "purple": (132, 50, 168),
    "white": (248, 248, 244),
    "black": (36, 36, 42),
}


def paint(scene: Scene, random: np.random.Generator) -> Image.Image:
    """Paint a scene.

    Parameters
    ----------
    scene : Scene
        What to paint.
    random : numpy.random.Generator
        Source of the chance in the texture.

    Returns
    -------
    PIL.Image.Image
        RGB, 224 x 224.
    """
    picture = _GROUNDS[scene.background](random)
    for thing in scene.objects:
        _lay_on(picture, thing, floating=scene.background == "sky")
    return _finish(picture, random)


def outline(shape: str) -> np.ndarray:
    """Return a shape's outline for radius 1 about (0, 0), with y pointing down.

    Shapes are scaled to look equally large, and their bounding boxes are centred.

    Parameters
    ----------
    shape : str
        One of `SHAPES`.

    Returns
    -------
    numpy.ndarray
        Corners, (P, 2) float64.
    """
    if shape == "ring":
        turn = np.linspace(0, 2 * np.pi, 96, endpoint=False)
        points, half_height = np.stack([np.cos(turn), np.sin(turn)], axis=1), 0.94
    elif shape == "square":
        points, half_height = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]), 0.88
    elif shape == "triangle":
        points, half_height = np.array([[0, -1], [1, 1], [-1, 1]]), 0.92
    elif shape == "star":
        turn = np.arange(10) * np.pi / 5
        reach = np.where(np.arange(10) % 2 == 0, 1.0, 0.42)[:, None]
        points, half_height = reach * np.stack([np.sin(turn), -np.cos(turn)], axis=1), 0.95
    else:
        turn = np.linspace(0, 2 * np.pi, 96, endpoint=False)
        height = 13 * np.cos(turn) - 5 * np.cos(2 * turn) - 2 * np.cos(3 * turn) - np.cos(4 * turn)
        points, half_height = np.stack([16 * np.sin(turn) ** 3, -height], axis=1), 0.88
    points = points - (points.min(axis=0) + points.max(axis=0)) / 2
    return points * half_height / points[:, 1].max()


def mask_of(thing: DrawnObject) -> Image.Image:
    """Return where an object is seen, with its outline.

    Parameters
    ----------
    thing : DrawnObject
        An object of a scene.

    Returns
    -------
    PIL.Image.Image
        Gray, 224 x 224: 255 on the object, 0 beside it, and between them on its edge.
    """
    corner, side = _square_around(thing)
    mask = Image.new("L", (SIDE, SIDE))
    mask.paste(_masks(thing, corner, side)[1], corner)
    return mask


def _square_around(thing: DrawnObject) -> tuple[tuple[int, int], int]:
    """Return the left and top of the square that an object and its shadow lie in, and its side."""
    reach = int(thing.radius) + 28
    return (int(thing.x) - reach, int(thing.y) - reach), 2 * reach


def _lay_on(picture: Image.Image, thing: DrawnObject, floating: bool) -> None:
    """Add an object and its shadow to the picture, working on the square around it."""
    corner, side = _square_around(thing)
    left, top = corner
    centre = np.array([thing.x - left, thing.y - top])
    patch = picture.crop((left, top, left + side, top + side))
    body, silhouette = _masks(thing, corner, side)

    drop, softness, depth = (9, 7, 0.22) if floating else (4, 3.5, 0.42)
    shadow = Image.new("L", patch.size)
    shadow.paste(silhouette, (drop, drop + 1))
    shadow = shadow.filter(ImageFilter.GaussianBlur(softness)).point(lambda level: level * depth)
    patch.paste(INK, mask=shadow)
    patch.paste(INK, mask=silhouette)

    # The blurred body serves as a height: its slope towards the light, at the upper left,
    # rounds the rim.
    height = np.asarray(body.filter(ImageFilter.GaussianBlur(2.5)), np.float32) / 255
    down, across = np.gradient(height)
    rim = np.clip((down + across) * 2.6, -0.5, 0.5)
    rows, columns = np.mgrid[: patch.height, : patch.width].astype(np.float32)
    fall = (columns - centre[0] + rows - centre[1]) / (2 * thing.radius)
    dimmed = np.minimum(1 - 0.1 * fall + np.minimum(rim, 0), 1.1)
    gleam = (0.1 * np.clip(-fall, 0, 1) + np.maximum(rim, 0))[..., None]
    colour = np.array(RGB[thing.colour], np.float32) * dimmed[..., None]
    patch.paste(_picture(colour + (255 - colour) * gleam), mask=body)
    picture.paste(patch, corner)


def _masks(
    thing: DrawnObject, corner: tuple[int, int], side: int
) -> tuple[Image.Image, Image.Image]:
    """Return masks of an object in a square patch: its coloured body, and with its outline."""
    centre = np.array([thing.x, thing.y]) - corner
    turn = np.deg2rad(thing.angle)
    rotation = np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
    radius = thing.radius - OUTLINE
    points = (radius * outline(thing.shape) @ rotation + centre) * FINER
    corners = [tuple(point) for point in points]
    body, silhouette = (Image.new("L", (side * FINER, side * FINER)) for _ in range(2))
    body_pen, silhouette_pen = ImageDraw.Draw(body), ImageDraw.Draw(silhouette)
    body_pen.polygon(corners, fill=255)
    silhouette_pen.polygon(corners, fill=255)
    # The line is centred on the corners, and closed by drawing its first piece again.
    closed, width = [*corners, *corners[:2]], round(2 * OUTLINE * FINER)
    silhouette_pen.line(closed, fill=255, width=width, joint="curve")
    if thing.shape == "ring":
        middle, hole = tuple(centre * FINER), 0.5 * radius * FINER
        body_pen.circle(middle, hole, fill=0)
        silhouette_pen.circle(middle, hole - OUTLINE * FINER, fill=0)
    return body.reduce(FINER), silhouette.reduce(FINER)


def _finish(picture: Image.Image, random: np.random.Generator) -> Image.Image:
    """Add light from the upper left and a little grain."""
    pixels = np.asarray(picture, np.float32)
    ramp = np.linspace(1.03, 0.97, SIDE, dtype=np.float32)
    light = (ramp[:, None] + ramp) / 2
    grain = random.standard_normal((SIDE, SIDE), np.float32) * 1.5
    pixels = pixels * light[..., None] + grain[..., None]
    return _picture(pixels)


def _picture(pixels: np.ndarray) -> Image.Image:
    """Return float RGB values as a picture."""
    return Image.fromarray(np.clip(pixels + 0.5, 0, 255).astype(np.uint8))


def _clouded(random: np.random.Generator, cells: int | tuple[int, int]) -> np.ndarray:
    """Return smooth noise between about -1 and 1, (SIDE, SIDE), with `cells` bumps a side."""
    across, down = cells if isinstance(cells, tuple) else (cells, cells)
    coarse = Image.fromarray(random.uniform(-1, 1, (down + 3, across + 3)).astype(np.float32))
    return np.asarray(coarse.resize((SIDE, SIDE), Image.Resampling.BICUBIC))


def _shade(colour: tuple[int, int, int], amount: np.ndarray) -> Image.Image:
    """Return a picture of one colour, lightened by `amount` (SIDE, SIDE) grey levels."""
    return _picture(np.array(colour, np.float32) + amount[..., None])


def _strokes(picture: Image.Image) -> tuple[Image.Image, ImageDraw.ImageDraw]:
    """Return the picture enlarged for drawing on, and its pen."""
    large = picture.resize((SIDE * FINE, SIDE * FINE), Image.Resampling.NEAREST)
    return large, ImageDraw.Draw(large)


def _grass(random: np.random.Generator) -> Image.Image:
    mottle = 9 * _clouded(random, 4) + 6 * _clouded(random, 24)
    large, pen = _strokes(_shade((104, 164, 66), mottle))
    blades = 520
    feet = random.uniform(0, SIDE * FINE, (blades, 2))
    leans = random.normal(0, 4, blades)
    lengths = random.uniform(10, 22, blades)
    greens = random.uniform(-24, 26, blades)
    for (x, y), lean, length, green in zip(feet, leans, lengths, greens, strict=True):
        colour = (int(104 + green), int(166 + green), int(64 + 0.6 * green))
        bend = (x + 0.35 * lean, y - 0.6 * length)
        pen.line([(x, y), bend, (x + lean, y - length)], fill=colour, width=3)
    return large.reduce(FINE)


def _sky(random: np.random.Generator) -> Image.Image:
    height = np.linspace(0, 1, SIDE, dtype=np.float32)[:, None, None]
    high, low = np.array((92, 164, 236), np.float32), np.array((160, 208, 248), np.float32)
    air = _picture(np.broadcast_to(high + (low - high) * height, (SIDE, SIDE, 3)))
    vapour = Image.new("L", (SIDE, SIDE))
    pen = ImageDraw.Draw(vapour)
    for band in (34, 122, 204):
        x, y = random.uniform(0, SIDE), band + random.uniform(-12, 12)
        for aside in np.linspace(-38, 38, 9):
            puff_x, radius = x + aside, random.uniform(0.7, 1.1) * (15 - abs(aside) / 4)
            box = (puff_x - 1.5 * radius, y - 1.2 * radius, puff_x + 1.5 * radius, y + 5)
            pen.ellipse(box, fill=int(random.uniform(150, 210)))
    vapour = vapour.filter(ImageFilter.GaussianBlur(3))
    return Image.composite(Image.new("RGB", air.size, (252, 253, 255)), air, vapour)


def _sand(random: np.random.Generator) -> Image.Image:
    rows = np.arange(SIDE, dtype=np.float32)[:, None]
    warp = 7 * _clouded(random, 3) + 2 * _clouded(random, 9)
    ripples = np.sin((rows + warp) * (2 * np.pi / 15) + random.uniform(0, 2 * np.pi))
    grains = random.standard_normal((SIDE, SIDE), np.float32)
    large, pen = _strokes(_shade((226, 190, 136), 7 * ripples + 5 * grains))
    for x, y in random.uniform(0, SIDE * FINE, (30, 2)):
        radius = random.uniform(1.5, 3)
        pen.ellipse((x - radius, y - radius, x + radius, y + radius), fill=(184, 146, 98))
    return large.reduce(FINE)


def _road(random: np.random.Generator) -> Image.Image:
    grains = random.standard_normal((SIDE, SIDE), np.float32)
    wear = 5 * _clouded(random, 5)
    large, pen = _strokes(_shade((112, 114, 120), 8 * grains + wear))
    width, paint_colour = SIDE * FINE, (226, 226, 220)
    for kerb in (10, SIDE - 16):
        pen.rectangle((0, kerb * FINE, width, (kerb + 5) * FINE), fill=paint_colour)
    start = random.uniform(-60, 0)
    for dash in np.arange(start, SIDE, 60):
        box = (dash * FINE, 109 * FINE, (dash + 34) * FINE, 115 * FINE)
        pen.rectangle(box, fill=paint_colour)
    return large.reduce(FINE)


def _water(random: np.random.Generator) -> Image.Image:
    large, pen = _strokes(_shade((44, 142, 178), 9 * _clouded(random, (3, 8))))
    steps = np.linspace(0, 1, 12)
    for row in np.arange(8, SIDE * FINE, 22):
        x, y = random.uniform(0, SIDE * FINE), row + random.uniform(-6, 6)
        for offset in (0, SIDE * FINE / 2):
            length, swell = random.uniform(60, 130), random.uniform(3, 6)
            xs = (x + offset) % (SIDE * FINE) + length * (steps - 0.5)
            ys = y + swell * np.sin(steps * 2 * np.pi)
            glint = int(random.uniform(18, 46))
            colour = (60 + glint, 158 + glint, 192 + glint)
            pen.line(list(zip(xs, ys, strict=True)), fill=colour, width=4, joint="curve")
    return large.reduce(FINE)


def _snow(random: np.random.Generator) -> Image.Image:
    drifts = 14 * _clouded(random, (2, 6)) + 5 * _clouded(random, (5, 16))
    large, pen = _strokes(_shade((222, 232, 246), drifts))
    for x, y in random.uniform(0, SIDE * FINE, (70, 2)):
        radius = random.uniform(1.2, 3)
        pen.ellipse((x - radius, y - radius, x + radius, y + radius), fill=(255, 255, 255))
    return large.reduce(FINE)


_GROUNDS = {
    "grass": _grass,
    "sky": _sky,
    "sand": _sand,
    "road": _road,
    "water": _water,
    "snow": _snow,
}
