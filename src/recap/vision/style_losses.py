"""The losses of style transfer, each with what gives its gradient.

Gatys et al. (https://doi.org/10.1109/CVPR.2016.265), in the form of CS231n's third assignment. The
gradients are written by hand: beside the network's own, a step then takes a few passes over its
maps. Those of maps are as large as these, and computed only once they are called for. Maps are of
one image, (1, channels, height, width), and fastest with their channels last.
"""

from collections.abc import Callable

import torch

# Returns a new tensor of a map's shape.
Gradient = Callable[[], torch.Tensor]


def gram_matrix(features: torch.Tensor) -> torch.Tensor:
    """Return how strongly the channels of a map go together.

    Parameters
    ----------
    features : tensor of shape (1, channels, height, width)

    Returns
    -------
    tensor of shape (channels, channels)
        Products of channels, summed over places, divided by the number of entries of the map.
    """
    rows = _rows(features)
    return rows.T @ rows / rows.numel()


def content_loss(
    features: torch.Tensor, target: torch.Tensor, weight: float
) -> tuple[torch.Tensor, Gradient]:
    """Return the weighted sum of squared differences from the content's map, and its gradient.

    Parameters
    ----------
    features, target : tensor of shape (1, channels, height, width)
        Map of the image, and of the content.
    weight : float
        What the sum is multiplied by.

    Returns
    -------
    tuple of (tensor of shape (), Gradient)
    """
    loss = weight * torch.linalg.vector_norm(features - target).square()
    return loss, lambda: (features - target).mul_(2 * weight)


def style_loss(
    features: torch.Tensor, target: torch.Tensor, weight: float
) -> tuple[torch.Tensor, Gradient]:
    """Return the weighted sum of squared differences from the style's Gram matrix, with gradient.

    Parameters
    ----------
    features : tensor of shape (1, channels, height, width)
        Map of the image.
    target : tensor of shape (channels, channels)
        Gram matrix of the style.
    weight : float
        What the sum is multiplied by.

    Returns
    -------
    tuple of (tensor of shape (), Gradient)
    """
    difference = gram_matrix(features) - target
    loss = weight * difference.square().sum()
    _, channels, height, width = features.shape

    def gradient() -> torch.Tensor:
        rows = _rows(features) @ (difference * (4 * weight / features.numel()))
        return rows.view(1, height, width, channels).permute(0, 3, 1, 2)

    return loss, gradient


def tv_loss(image: torch.Tensor, weight: float) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the weighted total variation of an image, and its gradient.

    Parameters
    ----------
    image : tensor of shape (N, 3, height, width)
    weight : float
        What the sum of squared differences of neighbours, below and beside, is multiplied by.

    Returns
    -------
    tuple of (tensor of shape (), tensor of shape (N, 3, height, width))
    """
    gradient = torch.zeros_like(image)
    loss = image.new_zeros(())
    for axis in (2, 3):
        difference = image.diff(dim=axis)
        loss += torch.linalg.vector_norm(difference).square()
        many = difference.shape[axis]
        gradient.narrow(axis, 1, many).add_(difference, alpha=2 * weight)
        gradient.narrow(axis, 0, many).sub_(difference, alpha=2 * weight)
    return weight * loss, gradient


def _rows(features: torch.Tensor) -> torch.Tensor:
    """Return a map as a matrix of shape (places, channels); a view, if its channels are last."""
    return features.permute(0, 2, 3, 1).flatten(0, 2)
