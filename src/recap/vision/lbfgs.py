"""Change an image so that a loss falls, by L-BFGS within the range of colours."""

from collections import deque
from collections.abc import Callable

import torch

# Steps that are remembered; each takes 8 bytes for a number of the image.
MEMORY = 10


def descend_lbfgs(
    objective: Callable[[torch.Tensor], tuple[torch.Tensor, torch.Tensor]],
    start: torch.Tensor,
    clamp: Callable[[torch.Tensor], torch.Tensor],
    steps: int,
    each: Callable[[torch.Tensor], None],
) -> tuple[torch.Tensor, list[float]]:
    """Change an image so that the sum of its losses falls.

    L-BFGS (Nocedal and Wright, Numerical Optimization, algorithm 7.4) gives the direction of the
    numbers that are not held at the border of the range (Bertsekas, doi.org/10.1137/0320018). A
    step that lowers nothing is tried again at half its length.

    Parameters
    ----------
    objective : callable
        Returns the losses of an image, and the gradient of their sum.
    start : tensor of shape (1, 3, height, width)
        Left as it is.
    clamp : callable
        Returns the nearest image within the range of colours.
    steps : int
        Tries; the objective is called for each, and for the start.
    each : callable
        Called with the image before each step.

    Returns
    -------
    tuple of (tensor of shape (1, 3, height, width), list of float)
        The image, and the sum of the losses before each step.
    """
    image = start
    losses, gradient = objective(image)
    total = float(losses.sum())
    pairs = deque(maxlen=MEMORY)
    direction, sums = None, []
    for _ in range(steps):
        each(image)
        sums.append(total)
        if direction is None:
            free = clamp(image - gradient.sign()) != image
            direction = _direction(gradient * free, pairs).mul_(free)
        tried = clamp(image + direction)
        losses, tried_gradient = objective(tried)
        tried_total = float(losses.sum())
        if not tried_total < total:
            direction /= 2
            continue
        change, bend = tried - image, tried_gradient - gradient
        curvature = _dot(change, bend)
        if curvature > 0:
            pairs.append((change, bend, curvature))
        image, gradient, total, direction = tried, tried_gradient, tried_total, None
    return image, sums


def _direction(gradient: torch.Tensor, pairs: deque) -> torch.Tensor:
    """Return the way down: the gradient, times the inverse curvature that pairs tell of."""
    if not pairs:
        return gradient / -gradient.norm()
    direction = -gradient
    shares = []
    for change, bend, curvature in reversed(pairs):
        shares.append(_dot(change, direction) / curvature)
        direction.sub_(bend, alpha=shares[-1])
    _, bend, curvature = pairs[-1]
    direction *= curvature / _dot(bend, bend)
    for (change, bend, curvature), share in zip(pairs, reversed(shares), strict=True):
        direction.add_(change, alpha=share - _dot(bend, direction) / curvature)
    return direction


def _dot(one: torch.Tensor, other: torch.Tensor) -> float:
    return float((one * other).sum())
