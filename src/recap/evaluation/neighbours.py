"""Find the training photos that are most like a photo, by their features."""

from collections.abc import Iterator

import h5py
import numpy as np

from recap.core.progress import progress

BLOCK_BYTES = 64 * 2**20
QUERIES = 500  # photos at a time


def nearest_photos(
    features: np.ndarray | h5py.Dataset,
    rows: np.ndarray,
    training: np.ndarray | h5py.Dataset,
    among: np.ndarray,
    *,
    regions: int,
    count: int,
) -> np.ndarray:
    """Return the training photos whose features are the most like those of each photo.

    Of a grid, the mean over the regions counts. Each feature is taken from its mean over the
    training photos and divided by its standard deviation; likeness is the cosine.

    Parameters
    ----------
    features : array of shape (I, F), float32, or h5py.Dataset
        Read in blocks, as is `training`.
    rows : array of shape (N,), int64
        The photos' rows, rising.
    training : array of shape (M, F), float32, or h5py.Dataset
        Features of the same kind.
    among : array of shape (J,), int64
        Rows of the training photos to choose from, rising.
    regions : int
        How many regions of its photo a row is of.
    count : int
        How many to choose; all where there are not so many.

    Returns
    -------
    array of shape (N, min(count, J)), int64
        Places in `among`, the most alike first.
    """
    known = np.concatenate(list(_means(training, among, regions)))
    mean, deviation = known.mean(0), known.std(0)
    # What is the same in all training photos tells nothing.
    scale = np.divide(1, deviation, out=np.zeros_like(deviation), where=deviation > 0)
    known = _directions(known, mean, scale)
    count = min(count, len(among))
    found = [np.empty((0, count), np.int64)]
    with progress(desc="neighbours", total=len(rows), unit="image") as bar:
        for block in _means(features, rows, regions):
            for start in range(0, len(block), QUERIES):
                asked = _directions(block[start : start + QUERIES], mean, scale)
                unlike = -(asked @ known.T)
                nearest = np.sort(np.argpartition(unlike, count - 1, axis=1)[:, :count], axis=1)
                order = np.take_along_axis(unlike, nearest, 1).argsort(axis=1, kind="stable")
                found.append(np.take_along_axis(nearest, order, 1))
                bar.update(len(asked))
    return np.concatenate(found)


def _means(
    features: np.ndarray | h5py.Dataset, rows: np.ndarray, regions: int
) -> Iterator[np.ndarray]:
    """Yield the means over regions of some rows, (n, F / regions), a block at a time."""
    size = max(1, BLOCK_BYTES // (4 * features.shape[1]))
    for start in range(0, len(features), size):
        # HDF5 takes many times as long for rows that it is given one by one.
        first, end = np.searchsorted(rows, [start, start + size])
        if end > first:
            block = features[start : start + size][rows[first:end] - start]
            yield block.reshape(len(block), regions, -1).mean(axis=1)


def _directions(block: np.ndarray, mean: np.ndarray, scale: np.ndarray) -> np.ndarray:
    """Return standardised rows of length 1; one without any difference from the mean stays 0."""
    block = (block - mean) * scale
    length = np.linalg.norm(block, axis=1, keepdims=True)
    return np.divide(block, length, out=np.zeros_like(block), where=length > 0)
