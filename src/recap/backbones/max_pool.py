"""Pooling over blocks of two by two."""

import torch
from torch import nn


class MaxPool2x2(nn.MaxPool2d):
    """The largest number of each block of two by two.

    PyTorch's own also notes where it stood, which gradients need. Without gradients this takes
    three quarters of its time, and gives the same.
    """

    def __init__(self) -> None:
        super().__init__(2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (N, channels, H, W) to (N, channels, H // 2, W // 2), channels last in memory."""
        if torch.is_grad_enabled() or x.shape[2] % 2 or x.shape[3] % 2:
            return super().forward(x)
        if x.is_cuda:
            blocks = x.permute(0, 2, 3, 1).unflatten(2, (-1, 2)).unflatten(1, (-1, 2))
            return blocks.amax((2, 4)).permute(0, 3, 1, 2)
        x = torch.maximum(x[:, :, ::2], x[:, :, 1::2])
        return torch.maximum(x[..., ::2], x[..., 1::2])
