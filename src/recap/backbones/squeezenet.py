"""SqueezeNet 1.0 and 1.1 (Iandola et al., https://arxiv.org/abs/1602.07360)."""

from collections.abc import Iterable

import torch
from torch import nn

from recap.backbones.conv_relu import ConvReLU
from recap.backbones.maps import FIRES, MAPS
from recap.backbones.network import Network

# Side of the first kernels, and the fire modules that have a pooling before them.
VERSIONS = {
    "squeezenet1_0": (7, {"fire2", "fire5", "fire9"}),
    "squeezenet1_1": (3, {"fire2", "fire4", "fire6"}),
}


class Fire(nn.Module):
    """A 1x1 convolution that squeezes, then 1x1 and 3x3 convolutions side by side."""

    def __init__(self, channels_in: int, channels: int):
        super().__init__()
        squeezed, expanded = channels // 8, channels // 2
        self.squeeze = ConvReLU(channels_in, squeezed, 1)
        self.expand1x1 = ConvReLU(squeezed, expanded, 1)
        self.expand3x3 = ConvReLU(squeezed, expanded, 3, padding=1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (N, channels_in, H, W) to (N, channels, H, W)."""
        x = self.squeeze(x)
        return torch.cat([self.expand1x1(x), self.expand3x3(x)], dim=1)


class SqueezeNet(Network):
    """SqueezeNet; its class scores are the means of `conv10`.

    All maps are taken after the ReLU. State dict keys are torchvision's.

    Parameters
    ----------
    version : {"squeezenet1_0", "squeezenet1_1"}
        Which of the two; 1.1 takes 2.4 times less work.
    names : iterable of str
        Maps that will be asked for: what follows the last of them is left out. All by default.
    """

    def __init__(self, version: str, names: Iterable[str] = ()) -> None:
        side, pooled = VERSIONS[version]
        channels = MAPS[version]["conv1"]
        # What passes on keeps the keys of the weights at torchvision's.
        features: list[nn.Module] = [ConvReLU(3, channels, side, stride=2), nn.Identity()]
        ends = {"conv1": len(features)}
        for name, channels_out in FIRES.items():
            if name in pooled:
                features.append(nn.MaxPool2d(3, stride=2, ceil_mode=True))
            features.append(Fire(channels, channels_out))
            channels = channels_out
            ends[name] = len(features)
        classifier = [nn.Dropout(), ConvReLU(channels, 1000, 1), nn.Identity()]
        ends["conv10"] = len(features) + len(classifier)
        super().__init__(features, classifier, ends, names)
