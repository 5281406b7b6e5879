"""The pointing game: whether a map is highest where it should be, and maps to hold it against."""

import numpy as np


def baseline_maps(height: int, width: int, seed: int) -> dict[str, np.ndarray]:
    """Return maps that know nothing of a photo: random, and a Gaussian about the centre.

    Parameters
    ----------
    height, width : int
        Pixels.
    seed : int
        Of the random map.

    Returns
    -------
    dict of str to array of shape (height, width), float64
    """
    rows = (np.arange(height) + 0.5) / height - 0.5
    columns = (np.arange(width) + 0.5) / width - 0.5
    return {
        "random": np.random.default_rng(seed).random((height, width)),
        "centre": np.exp(-8 * (rows[:, None] ** 2 + columns**2)),
    }


def pointing(saliency: np.ndarray, mask: np.ndarray) -> float:
    """Return 1 if the most salient pixel lies in the mask (the pointing game), else 0.

    Parameters
    ----------
    saliency : array of shape (height, width)
        Map.
    mask : array of shape (height, width), bool
        Where the class is seen.
    """
    return float(mask.flat[saliency.argmax()])
