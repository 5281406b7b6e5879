"""SqueezeNet 1.0 (Iandola et al., https://arxiv.org/abs/1602.07360)."""

import torch
from torch import nn

from recap.backbones.layer_names import GRID, GRIDS
from recap.backbones.pooling import mean_of_regions

# Channels of each fire module: squeezed, and of each half that is expanded.
FIRES = [
    ("fire2", 16, 64),
    ("fire3", 16, 64),
    ("fire4", 32, 128),
    ("fire5", 32, 128),
    ("fire6", 48, 192),
    ("fire7", 48, 192),
    ("fire8", 64, 256),
    ("fire9", 64, 256),
]


class Fire(nn.Module):
    """A 1x1 convolution that squeezes, then 1x1 and 3x3 convolutions side by side."""

    def __init__(self, channels_in: int, squeezed: int, expanded: int):
        super().__init__()
        self.squeeze = nn.Conv2d(channels_in, squeezed, 1)
        self.expand1x1 = nn.Conv2d(squeezed, expanded, 1)
        self.expand3x3 = nn.Conv2d(squeezed, expanded, 3, padding=1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (N, channels_in, H, W) to (N, 2 expanded, H, W)."""
        x = self.squeeze(x).relu()
        return torch.cat([self.expand1x1(x).relu(), self.expand3x3(x).relu()], dim=1)


class SqueezeNet(nn.Module):
    """SqueezeNet 1.0 up to one of its layers, pooled over the image.

    State dict keys are torchvision's. The network has no fully connected layer to take the place
    of fc7; the mean and the maximum of fire9 say which patterns there are, and the mean of conv10
    which ImageNet classes.

    Parameters
    ----------
    layer : str
        Where to stop. `conv1`, `fire2` to `fire9`: mean and maximum over the image's positions,
        (N, 2 channels); `conv10`: the class scores, (N, 1000); `fire9_conv10`: both, (N, 2024);
        `fire9_grid`: the means over 7x7 regions, row by row, (N, 49 x 512).

    Attributes
    ----------
    feature_dim : int
        Numbers an image.
    """

    def __init__(self, layer: str = "fire9_conv10") -> None:
        super().__init__()
        layers: list[nn.Module] = [nn.Conv2d(3, 96, 7, stride=2), nn.ReLU(inplace=True)]
        ends = {"conv1": (len(layers), 96)}
        channels_in = 96
        for name, squeezed, expanded in FIRES:
            if name in ("fire2", "fire5", "fire9"):
                layers.append(nn.MaxPool2d(3, stride=2, ceil_mode=True))
            layers.append(Fire(channels_in, squeezed, expanded))
            channels_in = 2 * expanded
            ends[name] = len(layers), channels_in
        end, channels = ends.get(layer, ends["fire9"])
        self.features = nn.Sequential(*layers[:end])
        self.classifier = None
        self.grid = layer == GRIDS["squeezenet1_0"]
        self.pooled = layer != "conv10" and not self.grid
        self.feature_dim = 2 * channels if self.pooled else 0
        if self.grid:
            self.feature_dim = GRID**2 * channels
        if layer.endswith("conv10"):
            self.classifier = nn.Sequential(
                nn.Dropout(), nn.Conv2d(512, 1000, 1), nn.ReLU(inplace=True)
            )
            self.feature_dim += 1000

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Compute the pooled features.

        Parameters
        ----------
        images : tensor of shape (N, 3, 224, 224)
            Preprocessed.

        Returns
        -------
        tensor of shape (N, feature_dim)
            Not negative.
        """
        maps = self.features(images)
        if self.grid:
            return mean_of_regions(maps)
        parts = [maps.mean((2, 3)), maps.amax((2, 3))] if self.pooled else []
        if self.classifier is not None:
            parts.append(self.classifier(maps).mean((2, 3)))
        return torch.cat(parts, dim=1)
