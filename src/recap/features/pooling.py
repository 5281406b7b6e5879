"""Pool a backbone's maps over the image, or over its regions."""

from collections.abc import Mapping, Sequence

import torch
from torch.nn import functional as F  # noqa: N812

from recap.features.layers import GRID


def pool(maps: Mapping[str, torch.Tensor], layer: Mapping[str, Sequence[str]]) -> torch.Tensor:
    """Return the features of images.

    Parameters
    ----------
    maps : mapping of str to tensor of shape (N, C, height, width) or (N, C)
        By name.
    layer : mapping of str to sequence of str
        By the name of a map, how it is pooled: `mean` and `max` over its positions, `grid`: the
        means over GRID x GRID regions, `whole`: as it is.

    Returns
    -------
    tensor of shape (N, D)
        The pooled maps side by side; a grid region by region, row by row of the image.
    """
    return torch.cat(
        [POOLINGS[pooling](maps[name]) for name, poolings in layer.items() for pooling in poolings],
        dim=1,
    )


def _mean_of_regions(maps: torch.Tensor) -> torch.Tensor:
    """Return the means over a grid of regions, which overlap where they must."""
    return F.adaptive_avg_pool2d(maps, GRID).flatten(2).transpose(1, 2).flatten(1)


POOLINGS = {
    "mean": lambda maps: maps.mean((2, 3)),
    "max": lambda maps: maps.amax((2, 3)),
    "grid": _mean_of_regions,
    "whole": lambda maps: maps,
}
