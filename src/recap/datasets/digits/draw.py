"""Draw digits with the fonts that Matplotlib ships: MNIST's format, with nothing to download."""

from functools import cache
from pathlib import Path

import matplotlib
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from recap.core.checks import require, require_seed
from recap.core.files import check_different
from recap.core.outputs import OutputFile
from recap.core.progress import progress
from recap.datasets.digits.files import CLASSES
from recap.datasets.digits.idx import SIDE, Digits, write_digits

# Text faces; Computer Modern's symbols and STIX's sizes have no digits, or the same ones.
FONTS = (
    *(
        f"DejaVu{family}"
        for family in ("Sans", "Sans-Bold", "Sans-Oblique", "SansMono", "Serif", "Serif-Bold")
    ),
    *("DejaVuSerif-Italic", "STIXGeneral", "STIXGeneralBol", "STIXGeneralItalic"),
    *("cmr10", "cmb10", "cmss10", "cmtt10"),
)
SCALE = 4  # a digit is drawn so many times larger, and then scaled down: smooth edges
HEIGHT = (17.0, 21.0)  # of a digit, in pixels; MNIST's are 20
SLANT = 0.3  # at most, to either side: columns a row
NARROWER = (0.8, 1.1)  # factor of the width
WEIGHT = 3  # at most so many pixels of the large drawing are added around the strokes
SHIFT = 2.0  # pixels, to each side
NOISE = 12.0  # standard deviation of the noise on the strokes, of 255


def draw_digits(
    *,
    train_images: OutputFile,
    train_labels: OutputFile,
    test_images: OutputFile,
    test_labels: OutputFile,
    train: int = 12_000,
    test: int = 2_000,
    seed: int = 0,
) -> None:
    """Draw digits in the fonts that Matplotlib ships, in MNIST's format.

    Font, height, width, slant, weight, place and noise of each are drawn from the seed. Classes
    take turns, so that each has the same number; the order is drawn, too.

    Parameters
    ----------
    train_images : Path
        Gzipped IDX file to make, of the pictures to train on.
    train_labels : Path
        Gzipped IDX file to make, of their classes.
    test_images : Path
        Gzipped IDX file to make, of the pictures to test on.
    test_labels : Path
        Gzipped IDX file to make, of their classes.
    train : int
        Pictures to train on.
    test : int
        Pictures to test on.
    seed : int
        Seed of everything; the same seed gives the same bytes.

    Raises
    ------
    InputError
        If a number is out of range, or two outputs are one file.
    """
    require(train >= CLASSES, "train", f"at least {CLASSES}", train)
    require(test >= CLASSES, "test", f"at least {CLASSES}", test)
    require_seed(seed)
    check_different(train_images, train_labels, test_images, test_labels)
    splits = (
        ("train", train_images, train_labels, train),
        ("test", test_images, test_labels, test),
    )
    for number, (split, images, labels, count) in enumerate(splits):
        generator = np.random.default_rng([seed, number])
        classes = generator.permutation(np.arange(count) % CLASSES).astype(np.uint8)
        drawn = progress(classes, desc=f"draw digits, {split}", unit="digit")
        pictures = np.stack([draw_digit(int(digit), generator) for digit in drawn])
        write_digits(images, labels, Digits(pictures, classes))


def draw_digit(digit: int, generator: np.random.Generator) -> np.ndarray:
    """Draw one digit.

    Parameters
    ----------
    digit : int
        0 to 9.
    generator : numpy.random.Generator
        What its looks are drawn from.

    Returns
    -------
    ndarray of shape (28, 28), uint8
    """
    font = _font(FONTS[generator.integers(len(FONTS))])
    weight = int(generator.integers(WEIGHT + 1))
    large = Image.new("L", (SIDE * SCALE * 2, SIDE * SCALE * 2))
    text, centre = str(digit), (large.width / 2, large.height / 2)
    ImageDraw.Draw(large).text(centre, text, 255, font, anchor="mm", stroke_width=weight)
    left, top, right, bottom = large.getbbox()
    height = generator.uniform(*HEIGHT)
    shrink = (bottom - top) / height
    narrower = generator.uniform(*NARROWER)
    slant = generator.uniform(-SLANT, SLANT)
    # Where the digit's centre comes to lie.
    x, y = SIDE / 2 + generator.uniform(-SHIFT, SHIFT, 2)
    # Pillow wants the place in the large drawing of each pixel of the small one.
    across, down = shrink / narrower, shrink
    small = large.transform(
        (SIDE * SCALE, SIDE * SCALE),
        Image.Transform.AFFINE,
        (
            *(across / SCALE, across * slant / SCALE),
            (left + right) / 2 - across * x - across * slant * y,
            *(0, down / SCALE, (top + bottom) / 2 - down * y),
        ),
        Image.Resampling.BILINEAR,
    ).resize((SIDE, SIDE), Image.Resampling.BOX)
    picture = np.asarray(small, np.float64)
    noise = generator.normal(0, NOISE, picture.shape)
    return np.clip(np.rint(picture + noise * (picture > 0)), 0, 255).astype(np.uint8)


@cache
def _font(name: str) -> ImageFont.FreeTypeFont:
    path = Path(matplotlib.get_data_path()) / "fonts" / "ttf" / f"{name}.ttf"
    return ImageFont.truetype(path, SIDE * SCALE, layout_engine=ImageFont.Layout.BASIC)
