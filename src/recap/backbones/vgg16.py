"""VGG-16 (Simonyan and Zisserman, https://arxiv.org/abs/1409.1556, configuration D)."""

import torch
from torch import nn

CHANNELS = [64, 64, "pool", 128, 128, "pool", *[256] * 3, "pool", *2 * [*[512] * 3, "pool"]]


class VGG16(nn.Module):
    """VGG-16 up to fc7, after its ReLU; the class scores are left out.

    State dict keys are torchvision's.
    """

    layer = "fc7"
    feature_dim = 4096

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        channels_in = 3
        for channels in CHANNELS:
            if channels == "pool":
                layers.append(nn.MaxPool2d(2))
            else:
                layers += [nn.Conv2d(channels_in, channels, 3, padding=1), nn.ReLU(inplace=True)]
                channels_in = channels
        self.features = nn.Sequential(*layers)
        # Dropout keeps the keys of the linear layers at torchvision's 0 and 3.
        self.classifier = nn.Sequential(
            nn.Linear(512 * 7 * 7, 4096),
            nn.ReLU(inplace=True),
            nn.Dropout(),
            nn.Linear(4096, 4096),
            nn.ReLU(inplace=True),
        )

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Compute fc7.

        Parameters
        ----------
        images : tensor of shape (N, 3, 224, 224)
            Preprocessed.

        Returns
        -------
        tensor of shape (N, 4096)
            Not negative.
        """
        return self.classifier(self.features(images).flatten(1))
