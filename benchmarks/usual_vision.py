"""Style transfer as in CS231n's third assignment, written plainly; imports nothing of recap."""

from collections.abc import Callable

import torch
from torch import nn

STYLE_LAYERS, STYLE_WEIGHTS = (1, 4, 6, 7), (300_000, 1000, 15, 3)
CONTENT_LAYER, CONTENT_WEIGHT, TV_WEIGHT = 3, 6e-2, 2e-2


class Fire(nn.Module):
    """SqueezeNet's module."""

    def __init__(self, channels_in: int, squeezed: int, expanded: int):
        super().__init__()
        self.squeeze = nn.Conv2d(channels_in, squeezed, 1)
        self.expand1x1 = nn.Conv2d(squeezed, expanded, 1)
        self.expand3x3 = nn.Conv2d(squeezed, expanded, 3, padding=1)
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (N, channels_in, H, W) to (N, 2 * expanded, H, W)."""
        x = self.relu(self.squeeze(x))
        return torch.cat([self.relu(self.expand1x1(x)), self.relu(self.expand3x3(x))], 1)


def squeezenet_features() -> nn.Sequential:
    """Return the features of SqueezeNet 1.1, frozen, with the keys of torchvision's."""
    modules = [nn.Conv2d(3, 64, 3, stride=2), nn.ReLU(inplace=True)]
    channels = 64
    for pooled, squeezed in (
        (1, 16),
        (0, 16),
        (1, 32),
        (0, 32),
        (1, 48),
        (0, 48),
        (0, 64),
        (0, 64),
    ):
        if pooled:
            modules.append(nn.MaxPool2d(3, stride=2, ceil_mode=True))
        modules.append(Fire(channels, squeezed, 4 * squeezed))
        channels = 8 * squeezed
    return nn.Sequential(*modules).requires_grad_(False)


def extract_features(x: torch.Tensor, features: nn.Sequential) -> list[torch.Tensor]:
    """Return the map of each module."""
    maps = []
    for module in features:
        x = module(x)
        maps.append(x)
    return maps


def gram_matrix(features: torch.Tensor) -> torch.Tensor:
    """Return the Gram matrices (N, C, C) of maps (N, C, H, W)."""
    many, channels, height, width = features.shape
    rows = features.reshape(many, channels, height * width)
    return rows.matmul(rows.permute(0, 2, 1)) / (channels * height * width)


def paint(
    content: torch.Tensor, style: torch.Tensor, features: nn.Sequential
) -> Callable[[int], float]:
    """Return a function that takes steps from the content on, and returns the last one's loss."""
    with torch.no_grad():
        target = extract_features(content, features)[CONTENT_LAYER]
        maps = extract_features(style, features)
        grams = [gram_matrix(maps[layer]) for layer in STYLE_LAYERS]

    def run(steps: int) -> float:
        image = content.clone().requires_grad_()
        optimizer = torch.optim.Adam([image], lr=3.0)
        for _ in range(steps):
            image.data.clamp_(-1.5, 1.5)
            optimizer.zero_grad()
            maps = extract_features(image, features)
            loss = CONTENT_WEIGHT * ((maps[CONTENT_LAYER] - target) ** 2).sum()
            for layer, weight, gram in zip(STYLE_LAYERS, STYLE_WEIGHTS, grams, strict=True):
                loss = loss + weight * ((gram_matrix(maps[layer]) - gram) ** 2).sum()
            below = image[:, :, 1:, :] - image[:, :, :-1, :]
            beside = image[:, :, :, 1:] - image[:, :, :, :-1]
            loss = loss + TV_WEIGHT * ((below**2).sum() + (beside**2).sum())
            loss.backward()
            optimizer.step()
        return float(loss.detach())

    return run
