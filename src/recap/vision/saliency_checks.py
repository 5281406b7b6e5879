"""Measure maps of saliency: against true masks, by erasing, and against shuffled weights."""

import copy
from collections.abc import Iterator
from dataclasses import replace
from statistics import fmean

import numpy as np
import torch
from scipy.stats import rankdata
from torch import nn

from recap.vision.networks import Classifier
from recap.vision.saliency_maps import BATCH, saliency_maps
from recap.vision.settings import Saliency

# Noisy copies and steps of a map whose network's weights are shuffled: enough for a rank.
CHECKED_SAMPLES = 10


def overlap(saliency: np.ndarray, mask: np.ndarray) -> float:
    """Return intersection over union of the mask and as many of the most salient pixels.

    Parameters
    ----------
    saliency : array of shape (height, width)
        Map.
    mask : array of shape (height, width), bool
        Where the class is seen.
    """
    many = int(mask.sum())
    common = int(mask.flat[_by_saliency(saliency)[:many]].sum())
    return common / max(1, 2 * many - common)


def erasure_areas(
    classifier: Classifier, image: torch.Tensor, target: int, saliency: np.ndarray, erasures: int
) -> tuple[float, float]:
    """Return areas under the curves of insertion and deletion (https://arxiv.org/abs/1806.07421).

    From a photo its most salient pixels are taken away first, or given back first, in equal parts;
    what is taken away is as the mean colour. The area is the mean probability of the class on the
    way, by trapezia.

    Parameters
    ----------
    classifier : Classifier
        Network.
    image : tensor of shape (3, height, width)
        Preprocessed.
    target : int
        Class.
    saliency : array of shape (height, width)
        Map.
    erasures : int
        Parts.

    Returns
    -------
    tuple of float
        Of insertion, higher if the map is better, and of deletion, lower if it is.
    """
    ranks = np.empty(saliency.size, dtype=np.int64)
    ranks[_by_saliency(saliency)] = np.arange(saliency.size)
    chosen = np.linspace(0, saliency.size, erasures + 1).round()[:, None, None]
    reached = torch.from_numpy(ranks.reshape(saliency.shape) < chosen).to(image.device)[:, None]
    areas = []
    for kept in (reached, ~reached):
        with torch.no_grad():
            scores = [classifier.scores(part * image) for part in kept.split(BATCH)]
            probabilities = classifier.probabilities(torch.cat(scores))[:, target]
        areas.append(float(torch.trapezoid(probabilities, dx=1 / erasures)))
    return areas[0], areas[1]


def _by_saliency(saliency: np.ndarray) -> np.ndarray:
    """Return the places of pixels in the flat map, the most salient first."""
    return np.argsort(-saliency, axis=None, kind="stable")


def shuffle_weights(classifier: Classifier, seed: int) -> Iterator[tuple[str, Classifier]]:
    """Shuffle the weights of a copy of a network, layer after layer from the last to the first.

    Parameters
    ----------
    classifier : Classifier
        Network; it stays as it is.
    seed : int
        Of the shuffling.

    Yields
    ------
    tuple of (str, Classifier)
        The layer that was shuffled last, and the network, which changes when it goes on.
    """
    generator = torch.Generator().manual_seed(seed)
    network = copy.deepcopy(classifier.network)
    modules = [*network.features, *network.classifier]
    starts = [0, *network.ends.values()]
    for layer, start in zip(reversed(network.ends), starts[-2::-1], strict=True):
        for parameter in nn.Sequential(*modules[start : network.ends[layer]]).parameters():
            order = torch.randperm(parameter.numel(), generator=generator)
            shuffled = parameter.flatten()[order.to(parameter.device)]
            with torch.no_grad():
                parameter.copy_(shuffled.view(parameter.shape))
        yield layer, replace(classifier, network=network)


def randomization_check(
    classifier: Classifier,
    images: torch.Tensor,
    targets: torch.Tensor,
    settings: Saliency,
    seed: int = 0,
) -> dict:
    """Compare maps with those of a network whose weights are shuffled, layer after layer.

    A map that stays the same does not show what the network has learnt (Adebayo et al., 2018,
    https://arxiv.org/abs/1810.03292).

    Parameters
    ----------
    classifier : Classifier
        Network.
    images : tensor of shape (N, 3, height, width)
        Preprocessed.
    targets : tensor of shape (N,), int64
        Classes.
    settings : Saliency
        How maps are made, but for fewer samples and steps.
    seed : int
        Of shuffling and noise.

    Returns
    -------
    dict
        `layers`, in the order in which they were shuffled, and under `correlations` for each
        method Spearman's rank correlation of the absolute maps after each, the mean over the
        images. A map that is the same everywhere has no ranks: it is left out of the mean, and
        counted under `flat`. Where all are flat, the mean is None.
    """
    fewer = replace(settings, samples=CHECKED_SAMPLES, steps=CHECKED_SAMPLES)
    before = saliency_maps(classifier, images, targets, fewer, seed)
    layers: list[str] = []
    correlations: dict[str, list[float | None]] = {method: [] for method in before}
    flat: dict[str, list[int]] = {method: [] for method in before}
    for layer, shuffled in shuffle_weights(classifier, seed):
        layers.append(layer)
        after = saliency_maps(shuffled, images, targets, fewer, seed)
        for method, maps in after.items():
            pairs = zip(before[method].abs(), maps.abs(), strict=True)
            all_found = [_rank_correlation(first.cpu(), second.cpu()) for first, second in pairs]
            found = [correlation for correlation in all_found if correlation is not None]
            correlations[method].append(fmean(found) if found else None)
            flat[method].append(len(all_found) - len(found))
    return {"layers": layers, "correlations": correlations, "flat": flat}


def _rank_correlation(first: torch.Tensor, second: torch.Tensor) -> float | None:
    """Return Spearman's correlation of two maps; None if one is the same everywhere."""
    ranks = [rankdata(each.flatten()) for each in (first, second)]
    ranks = [each - each.mean() for each in ranks]
    norms = np.linalg.norm(ranks[0]) * np.linalg.norm(ranks[1])
    return float(ranks[0] @ ranks[1] / norms) if norms else None
