"""CS231n's `style_transfer_pytorch`: style transfer, with the course's names and signatures."""

from collections.abc import Iterable, Sequence

import numpy as np
import torch
from PIL import Image
from torch import nn

from recap.cs231n.image_utils import SQUEEZENET_MEAN, SQUEEZENET_STD
from recap.cs231n.stand_ins.torchvision import models, transforms
from recap.vision.settings import StyleTransfer
from recap.vision.style_objective import StyleObjective, descend_adam

__all__ = [
    "content_loss",
    "deprocess",
    "dtype",
    "extract_features",
    "features_from_img",
    "gram_matrix",
    "preprocess",
    "rel_error",
    "rescale",
    "style_loss",
    "style_transfer",
    "tv_loss",
]

dtype = torch.cuda.FloatTensor if torch.cuda.is_available() else torch.FloatTensor


def content_loss(
    content_weight: float, content_current: torch.Tensor, content_original: torch.Tensor
) -> torch.Tensor:
    """Return the weighted sum of squared differences of two maps, a tensor of shape ()."""
    return content_weight * (content_current - content_original).square().sum()


def gram_matrix(features: torch.Tensor, normalize: bool = True) -> torch.Tensor:
    """Return the Gram matrices (N, C, C) of maps (N, C, H, W), divided by C H W if normalized."""
    rows = features.flatten(2)
    gram = rows @ rows.transpose(1, 2)
    return gram / features[0].numel() if normalize else gram


def style_loss(
    feats: Sequence[torch.Tensor],
    style_layers: Sequence[int],
    style_targets: Sequence[torch.Tensor],
    style_weights: Sequence[float],
) -> torch.Tensor:
    """Return the sum over layers of weighted squared differences of Gram matrices.

    Parameters
    ----------
    feats : sequence of tensor
        Map of each of the network's modules, as `extract_features` gives them.
    style_layers : sequence of int
        Which of them.
    style_targets, style_weights : sequence of tensor, sequence of float
        Gram matrix and weight of each style layer.
    """
    layers = zip(style_layers, style_targets, style_weights, strict=True)
    return sum(
        weight * (gram_matrix(feats[layer]) - target).square().sum()
        for layer, target, weight in layers
    )


def tv_loss(img: torch.Tensor, tv_weight: float) -> torch.Tensor:
    """Return the weighted sum of squared differences of neighbours in an image (1, 3, H, W)."""
    return tv_weight * sum(img.diff(dim=axis).square().sum() for axis in (2, 3))


def preprocess(img: Image.Image, size: int = 512) -> torch.Tensor:
    """Scale a picture's shorter side and normalise its colours: a tensor (1, 3, H, W)."""
    steps = [
        transforms.Resize(size),
        transforms.ToTensor(),
        transforms.Normalize(SQUEEZENET_MEAN.tolist(), SQUEEZENET_STD.tolist()),
    ]
    return transforms.Compose(steps)(img)[None]


def deprocess(img: torch.Tensor) -> Image.Image:
    """Turn a tensor (1, 3, H, W) into a picture from black, the lowest value, to white.

    This scaling is the course's and shifts colours; `recap transfer-style` writes what the network
    saw.
    """
    mean, std = map(torch.from_numpy, (SQUEEZENET_MEAN, SQUEEZENET_STD))
    colors = img[0].detach().cpu() * std[:, None, None] + mean[:, None, None]
    return transforms.ToPILImage()(rescale(colors))


def rescale(x: torch.Tensor) -> torch.Tensor:
    """Scale values linearly, the lowest to 0 and the highest to 1."""
    low, high = x.min(), x.max()
    return (x - low) / (high - low)


def rel_error(x: np.ndarray, y: np.ndarray) -> float:
    """Return the largest relative error of two arrays."""
    return np.max(np.abs(x - y) / np.maximum(1e-8, np.abs(x) + np.abs(y)))


def extract_features(x: torch.Tensor, cnn: nn.Sequential) -> list[torch.Tensor]:
    """Return the map of each of a network's modules, of images (N, 3, H, W)."""
    features = []
    for module in cnn:
        x = module(x)
        features.append(x)
    return features


def features_from_img(
    imgpath: str, imgsize: int, cnn: nn.Sequential | None = None
) -> tuple[list[torch.Tensor], torch.Tensor]:
    """Return the maps of a picture file, its shorter side scaled, and the image (1, 3, H, W)."""
    with Image.open(imgpath) as picture:
        img = preprocess(picture.convert("RGB"), size=imgsize).type(dtype)
    return extract_features(img, _network(cnn)), img


def style_transfer(
    content_image: str,
    style_image: str,
    image_size: int,
    style_size: int,
    content_layer: int,
    content_weight: float,
    style_layers: Sequence[int],
    style_weights: Sequence[float],
    tv_weight: float,
    init_random: bool = False,
    *,
    name: str = "",
    cnn: nn.Sequential | None = None,
) -> Image.Image:
    """Paint a picture in the style of another by the course's 200 steps of Adam.

    Parameters
    ----------
    content_image, style_image : str
        Picture files.
    image_size, style_size : int
        Pixels that their shorter sides are scaled to.
    content_layer : int
        Module whose map is to stay the content's.
    content_weight, tv_weight : float
        Weights of the content and of the total variation.
    style_layers, style_weights : sequence of int, sequence of float
        Modules whose Gram matrices are to become the style's, and their weights.
    init_random : bool
        Whether to start from random numbers of PyTorch's global generator, and not the content.
    name : str
        What later years' parameters are called; of no effect.
    cnn : torch.nn.Sequential, optional
        Network; SqueezeNet 1.1's features by default.

    Returns
    -------
    PIL.Image.Image
        Of `deprocess`.
    """
    cnn = _network(cnn)
    with torch.no_grad():
        of_content, content = features_from_img(content_image, image_size, cnn)
        of_style, _ = features_from_img(style_image, style_size, cnn)
        grams = [gram_matrix(of_style[layer])[0] for layer in style_layers]
    objective = StyleObjective(
        _NumberedMaps(cnn),
        {content_layer: (of_content[content_layer], content_weight)},
        dict(zip(style_layers, zip(grams, style_weights, strict=True), strict=True)),
        tv_weight,
    )
    start = torch.rand_like(content) if init_random else content
    image, _ = descend_adam(objective, start, StyleTransfer(optimizer="adam"), lambda image: None)
    return deprocess(image)


class _NumberedMaps:
    """The maps of a network's modules by their numbers."""

    def __init__(self, cnn: nn.Sequential):
        self.cnn = cnn

    def maps(self, images: torch.Tensor, numbers: Iterable[int]) -> dict[int, torch.Tensor]:
        """Return the maps of some modules."""
        features = extract_features(images, self.cnn[: max(numbers) + 1])
        return {number: features[number] for number in sorted(numbers)}


def _network(cnn: nn.Sequential | None) -> nn.Sequential:
    return models.squeezenet1_1(pretrained=True).features.type(dtype) if cnn is None else cnn
