"""Change an image so that a loss falls, by L-BFGS within the range of colours."""

from collections.abc import Callable

import numpy as np
import torch
from scipy.optimize import minimize

from recap.backbones.preprocessing import Preprocessing

# Steps that are remembered; each takes 16 bytes for a number of the image.
MEMORY = 5


def descend_lbfgs(
    objective: Callable[[torch.Tensor], tuple[torch.Tensor, torch.Tensor]],
    start: torch.Tensor,
    preprocessing: Preprocessing,
    steps: int,
    each: Callable[[torch.Tensor], None],
) -> tuple[torch.Tensor, list[float]]:
    """Change an image so that the sum of its losses falls (L-BFGS-B, doi.org/10.1137/0916069).

    Parameters
    ----------
    objective : callable
        Returns the losses of an image, and the gradient of their sum.
    start : tensor of shape (1, 3, height, width)
        Left as it is.
    preprocessing : Preprocessing
        The image stays between its black and white.
    steps : int
        How often the objective is called; the last search for a step may call it a few times more.
    each : callable
        Called with the image before each step.

    Returns
    -------
    tuple of (tensor of shape (1, 3, height, width), list of float)
        The image, and the sum of the losses before each step.
    """
    height, width = start.shape[2:]
    sums = []

    def to_image(values: np.ndarray) -> torch.Tensor:
        image = torch.from_numpy(values.astype(np.float32)).view(1, height, width, 3)
        return image.to(start.device).permute(0, 3, 1, 2)

    def to_values(image: torch.Tensor) -> np.ndarray:
        return image.permute(0, 2, 3, 1).cpu().numpy().astype(np.float64).ravel()

    def compute(values: np.ndarray) -> tuple[float, np.ndarray]:
        image = to_image(values)
        each(image)
        losses, gradient = objective(image)
        sums.append(float(losses.sum()))
        return sums[-1], to_values(gradient)

    ends = torch.tensor([0, 255], device=start.device).view(2, 1, 1, 1)
    black, white = preprocessing.preprocess(ends.expand(2, height, width, 3))[:, None]
    found = minimize(
        compute,
        to_values(start),
        jac=True,
        method="L-BFGS-B",
        bounds=np.stack([to_values(black), to_values(white)], axis=1),
        options={"maxfun": steps, "maxiter": steps, "maxcor": MEMORY, "ftol": 0, "gtol": 0},
    )
    return to_image(found.x), sums
