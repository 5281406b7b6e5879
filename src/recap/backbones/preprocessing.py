"""Turn photos into what a network sees, and back."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Literal

import numpy as np
import torch
from PIL import Image

# How many times as long as wide an image may be and still be resized whole.
MOST_STRETCHED = 256


@dataclass(frozen=True)
class Preprocessing:
    """How a backbone's weights want their images.

    Attributes
    ----------
    resize : int or None
        Length in pixels that the shorter side is scaled to before the centre is cut out; None to
        scale the whole image to the square, whatever its shape.
    crop : int
        Side in pixels of the square.
    resample : {"bilinear", "bicubic"}
        How pixels are interpolated; with antialiasing.
    channels : {"RGB", "BGR"}
        Their order.
    mean, std : tuple of float
        Per channel, in that order, of values in [0, 1].
    """

    resize: int | None
    crop: int = 224
    resample: Literal["bilinear", "bicubic"] = "bilinear"
    channels: Literal["RGB", "BGR"] = "RGB"
    mean: tuple[float, float, float] = (0.485, 0.456, 0.406)
    std: tuple[float, float, float] = (0.229, 0.224, 0.225)

    @property
    def seen(self) -> float:
        """The share of an image's shorter side that the square has; 0 for the whole image."""
        return self.crop / self.resize if self.resize else 0.0

    def __str__(self) -> str:
        """Describe the steps in words, for the attributes of a feature file."""
        how = f"({self.resample}, antialiased)"
        if self.resize is None:
            scaled = f"whole image to {self.crop} x {self.crop} {how}"
        else:
            scaled = f"shorter side to {self.resize} {how}, centre {self.crop}"
        return f"{self.channels}, {scaled}, scaled to [0, 1], mean {self.mean}, std {self.std}"

    def scale(self, image: Image.Image, short: int) -> Image.Image:
        """Scale an image, pixel by pixel as torchvision does.

        Of a strip that is more than `MOST_STRETCHED` times as long as wide, only the middle is
        looked at: resized whole, it might not fit into memory.

        Parameters
        ----------
        image : PIL.Image.Image
            In RGB.
        short : int
            Length in pixels that the shorter side is scaled to; the longer is truncated.
        """
        side = min(image.size)
        image = _cut_middle(image, [min(length, MOST_STRETCHED * side) for length in image.size])
        size = tuple(int(short * length / side) for length in image.size)
        return image.resize(size, self._resample)

    def cut(self, image: Image.Image) -> np.ndarray:
        """Resize an image and cut out its centre, pixel by pixel as torchvision does.

        Parameters
        ----------
        image : PIL.Image.Image
            In RGB.

        Returns
        -------
        array of shape (crop, crop, 3), uint8
            In RGB.
        """
        if self.resize is None:
            return np.array(image.resize((self.crop, self.crop), self._resample))
        # Of a margin's odd pixel, the half is rounded to even.
        return np.array(_cut_middle(self.scale(image, self.resize), [self.crop, self.crop]))

    def arrange(self, pixels: torch.Tensor) -> torch.Tensor:
        """Put pixels and their channels into torch's order and that of the weights.

        Parameters
        ----------
        pixels : tensor of shape (N, height, width, 3)
            In RGB.

        Returns
        -------
        tensor of shape (N, 3, height, width)
            Channels last in memory, as they are already: a view in torch's order costs nothing.
        """
        return self._swap(pixels.permute(0, 3, 1, 2))

    def preprocess(self, pixels: torch.Tensor) -> torch.Tensor:
        """Put the channels into the order of the weights, subtract their means and scale them.

        Parameters
        ----------
        pixels : tensor of shape (N, height, width, 3)
            In RGB, from 0 to 255.

        Returns
        -------
        tensor of shape (N, 3, height, width), float32
        """
        images = self.arrange(pixels).float()
        mean, std = _on_device((self.mean, self.std), pixels.device)
        return torch.addcmul(-mean / std, images, 1 / (255 * std))

    def deprocess(self, images: torch.Tensor) -> torch.Tensor:
        """Return the pixels that are nearest to what a network sees: the inverse of `preprocess`.

        Parameters
        ----------
        images : tensor of shape (N, 3, height, width)

        Returns
        -------
        tensor of shape (N, height, width, 3), uint8
            In RGB.
        """
        return self.unbounded_pixels(images).round().clamp(0, 255).byte()

    def unbounded_pixels(self, images: torch.Tensor) -> torch.Tensor:
        """Return pixels as `deprocess` does, but neither rounded nor kept between 0 and 255."""
        mean, std = _on_device((self.mean, self.std), images.device)
        return self._swap(255 * (images.float() * std + mean)).permute(0, 2, 3, 1)

    @property
    def _resample(self) -> Image.Resampling:
        return Image.Resampling[self.resample.upper()]

    def _swap(self, images: torch.Tensor) -> torch.Tensor:
        """Turn RGB into the order of the weights, or back."""
        return images.flip(1) if self.channels == "BGR" else images


@cache
@torch.inference_mode(False)  # Numbers that were made in that mode have no part in gradients.
def _on_device(values: tuple[tuple[float, ...], ...], device: torch.device) -> list[torch.Tensor]:
    """Return numbers of each channel. Kept there: a copy to a GPU would wait for its work."""
    return [torch.tensor(numbers, device=device).view(3, 1, 1) for numbers in values]


def _cut_middle(image: Image.Image, size: Sequence[int]) -> Image.Image:
    low = [round((side - kept) / 2) for side, kept in zip(image.size, size, strict=True)]
    return image.crop((*low, *(start + kept for start, kept in zip(low, size, strict=True))))
