"""SqueezeNet 1.1 with torchvision's modules; its weights are recap's."""

from typing import Any

import torch
from torch import nn

from recap.cs231n.places import find_resource
from recap.vision.networks import load_network

__all__ = ["squeezenet1_1"]


class SqueezeNet(nn.Module):
    """`features` and `classifier`, and the class scores (N, 1000) of pictures (N, 3, H, W)."""

    def __init__(self, features: nn.Sequential, classifier: nn.Sequential):
        super().__init__()
        self.features = features
        self.classifier = classifier

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the scores, unnormalised."""
        return self.classifier(self.features(x)).flatten(1)


def squeezenet1_1(pretrained: bool = False, *, weights: Any = None) -> SqueezeNet:
    """Load SqueezeNet 1.1, in evaluation mode.

    Parameters
    ----------
    pretrained : bool
        With ImageNet's weights: of a file `squeezenet1_1*` in `resources/weights`, or downloaded.
        Else they are random.
    weights : optional
        Later years' name of the same; anything but None asks for ImageNet's.

    Returns
    -------
    SqueezeNet
    """
    source = "random"
    if pretrained or weights is not None:
        source = str(find_resource("weights/squeezenet1_1*") or "imagenet")
    network = load_network("squeezenet1_1", source).network
    pool = nn.AdaptiveAvgPool2d(1)
    return SqueezeNet(network.features, nn.Sequential(*network.classifier, pool)).eval()
