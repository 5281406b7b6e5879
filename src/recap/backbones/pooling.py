"""Pool a network's map over regions of the image."""

import torch
from torch.nn import functional as F  # noqa: N812

from recap.backbones.layer_names import GRID


def mean_of_regions(maps: torch.Tensor) -> torch.Tensor:
    """Return the means over a grid of regions, which overlap where they must.

    Parameters
    ----------
    maps : tensor of shape (N, C, height, width)

    Returns
    -------
    tensor of shape (N, GRID * GRID * C)
        Region by region, row by row of the image.
    """
    return F.adaptive_avg_pool2d(maps, GRID).flatten(2).transpose(1, 2).flatten(1)
