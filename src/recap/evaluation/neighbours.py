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

    Of a grid, the mean over the regions counts. Features are taken from their means over the
    training photos and made uncorrelated and of one variance; likeness is the cosine.

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
    mean, whitening = _find_whitening(known)
    known = _directions(known, mean, whitening)
    count = min(count, len(among))
    found = [np.empty((0, count), np.int64)]
    with progress(desc="neighbours", total=len(rows), unit="image") as bar:
        for block in _means(features, rows, regions):
            for start in range(0, len(block), QUERIES):
                asked = _directions(block[start : start + QUERIES], mean, whitening)
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


def _find_whitening(known: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the mean of rows (J, D), and what makes them uncorrelated, (D, at most D)."""
    mean, deviation = known.mean(0), known.std(0)
    # What is the same in all training photos tells nothing.
    differing = deviation > 0
    scale = 1 / deviation[differing].astype(np.float64)
    covariance = _find_covariance((known - mean)[:, differing] * scale)
    variances, axes = np.linalg.eigh(covariance)
    kept = variances > variances.max(initial=0) * np.finfo(np.float32).eps
    whitening = np.zeros((len(mean), kept.sum()), known.dtype)
    whitening[differing] = scale[:, None] * axes[:, kept] / np.sqrt(variances[kept])
    return mean, whitening


def _find_covariance(centred: np.ndarray) -> np.ndarray:
    """Return the covariance (D, D) that rows (J, D) let expect, where these may be few.

    It is a mean of theirs and of one without correlations: O. Ledoit and M. Wolf, "A
    well-conditioned estimator for large-dimensional covariance matrices", Journal of Multivariate
    Analysis 88 (2004), section 3.3.
    """
    count, dimension = centred.shape
    covariance = centred.T @ centred / count
    squares = np.square(covariance).sum()
    variance = covariance.trace() / max(dimension, 1)
    distance = squares - dimension * variance**2
    lengths = np.einsum("jd,jd->j", centred, centred)
    error = (np.square(lengths).mean() - squares) / count
    share = min(error / distance, 1) if distance > 0 else 0
    return (1 - share) * covariance + share * variance * np.identity(dimension)


def _directions(block: np.ndarray, mean: np.ndarray, whitening: np.ndarray) -> np.ndarray:
    """Return whitened rows of length 1; one without any difference from the mean stays 0."""
    block = (block - mean) @ whitening
    length = np.linalg.norm(block, axis=1, keepdims=True)
    return np.divide(block, length, out=np.zeros_like(block), where=length > 0)
