"""A convolution that does the ReLU that follows it."""

import torch
from torch import nn


class ConvReLU(nn.Conv2d):
    """A convolution and its ReLU; parameters as of `torch.nn.Conv2d`.

    Without gradients, on a processor, both are one pass over memory, by the kernels that PyTorch's
    compiler takes; the numbers are those of two passes, to the last bit. The keys of its weights
    are those of `torch.nn.Conv2d`.
    """

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (N, channels_in, H, W) to (N, channels, H', W'), of the same number format."""
        if torch.is_grad_enabled() or not _has_kernel(x):
            return super().forward(x).relu_()
        form = list(self.padding), list(self.stride), list(self.dilation), self.groups
        return torch.ops.mkldnn._convolution_pointwise(
            x, self.weight, self.bias, *form, "relu", [], ""
        )


def _has_kernel(x: torch.Tensor) -> bool:
    """Return whether there is one for both: oneDNN may be missing, or have no such numbers."""
    if x.device.type != "cpu" or not torch.backends.mkldnn.is_available():
        return False
    return x.dtype == torch.float32 or (
        x.dtype == torch.bfloat16 and torch.ops.mkldnn._is_mkldnn_bf16_supported()
    )
