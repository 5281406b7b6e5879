"""Find images that a network gives a high score as a class, from noise."""

import math
from collections.abc import Callable

import torch
from scipy.ndimage import gaussian_filter1d
from torch.nn import functional

from recap.core.progress import progress
from recap.vision.fooling_steps import lead
from recap.vision.networks import Classifier
from recap.vision.saliency_maps import score_gradients
from recap.vision.settings import ClassVisualization

# How the channels of natural images vary together: a square root of their covariance, measured on
# ImageNet (Olah et al., 2017, https://distill.pub/2017/feature-visualization).
COLOURS = ((0.26, 0.09, 0.02), (0.27, 0.0, -0.05), (0.27, -0.09, 0.03))

# Of the spectrum at first: nearly gray.
FIRST_SPREAD = 0.01

Keep = Callable[[torch.Tensor], None]


def visualize_by_pixels(
    classifier: Classifier,
    targets: torch.Tensor,
    settings: ClassVisualization,
    seed: int,
    keep: Keep,
) -> torch.Tensor:
    """Ascend the classes' scores by pixels, as CS231n does.

    All classes start from the same noise, and are moved about and blurred in the same way.

    Parameters
    ----------
    classifier : Classifier
        Network.
    targets : tensor of shape (N,), int64
        Classes.
    settings : ClassVisualization
        How.
    seed : int
        Of the noise and the moves.
    keep : callable
        Is given the images before each step.

    Returns
    -------
    tensor of shape (N, 3, height, width)
        Preprocessed images.
    """
    generator = torch.Generator().manual_seed(seed)
    side = classifier.preprocessing.crop
    start = torch.randn((1, 3, side, side), generator=generator)
    images = start.to(targets.device).expand(len(targets), -1, -1, -1)
    for step in progress(range(settings.course_steps), desc="classes by pixels", unit="step"):
        keep(images)
        moves = torch.randint(settings.course_jitter + 1, (2,), generator=generator).tolist()
        images = ascend(classifier, images.roll(moves, (2, 3)), targets, settings)
        images = classifier.clamp(images.roll([-move for move in moves], (2, 3)))
        if step % settings.blur_every == 0:
            images = blur(images, settings.blur)
    return images


def ascend(
    classifier: Classifier,
    images: torch.Tensor,
    targets: torch.Tensor,
    settings: ClassVisualization,
) -> torch.Tensor:
    """Return images after one step up their classes' scores, less a penalty of their squares.

    Parameters
    ----------
    classifier : Classifier
        Network.
    images : tensor of shape (N, 3, height, width)
        Preprocessed.
    targets : tensor of shape (N,), int64
        Classes.
    settings : ClassVisualization
        Step and penalty.
    """
    gradients = score_gradients(classifier, images, targets) - 2 * settings.l2 * images
    if settings.normalize:
        gradients = gradients / gradients.flatten(1).norm(dim=1).clamp(min=1e-12).view(-1, 1, 1, 1)
    return images + settings.course_rate * gradients


def blur(images: torch.Tensor, sigma: float) -> torch.Tensor:
    """Return images blurred by a Gaussian.

    Parameters
    ----------
    images : tensor of shape (N, 3, height, width)
        Images.
    sigma : float
        Standard deviation in pixels.
    """
    pixels = images.detach().cpu().numpy()
    for axis in (2, 3):
        pixels = gaussian_filter1d(pixels, sigma, axis=axis)
    return torch.from_numpy(pixels).to(images.device)


def visualize_by_frequencies(
    classifier: Classifier,
    targets: torch.Tensor,
    settings: ClassVisualization,
    seed: int,
    keep: Keep,
) -> torch.Tensor:
    """Ascend scores and their lead over other classes by frequencies, in colours of their own.

    The lead is left out where a picture may show several classes. Every step sees the image
    jittered, scaled and turned (Olah et al., 2017), so that nothing counts that a little change
    would undo. All classes see the same changes.

    Parameters
    ----------
    classifier : Classifier
        Network.
    targets : tensor of shape (N,), int64
        Classes.
    settings : ClassVisualization
        How.
    seed : int
        Of the first spectrum and the changes.
    keep : callable
        Is given the images before each step.

    Returns
    -------
    tensor of shape (N, 3, height, width)
        Preprocessed images.
    """
    generator = torch.Generator().manual_seed(seed)
    side = classifier.preprocessing.crop
    start = FIRST_SPREAD * torch.randn((1, 3, side, side // 2 + 1, 2), generator=generator)
    spectra = start.to(targets.device).repeat(len(targets), 1, 1, 1, 1).requires_grad_()
    optimizer = torch.optim.Adam([spectra], lr=settings.rate)
    for _ in progress(range(settings.steps), desc="classes by frequencies", unit="step"):
        images = _images_of(classifier, spectra, side)
        keep(images.detach())
        seen = _change(images, settings, generator)
        score, ahead = lead(classifier, seen, targets)
        # Of the score alone, a tick becomes half a spider: it is high for both.
        climbed = score if classifier.several else score + ahead
        (gradients,) = torch.autograd.grad(-climbed.sum(), spectra)
        spectra.grad = gradients
        optimizer.step()
    return _images_of(classifier, spectra, side).detach()


def _images_of(classifier: Classifier, spectra: torch.Tensor, side: int) -> torch.Tensor:
    """Return preprocessed images of spectra (N, 3, side, side // 2 + 1, 2), frequencies evened."""
    rows, columns = torch.fft.fftfreq(side)[:, None], torch.fft.rfftfreq(side)
    frequencies = (rows**2 + columns**2).sqrt().clamp(min=1 / side).to(spectra.device)
    waves = torch.fft.irfft2(torch.view_as_complex(spectra) * side / frequencies, (side, side))
    colours = torch.tensor(COLOURS, device=spectra.device)
    colours = colours / colours.norm(dim=0).max()
    pixels = torch.einsum("nchw,dc->nhwd", waves / 4, colours).sigmoid()
    return classifier.preprocessing.preprocess(255 * pixels)


def _change(
    images: torch.Tensor, settings: ClassVisualization, generator: torch.Generator
) -> torch.Tensor:
    """Return images moved, scaled and turned at random; what lies outside is mirrored."""
    turn, grow, down, across = (2 * torch.rand(4, generator=generator) - 1).tolist()
    angle = math.radians(settings.rotation) * turn
    size = 1 + settings.scale * grow
    move = 2 * settings.jitter / images.shape[-1]
    cosine, sine = math.cos(angle) / size, math.sin(angle) / size
    ways = torch.tensor([[cosine, -sine, move * across], [sine, cosine, move * down]])
    grid = functional.affine_grid(
        ways.expand(len(images), -1, -1), list(images.shape), align_corners=False
    )
    # On the processor: a GPU would add up its gradients in another order each time.
    moved = functional.grid_sample(
        images.cpu(), grid, padding_mode="reflection", align_corners=False
    )
    return moved.to(images.device)
