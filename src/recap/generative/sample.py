"""Draw samples of a trained generator."""

import math
from pathlib import Path

import numpy as np
from PIL import Image

from recap.core.checks import require, require_seed
from recap.core.files import atomic_path
from recap.core.outputs import OutputFile
from recap.generative.folder import load_generator
from recap.generative.trainer import draw_samples, sampling_noise, uniform_noise

GAP = 2  # pixels between the pictures of a grid


def sample_gan(folder: Path, *, output: OutputFile, images: int = 64, seed: int = 0) -> None:
    """Draw pictures from a trained generator, and lay them in a grid.

    Parameters
    ----------
    folder : Path
        From `train_gan`, such as `results/gan-digits/gans/convolutional/seed0`.
    output : Path
        PNG file to make.
    images : int
        How many pictures; the grid is as square as can be.
    seed : int
        Seed of the noise that they are made of.

    Raises
    ------
    InputError
        If a number is out of range, or the folder has no trained generator.
    """
    require(1 <= images <= 10_000, "images", "at least 1 and at most 10000", images)
    require_seed(seed)
    generator, recipe, _ = load_generator(folder)
    noise = uniform_noise(images, recipe.noise_dim, sampling_noise(seed))
    with atomic_path(output) as scratch:
        lay_grid(draw_samples(generator, noise)).save(scratch, "PNG")


def lay_grid(pictures: np.ndarray, columns: int | None = None) -> Image.Image:
    """Lay pictures in a grid, row by row.

    Parameters
    ----------
    pictures : ndarray of shape (N, height, width), uint8
        What to lay.
    columns : int, optional
        Pictures in a row; by default as many as rows, or one more.
    """
    columns = columns or math.ceil(math.sqrt(len(pictures)))
    height, width = pictures.shape[1:]
    rows = -(-len(pictures) // columns)
    grid = np.zeros((rows * (height + GAP) - GAP, columns * (width + GAP) - GAP), np.uint8)
    for number, picture in enumerate(pictures):
        top, left = number // columns * (height + GAP), number % columns * (width + GAP)
        grid[top : top + height, left : left + width] = picture
    return Image.fromarray(grid)
