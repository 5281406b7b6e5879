"""Which photos the gallery shows, and why."""

from collections.abc import Sequence

import numpy as np
from scipy.stats import rankdata

MOST_IMAGES = 240
PER_GROUP = 48


def overconfidence(confidence: np.ndarray, cider: np.ndarray) -> np.ndarray:
    """Return how sure models were of wrong captions.

    Parameters
    ----------
    confidence : ndarray of shape (M, N), float64
        Of the M models in their captions of N images.
    cider : ndarray of shape (M, N), float64
        CIDEr-D of these captions.

    Returns
    -------
    ndarray of shape (N,), float64
        The place of a caption among its model's by confidence, less that by CIDEr-D, both from 0 to
        1; the largest over the models.
    """
    difference = rankdata(confidence, axis=1) - rankdata(cider, axis=1)
    return (difference / cider.shape[1]).max(axis=0)


def choose_images(
    cider: np.ndarray,
    overconfident: np.ndarray | None = None,
    *,
    explained: Sequence[int] = (),
    seed: int,
) -> dict[str, list[int]]:
    """Choose the photos to show, by the reason for which they are shown.

    Parameters
    ----------
    cider : ndarray of shape (M, N), float64
        CIDEr-D of the M models on the N images.
    overconfident : ndarray of shape (N,), float64, optional
        From `overconfidence`.
    explained : sequence of int
        Columns of the images with maps of words.
    seed : int
        Seed of what is drawn, and of the order among equals.

    Returns
    -------
    dict of str to list of int
        Under `best`, `worst`, `disagree` (left out for a single model) and `sure` (the most
        overconfident; left out where that is not known) up to 48 columns of `cider` each, or a
        quarter of few; one may be in several. Under `explained` what was given, if anything. Under
        `drawn` so many others that all together are
        240, or all there are.
    """
    models, images = cider.shape
    order = np.random.default_rng(seed).permutation(images)
    mean = cider.mean(axis=0)
    keys = {"best": -mean, "worst": mean}
    if models > 1:
        keys["disagree"] = cider.min(axis=0) - cider.max(axis=0)
    if overconfident is not None:
        keys["sure"] = -overconfident
    size = min(PER_GROUP, -(-images // 4))
    chosen = {
        name: order[np.argsort(key[order], kind="stable")][:size].tolist()
        for name, key in keys.items()
    }
    if explained:
        chosen["explained"] = list(explained)
    taken = set().union(*chosen.values())
    others = [index for index in order.tolist() if index not in taken]
    chosen["drawn"] = others[: max(0, MOST_IMAGES - len(taken))]
    return chosen
