"""The way down within the range of colours, beside SciPy's L-BFGS-B."""

import numpy as np
import torch
from scipy.optimize import minimize

from recap.vision.lbfgs import descend_lbfgs

SHAPE = (1, 3, 6, 8)


def objective(image):
    """Return a distance, scaled from place to place, and the squared mean; with the gradient."""
    generator = torch.Generator().manual_seed(0)
    target, scale = torch.randn((2, *SHAPE), generator=generator)
    scale = scale.exp()
    mean = image.mean()
    losses = torch.stack([(scale * (image - target).square()).sum(), 1000 * mean.square()])
    return losses, 2 * scale * (image - target) + 2000 * mean / image.numel()


def clamp(image):
    return image.clamp(-0.5, 1)


def test_the_lowest_image_within_the_range_is_found():
    def compute(values):
        losses, gradient = objective(torch.from_numpy(values).view(SHAPE))
        return float(losses.sum()), gradient.numpy().ravel()

    many = int(np.prod(SHAPE))
    found = minimize(compute, np.ones(many), jac=True, bounds=[(-0.5, 1)] * many, tol=1e-12)
    wanted = torch.from_numpy(found.x).float().view(SHAPE)
    assert 0.2 < ((wanted == -0.5) | (wanted == 1)).float().mean() < 0.8
    # All at the border, on either side of which the lowest image may be.
    start, seen = torch.ones(SHAPE), []
    image, sums = descend_lbfgs(objective, start, clamp, 150, seen.append)
    torch.testing.assert_close(image, wanted, rtol=0, atol=0.01)
    assert torch.equal(start, torch.ones(SHAPE))
    assert sums == [float(objective(each)[0].sum()) for each in seen]
    assert sums == sorted(sums, reverse=True)
    assert len(sums) == 150
    assert all(torch.equal(each, clamp(each)) for each in (*seen, image))


def test_the_lowest_image_is_left_as_it_is():
    start = torch.zeros(SHAPE)
    image, sums = descend_lbfgs(lambda each: (each.square(), 2 * each), start, clamp, 3, id)
    assert torch.equal(image, start)
    assert sums == [0, 0, 0]
