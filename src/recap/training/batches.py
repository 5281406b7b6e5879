"""Captions with the features of their images, and minibatches of them."""

import math
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from recap.captions.files import read_captions
from recap.core.errors import InputError
from recap.features.files import FEATURES, open_features, regions_of, skipped_rows
from recap.features.rows_in_file import RowsInFile

POOL = 32  # batches among which captions are ordered by length
PIECE = 32  # images whose features are looked at together


@dataclass
class CaptionedImages:
    """Captions and the features of the images they are of.

    The table of features may be most of the machine's memory, or stay in its file. Parts of a split
    share it, and it is scaled when rows are taken out of it.

    Attributes
    ----------
    features : array of shape (I, K F), float32, or RowsInFile
    captions : array of shape (M, T), int32
    image_idxs : array of shape (M,), int32
        For each caption its image's row.
    regions : int
        Regions of an image that its features are of, one after another, K.
    scale : float
        What features are multiplied by.
    """

    features: np.ndarray | RowsInFile
    captions: np.ndarray
    image_idxs: np.ndarray
    regions: int = 1
    scale: float = 1.0

    def __len__(self) -> int:
        return len(self.captions)

    def take(self, wanted: np.ndarray) -> "CaptionedImages":
        """Return the captions that an index or mask of shape (M,) names."""
        return replace(self, captions=self.captions[wanted], image_idxs=self.image_idxs[wanted])

    def in_memory(self) -> "CaptionedImages":
        """Return the same with its own features in memory."""
        if isinstance(self.features, np.ndarray):
            return self
        images, image_idxs = np.unique(self.image_idxs, return_inverse=True)
        return replace(self, features=self.features[images], image_idxs=image_idxs)

    def shuffled(self, images: np.ndarray, generator: np.random.Generator) -> list[np.ndarray]:
        """Return places in an array of images (N,) in random order, in parts held in memory."""
        parts = [np.arange(len(images))]
        if isinstance(self.features, RowsInFile):
            parts = self.features.parts(images, generator)
        return [part[generator.permutation(len(part))] for part in parts]

    def look(self, images: np.ndarray) -> np.ndarray:
        """Return the scaled features (N, K F) of images, by their rows (N,)."""
        seen = self.features[images]
        seen *= np.float32(self.scale)
        return seen

    def feature_size(self) -> float:
        """Return the root of the mean square of the features of all images with a caption."""
        images, total = np.unique(self.image_idxs), 0.0
        for start in range(0, len(images), PIECE):
            seen = self.features[images[start : start + PIECE]]
            total += np.square(seen, dtype=np.float64).sum()
        return math.sqrt(total / (len(images) * self.features.shape[1]))

    def batch(self, wanted: np.ndarray, null: int) -> tuple[np.ndarray, np.ndarray]:
        """Return features (N, K F) and captions (N, T'), cut at the longest of them."""
        captions = self.captions[wanted]
        longest = np.flatnonzero((captions != null).any(axis=0))[-1] + 1
        return self.look(self.image_idxs[wanted]), captions[:, :longest]


def read_captioned_images(
    features: Path, captions: Path, split: str, vocabulary_size: int, most_bytes: int
) -> CaptionedImages:
    """Read a split's features and captions, without those of images that were skipped.

    Parameters
    ----------
    features, captions : Path
        HDF5 files of the same split.
    split : str
        `train` or `dev`.
    vocabulary_size : int
        Words that the captions may use.
    most_bytes : int
        Features of more bytes stay in their file, and as many of them are held.

    Raises
    ------
    InputError
        If a file is missing or damaged, or the three do not belong together.
    """
    encoded, image_idxs = read_captions(captions, split)
    with open_features(features) as file:
        table, regions = file[FEATURES], regions_of(file)
        rows = table[:] if table.nbytes <= most_bytes else RowsInFile(features, most_bytes)
        usable = ~np.isin(image_idxs, skipped_rows(file[FEATURES]))
    if (outside := image_idxs[(image_idxs < 0) | (image_idxs >= len(rows))]).size:
        raise InputError(
            f"{captions} speaks of image {outside[0]} but {features} has {len(rows)} rows:"
            " make both from the same annotations."
        )
    if (outside := encoded[(encoded < 0) | (encoded >= vocabulary_size)]).size:
        raise InputError(
            f"{captions} was encoded with another vocabulary (word {outside[0]} of"
            f" {vocabulary_size}): encode the captions again."
        )
    if not usable.any():
        raise InputError(f"{captions} has no caption of an image that could be read.")
    return CaptionedImages(rows, encoded[usable], image_idxs[usable], regions)


# Images that choose a checkpoint: on a handful, chance does.
FEWEST_DEV = 20


def hold_out(
    train: CaptionedImages, share: float, generator: np.random.Generator
) -> tuple[CaptionedImages, CaptionedImages]:
    """Set a share of the images aside for validation.

    Parameters
    ----------
    train : CaptionedImages
        All that there is.
    share : float
        Share of the images; at least `FEWEST_DEV` are taken, or half of them where there are
        fewer than twice as many; one is left.
    generator : numpy.random.Generator
        Draws the images.

    Returns
    -------
    train, dev : CaptionedImages
        Of different images.

    Raises
    ------
    InputError
        If there are fewer than two images.
    """
    images = np.unique(train.image_idxs)
    if len(images) < 2:
        raise InputError("Training needs at least two captioned images: give more.")
    fewest = min(FEWEST_DEV, len(images) // 2)
    count = min(max(fewest, round(share * len(images))), len(images) - 1)
    held_out = np.isin(train.image_idxs, generator.permutation(images)[:count])
    return train.take(~held_out), train.take(held_out)


def draw_batches(
    train: CaptionedImages, batch_size: int, null: int, generator: np.random.Generator
) -> list[np.ndarray]:
    """Cut the captions into batches of similar length, in random order.

    Within pools of shuffled captions the batches are cut along the length, so that little of a
    batch is padding. Of features that stay in their file a part is drawn at a time, whose captions
    are shuffled.

    Parameters
    ----------
    train : CaptionedImages
        All captions, M.
    batch_size : int
        Captions a batch; the last may have fewer.
    null : int
        The number of `<NULL>`.
    generator : numpy.random.Generator
        Draws the order.

    Returns
    -------
    list of arrays of int
        Each caption's number in exactly one of them.
    """
    lengths = (train.captions != null).sum(axis=1)
    pool = POOL * batch_size
    drawn = []
    for order in train.shuffled(train.image_idxs, generator):
        batches = []
        for start in range(0, len(order), pool):
            pooled = order[start : start + pool]
            pooled = pooled[np.argsort(lengths[pooled], kind="stable")]
            batches += [pooled[i : i + batch_size] for i in range(0, len(pooled), batch_size)]
        drawn += [batches[i] for i in generator.permutation(len(batches))]
    return drawn
