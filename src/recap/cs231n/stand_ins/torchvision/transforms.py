"""Steps from a picture to a network's input and back, as torchvision's."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from PIL import Image

from recap.backbones.preprocessing import Preprocessing

__all__ = ["CenterCrop", "Compose", "Lambda", "Normalize", "Resize", "Scale", "ToPILImage"]
__all__ += ["ToTensor"]


@dataclass
class Compose:
    """One step after the other."""

    transforms: Sequence[Callable]

    def __call__(self, x: Any) -> Any:
        """Return what the last step makes."""
        for transform in self.transforms:
            x = transform(x)
        return x


@dataclass
class Lambda:
    """A function as a step."""

    lambd: Callable

    def __call__(self, x: Any) -> Any:
        """Return what the function makes."""
        return self.lambd(x)


@dataclass
class Resize:
    """Scale a PIL image, bilinearly: its shorter side to a number, or both to (height, width)."""

    size: int | tuple[int, int]

    def __call__(self, image: Image.Image) -> Image.Image:
        """Return the scaled image."""
        if isinstance(self.size, int):
            return Preprocessing(resize=self.size).scale(image, self.size)
        return image.resize(self.size[::-1], Image.Resampling.BILINEAR)


Scale = Resize  # its name of 2017


@dataclass
class CenterCrop:
    """Cut the centre out of a PIL image: a square, or (height, width)."""

    size: int | tuple[int, int]

    def __call__(self, image: Image.Image) -> Image.Image:
        """Return the centre."""
        height, width = (self.size, self.size) if isinstance(self.size, int) else self.size
        left, top = round((image.width - width) / 2), round((image.height - height) / 2)
        return image.crop((left, top, left + width, top + height))


class ToTensor:
    """Turn a picture of bytes, (H, W, C) or (H, W), into a float tensor (C, H, W) from 0 to 1."""

    def __call__(self, picture: Image.Image | np.ndarray) -> torch.Tensor:
        """Return the tensor."""
        pixels = torch.from_numpy(np.array(picture))
        pixels = pixels[None] if pixels.dim() == 2 else pixels.permute(2, 0, 1).contiguous()
        return pixels.float() / 255 if pixels.dtype == torch.uint8 else pixels


@dataclass
class Normalize:
    """Subtract a mean from each channel of a tensor (C, H, W), and divide by a deviation."""

    mean: Sequence[float]
    std: Sequence[float]

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        """Return the scaled tensor."""
        mean, std = (torch.tensor(list(part), dtype=x.dtype) for part in (self.mean, self.std))
        return (x - mean[:, None, None]) / std[:, None, None]


class ToPILImage:
    """Turn a float tensor (C, H, W) from 0 to 1 into a PIL image."""

    def __call__(self, x: torch.Tensor) -> Image.Image:
        """Return the image."""
        pixels = x.detach().mul(255).byte().permute(1, 2, 0).numpy()
        return Image.fromarray(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels)
