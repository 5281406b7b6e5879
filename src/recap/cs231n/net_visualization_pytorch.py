"""CS231n's `net_visualization_pytorch`: what a network sees, with the course's names.

A model is, as in the course, a module that gives scores (N, C) of images (N, 3, H, W), such as
`torchvision.models.squeezenet1_1(pretrained=True)`.
"""

from types import SimpleNamespace

import torch
from PIL import Image
from torch import nn

from recap.cs231n.image_utils import SQUEEZENET_MEAN, SQUEEZENET_STD
from recap.cs231n.stand_ins.torchvision import transforms
from recap.cs231n.style_transfer_pytorch import preprocess as _preprocess
from recap.cs231n.style_transfer_pytorch import rescale
from recap.vision.class_steps import ascend, blur
from recap.vision.fooling_steps import fool
from recap.vision.saliency_maps import score_gradients
from recap.vision.settings import ClassVisualization, Fooling

__all__ = [
    "SQUEEZENET_MEAN",
    "SQUEEZENET_STD",
    "blur_image",
    "class_visualization_update_step",
    "compute_saliency_maps",
    "deprocess",
    "jitter",
    "make_fooling_image",
    "preprocess",
    "rescale",
    "torch",
]


def compute_saliency_maps(X: torch.Tensor, y: torch.Tensor, model: nn.Module) -> torch.Tensor:
    """Compute how much each pixel counts for the score of an image's class.

    Parameters
    ----------
    X : tensor of shape (N, 3, H, W)
        Images. They keep no gradient.
    y : tensor of shape (N,), int64
        Classes.
    model : torch.nn.Module
        Is put into evaluation mode.

    Returns
    -------
    tensor of shape (N, H, W)
        The largest absolute gradient over the channels.
    """
    return score_gradients(_classifier(model.eval()), X, y).abs().amax(1)


def make_fooling_image(X: torch.Tensor, target_y: int, model: nn.Module) -> torch.Tensor:
    """Change an image until it is taken for another class, by at most 100 steps of length 1.

    Parameters
    ----------
    X : tensor of shape (1, 3, H, W)
        Image; it stays as it is.
    target_y : int
        Class.
    model : torch.nn.Module
        Network.

    Returns
    -------
    tensor of shape (1, 3, H, W)
    """
    target = torch.tensor([target_y], device=X.device)
    fooled, _ = fool(_classifier(model), X, target, Fooling(), "course")
    return fooled


def class_visualization_update_step(
    img: torch.Tensor, model: nn.Module, target_y: int, l2_reg: float, learning_rate: float
) -> None:
    """Change an image in place, by a step up its score as a class less a penalty of its squares.

    The gradient is brought to length 1 first.

    Parameters
    ----------
    img : tensor of shape (1, 3, H, W)
        Image.
    model : torch.nn.Module
        Network.
    target_y : int
        Class.
    l2_reg : float
        Weight of the penalty.
    learning_rate : float
        Length of the step.
    """
    settings = ClassVisualization(l2=l2_reg, course_rate=learning_rate)
    target = torch.tensor([target_y], device=img.device)
    img.data.copy_(ascend(_classifier(model), img.data, target, settings))


def preprocess(img: Image.Image, size: int = 224) -> torch.Tensor:
    """Scale a picture's shorter side and normalise its colours: a tensor (1, 3, H, W)."""
    return _preprocess(img, size)


def deprocess(img: torch.Tensor, should_rescale: bool = True) -> Image.Image:
    """Turn a tensor (1, 3, H, W) into a picture.

    Scaled from black, the lowest value, to white, as the course does, which shifts colours; or
    with values beyond black and white cut off.
    """
    mean, std = map(torch.from_numpy, (SQUEEZENET_MEAN, SQUEEZENET_STD))
    colors = img[0].detach().cpu() * std[:, None, None] + mean[:, None, None]
    return transforms.ToPILImage()(rescale(colors) if should_rescale else colors.clamp(0, 1))


def blur_image(X: torch.Tensor, sigma: float = 1) -> torch.Tensor:
    """Blur images (N, 3, H, W) in place by a Gaussian of `sigma` pixels, and return them."""
    return X.copy_(blur(X, sigma))


def jitter(X: torch.Tensor, ox: int, oy: int) -> torch.Tensor:
    """Return images (N, 3, H, W) moved by `ox` pixels across and `oy` down, round the edges."""
    return X.roll((oy, ox), (2, 3))


def _classifier(model: nn.Module) -> SimpleNamespace:
    """Return what these methods need of a classifier: its scores."""
    return SimpleNamespace(scores=model)
