"""Extraction of VGG-16's features as PyTorch's users write it: the contenders of `extract.py`.

Nothing here comes from recap.
"""

import io
import os
import zipfile
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import nn
from torch.utils.data import DataLoader, Dataset

CHANNELS = [64, 64, 0, 128, 128, 0, 256, 256, 256, 0, 512, 512, 512, 0, 512, 512, 512, 0]
MEAN, STD = (np.array(v, dtype=np.float32) for v in ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]))
BATCHES = {"cpu": 16, "cuda": 128, "mps": 32}
# Of each contender: whether workers decode, where channels lie, formats of weights and products.
USUAL = {
    "plain": (False, torch.contiguous_format, torch.float32, torch.float32),
    "float32": (True, torch.channels_last, torch.float32, torch.float32),
    "autocast": (True, torch.channels_last, torch.float32, torch.bfloat16),
    "bfloat16": (True, torch.channels_last, torch.bfloat16, torch.bfloat16),
}


class Photos(Dataset):
    """Photos of a zip archive, cut to 224x224 and normalised."""

    def __init__(self, archive: Path, names: Sequence[str]):
        self.archive, self.names = archive, names
        self.photos = None

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, number: int) -> torch.Tensor:
        # Not before: each worker opens the archive for itself.
        self.photos = self.photos or zipfile.ZipFile(self.archive)
        data = self.photos.read(f"train2014/{self.names[number]}")
        image = Image.open(io.BytesIO(data)).convert("RGB")
        scale = 256 / min(image.size)
        image = image.resize([round(side * scale) for side in image.size], Image.BILINEAR)
        left, top = (image.width - 224) // 2, (image.height - 224) // 2
        image = image.crop((left, top, left + 224, top + 224))
        pixels = (np.asarray(image, dtype=np.float32) / 255 - MEAN) / STD
        return torch.from_numpy(pixels.transpose(2, 0, 1))


def make_vgg16() -> nn.Sequential:
    """Return VGG-16 up to fc7 with He-normal weights; its keys are not torchvision's."""
    torch.manual_seed(0)
    layers: list[nn.Module] = []
    channels_in = 3
    for channels in CHANNELS:
        if channels:
            layers += [nn.Conv2d(channels_in, channels, 3, padding=1), nn.ReLU()]
            channels_in = channels
        else:
            layers.append(nn.MaxPool2d(2))
    layers += [nn.Flatten(), nn.Linear(25088, 4096), nn.ReLU(), nn.Linear(4096, 4096), nn.ReLU()]
    network = nn.Sequential(*layers)
    for parameter in network.parameters():
        if parameter.dim() > 1:
            nn.init.kaiming_normal_(parameter)
        else:
            nn.init.zeros_(parameter)
    return network.eval()


@cache
def network_on(device: str, weights: torch.dtype, channels: torch.memory_format) -> nn.Sequential:
    return make_vgg16().to(device, weights, memory_format=channels)


@torch.inference_mode()
def run_usual(contender: str, archive: Path, names: Sequence[str], device: str) -> np.ndarray:
    """Return the features of photos, (N, 4096) in float32, as a contender computes them."""
    workers, channels, weights, products = USUAL[contender]
    network = network_on(device, weights, channels)
    batches = DataLoader(
        Photos(archive, names),
        batch_size=BATCHES[device],
        num_workers=os.cpu_count() if workers else 0,
        pin_memory=workers and device == "cuda",
    )
    rows = []
    with torch.autocast(device, products, enabled=products != weights):
        for batch in batches:
            pixels = batch.to(device, non_blocking=True).to(weights, memory_format=channels)
            rows.append(network(pixels).float().cpu().numpy())
    return np.concatenate(rows)
