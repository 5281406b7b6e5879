"""Maps of how much each pixel counts for the score of a class."""

import torch
from torch.nn import functional

from recap.vision.networks import Classifier
from recap.vision.settings import Saliency

# Images that go through the network together; on processors, more gain nothing.
BATCH = 16


def saliency_maps(
    classifier: Classifier,
    images: torch.Tensor,
    targets: torch.Tensor,
    settings: Saliency,
    seed: int = 0,
) -> dict[str, torch.Tensor]:
    """Compute the maps of all methods.

    Parameters
    ----------
    classifier : Classifier
        Network.
    images : tensor of shape (N, 3, height, width)
        Preprocessed.
    targets : tensor of shape (N,), int64
        Classes whose scores are looked at.
    settings : Saliency
        How.
    seed : int
        Of SmoothGrad's noise.

    Returns
    -------
    dict of str to tensor of shape (N, height, width)
        `gradient` (Simonyan et al., https://arxiv.org/abs/1312.6034) and `smoothgrad`, the largest
        absolute value over the channels; `integrated_gradients`, the sum over the channels, with
        its sign; `grad_cam`, at the last map before the classifier.
    """
    smooth = smooth_gradients(classifier, images, targets, settings.samples, settings.noise, seed)
    return {
        "gradient": score_gradients(classifier, images, targets).abs().amax(1),
        "smoothgrad": smooth.abs().amax(1),
        "integrated_gradients": integrated_gradients(
            classifier, images, targets, settings.steps
        ).sum(1),
        "grad_cam": grad_cam(classifier, images, targets, classifier.last_feature_layer),
    }


def score_gradients(
    classifier: Classifier, images: torch.Tensor, targets: torch.Tensor
) -> torch.Tensor:
    """Compute the gradient of each image's unnormalised score of its class.

    Parameters
    ----------
    classifier : Classifier
        Network.
    images : tensor of shape (N, 3, height, width)
        Preprocessed. They keep no gradient.
    targets : tensor of shape (N,), int64
        Classes.

    Returns
    -------
    tensor of shape (N, 3, height, width)
    """
    found = []
    for part, wanted in zip(images.split(BATCH), targets.split(BATCH), strict=True):
        part = part.detach().requires_grad_()
        score = classifier.scores(part).gather(1, wanted[:, None]).sum()
        found += torch.autograd.grad(score, part)
    return torch.cat(found)


def smooth_gradients(
    classifier: Classifier,
    images: torch.Tensor,
    targets: torch.Tensor,
    samples: int,
    noise: float,
    seed: int,
) -> torch.Tensor:
    """Average the gradients of noisy copies (SmoothGrad, https://arxiv.org/abs/1706.03825).

    Each image is given the same noise, in proportion to its range.

    Parameters
    ----------
    classifier : Classifier
        Network.
    images : tensor of shape (N, 3, height, width)
        Preprocessed.
    targets : tensor of shape (N,), int64
        Classes.
    samples : int
        Copies.
    noise : float
        Standard deviation, as a share of the image's range.
    seed : int
        Of the noise.

    Returns
    -------
    tensor of shape (N, 3, height, width)
    """
    generator = torch.Generator().manual_seed(seed)
    drawn = torch.randn((samples, *images.shape[1:]), generator=generator).to(images)
    found = []
    for image, target in zip(images, targets, strict=True):
        noisy = image + noise * (image.max() - image.min()) * drawn
        found.append(score_gradients(classifier, noisy, target.expand(samples)).mean(0))
    return torch.stack(found)


def integrated_gradients(
    classifier: Classifier, images: torch.Tensor, targets: torch.Tensor, steps: int
) -> torch.Tensor:
    """Integrate gradients on the straight way from gray (https://arxiv.org/abs/1703.01365).

    The way begins at the colour that the network's preprocessing takes as the mean, 0 in its
    units: to a network, black is a colour that objects have. The sum of what an image's pixels are
    given comes near to how much higher its score is than that of the gray image: the method's
    completeness.

    Parameters
    ----------
    classifier : Classifier
        Network.
    images : tensor of shape (N, 3, height, width)
        Preprocessed.
    targets : tensor of shape (N,), int64
        Classes.
    steps : int
        Points at which gradients are taken, in the middles of as many pieces of the way.

    Returns
    -------
    tensor of shape (N, 3, height, width)
    """
    images = images.detach()
    reached = (torch.arange(steps, device=images.device) + 0.5) / steps
    found = []
    for image, target in zip(images, targets, strict=True):
        way = reached.view(-1, 1, 1, 1) * image
        gradients = score_gradients(classifier, way, target.expand(steps))
        found.append(image * gradients.mean(0))
    return torch.stack(found)


def grad_cam(
    classifier: Classifier, images: torch.Tensor, targets: torch.Tensor, layer: str
) -> torch.Tensor:
    """Weight a layer's channels by their mean gradients (Grad-CAM, arxiv.org/abs/1610.02391).

    Parameters
    ----------
    classifier : Classifier
        Network.
    images : tensor of shape (N, 3, height, width)
        Preprocessed.
    targets : tensor of shape (N,), int64
        Classes.
    layer : str
        One of the classifier's layers that has places.

    Returns
    -------
    tensor of shape (N, height, width)
        At least 0; between the layer's places, interpolated.
    """
    found = []
    for part, wanted in zip(images.split(BATCH), targets.split(BATCH), strict=True):
        # Weights are frozen: without it nothing would have a gradient.
        scores, maps = classifier.scores_and_map(part.detach().requires_grad_(), layer)
        (gradients,) = torch.autograd.grad(scores.gather(1, wanted[:, None]).sum(), maps)
        weighted = (gradients.mean((2, 3), keepdim=True) * maps.detach()).sum(1, keepdim=True)
        found.append(weighted.relu())
    return functional.interpolate(torch.cat(found), images.shape[2:], mode="bilinear")[:, 0]
