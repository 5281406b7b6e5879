"""Drawn scenes to look at, with the truth about them."""

from contextlib import closing
from functools import partial
from itertools import product
from pathlib import Path

import numpy as np

from recap.core.files import atomic_path
from recap.core.progress import progress
from recap.core.threads import available_threads
from recap.core.workers import map_in_order
from recap.datasets.shapes.pictures import mask_of, paint
from recap.datasets.shapes.scenes import COLOURS, SHAPES, SIDE, DrawnObject, Scene, draw_lots

HALVED = 2
"""How many times smaller than it is drawn a scene is looked at: a quarter of the work."""

SCENE_SIDE = SIDE // HALVED
"""Height and width of a picture in pixels."""

SCENE_CLASSES = tuple(f"{colour} {shape}" for shape, colour in product(SHAPES, COLOURS))
"""What a scene may show. The two objects of a pair differ in colour, so each is a class alone."""


def draw_scenes(
    seed: int, split: int, count: int, threads: int | None = None
) -> tuple[list[Scene], np.ndarray]:
    """Draw scenes of the `shapes` data set, half as large.

    Parameters
    ----------
    seed : int
        Seed of everything.
    split : int
        Scenes of one number have nothing in common with those of another.
    count : int
        Scenes to draw.
    threads : int, optional
        Processes that draw; as many as the machine has threads by default.

    Returns
    -------
    tuple of (list of Scene, array of shape (count, SCENE_SIDE, SCENE_SIDE, 3), uint8)
        What was drawn, and the pictures in RGB.
    """
    drawn = map_in_order(partial(_draw, seed, split), range(count), available_threads(threads))
    with closing(drawn), progress(drawn, desc="draw scenes", total=count, unit="scene") as scenes:
        truths, pictures = zip(*scenes, strict=True)
    return list(truths), np.stack(pictures)


def _draw(seed: int, split: int, number: int) -> tuple[Scene, np.ndarray]:
    random = np.random.default_rng([seed, split, number])
    scene = draw_lots(random)
    return scene, np.asarray(paint(scene, random).reduce(HALVED))


def class_of(thing: DrawnObject) -> int:
    """Return the number of an object's class in `SCENE_CLASSES`."""
    return SCENE_CLASSES.index(f"{thing.colour} {thing.shape}")


def classes_shown(scenes: list[Scene]) -> np.ndarray:
    """Return which of `SCENE_CLASSES` each of N scenes shows, (N, classes) bool."""
    shown = np.zeros((len(scenes), len(SCENE_CLASSES)), bool)
    for row, scene in zip(shown, scenes, strict=True):
        row[[class_of(thing) for thing in scene.objects]] = True
    return shown


def write_scenes(path: Path, scenes: list[Scene], pictures: np.ndarray) -> None:
    """Write scenes as an archive that `recap.vision.photos.read_photos` reads, with their masks.

    Parameters
    ----------
    path : Path
        NumPy archive to make, `.npz`.
    scenes : list of Scene
        What was drawn.
    pictures : array of shape (N, SCENE_SIDE, SCENE_SIDE, 3), uint8
        Their pictures.
    """
    masks = np.zeros((len(scenes), len(SCENE_CLASSES), SCENE_SIDE, SCENE_SIDE), bool)
    for row, scene in zip(masks, scenes, strict=True):
        for thing in scene.objects:
            row[class_of(thing)] = np.asarray(mask_of(thing).reduce(HALVED)) >= 128
    with atomic_path(path) as scratch, scratch.open("wb") as file:
        np.savez_compressed(file, X=pictures, y=classes_shown(scenes), masks=masks)
