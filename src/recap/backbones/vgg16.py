"""VGG-16 (Simonyan and Zisserman, https://arxiv.org/abs/1409.1556, configuration D)."""

import torch
from torch import nn

from recap.backbones.layer_names import GRID, GRIDS, VGG16_CONVOLUTIONS, VGG16_LINEAR
from recap.backbones.pooling import mean_of_regions

CHANNELS = [64, 64, "pool", 128, 128, "pool", *[256] * 3, "pool", *2 * [*[512] * 3, "pool"]]


class VGG16(nn.Module):
    """VGG-16 up to one of its layers; what follows is left out.

    State dict keys are torchvision's.

    Parameters
    ----------
    layer : str
        Where to stop. `fc6`, `fc7`: after the ReLU, (N, 4096); `fc6_before_relu`,
        `fc7_before_relu`: without it; `fc8`: the class scores, (N, 1000); `conv1_1` to `conv5_3`:
        after the ReLU, the mean over the image's positions, (N, channels); `conv5_3_grid`: the
        means over 7x7 regions, row by row, (N, 49 x 512).

    Attributes
    ----------
    feature_dim : int
        Numbers an image.
    """

    def __init__(self, layer: str = "fc7") -> None:
        super().__init__()
        layers: list[nn.Module] = []
        ends = {}
        names = iter(VGG16_CONVOLUTIONS)
        channels_in = 3
        for channels in CHANNELS:
            if channels == "pool":
                layers.append(nn.MaxPool2d(2))
            else:
                layers += [nn.Conv2d(channels_in, channels, 3, padding=1), nn.ReLU(inplace=True)]
                channels_in = channels
                ends[next(names)] = len(layers), channels
        self.grid = layer == GRIDS["vgg16"]
        convolutions, self.feature_dim = ends.get(layer.removesuffix("_grid"), (len(layers), 0))
        if self.grid:
            self.feature_dim *= GRID**2
        self.features = nn.Sequential(*layers[:convolutions])
        self.classifier = None
        if layer in VGG16_LINEAR:
            # Dropout keeps the keys of the linear layers at torchvision's 0, 3 and 6.
            linear = [
                nn.Linear(512 * 7 * 7, 4096),
                nn.ReLU(inplace=True),
                nn.Dropout(),
                nn.Linear(4096, 4096),
                nn.ReLU(inplace=True),
                nn.Dropout(),
                nn.Linear(4096, 1000),
            ]
            end = [1, 2, 4, 5, 7][VGG16_LINEAR.index(layer)]
            self.classifier = nn.Sequential(*linear[:end])
            self.feature_dim = 1000 if layer == "fc8" else 4096

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Compute the layer.

        Parameters
        ----------
        images : tensor of shape (N, 3, 224, 224)
            Preprocessed.

        Returns
        -------
        tensor of shape (N, feature_dim)
        """
        features = self.features(images)
        if self.grid:
            return mean_of_regions(features)
        if self.classifier is None:
            return features.mean((2, 3))
        return self.classifier(features.flatten(1))
