"""SqueezeNet 1.0 (Iandola et al., https://arxiv.org/abs/1602.07360)."""

import torch
from torch import nn


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
    """SqueezeNet 1.0 with its last two layers pooled over the image.

    State dict keys are torchvision's. The network has no fully connected layer to take the place
    of fc7; the mean and the maximum of fire9 say which patterns there are, and the mean of conv10
    which ImageNet classes.
    """

    layer = "fire9 (mean, maximum), conv10 (mean)"
    feature_dim = 512 + 512 + 1000

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(3, 96, 7, stride=2),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(3, stride=2, ceil_mode=True),
            Fire(96, 16, 64),
            Fire(128, 16, 64),
            Fire(128, 32, 128),
            nn.MaxPool2d(3, stride=2, ceil_mode=True),
            Fire(256, 32, 128),
            Fire(256, 48, 192),
            Fire(384, 48, 192),
            Fire(384, 64, 256),
            nn.MaxPool2d(3, stride=2, ceil_mode=True),
            Fire(512, 64, 256),
        )
        self.classifier = nn.Sequential(
            nn.Dropout(), nn.Conv2d(512, 1000, 1), nn.ReLU(inplace=True)
        )

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Compute the pooled features.

        Parameters
        ----------
        images : tensor of shape (N, 3, 224, 224)
            Preprocessed.

        Returns
        -------
        tensor of shape (N, 2024)
            Not negative.
        """
        fire9 = self.features(images)
        conv10 = self.classifier(fire9)
        return torch.cat([fire9.mean((2, 3)), fire9.amax((2, 3)), conv10.mean((2, 3))], dim=1)
