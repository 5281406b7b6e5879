"""A convolution that does the ReLU that follows it."""

import torch
from torch import nn
from torch.nn import functional as F  # noqa: N812

# For the three of a photo cuDNN takes a kernel that is three times as slow as that for so many.
CUDNN_CHANNELS = 32


class ConvReLU(nn.Conv2d):
    """A convolution and its ReLU; parameters as of `torch.nn.Conv2d`.

    Without gradients both are one pass over memory, by the kernels that PyTorch's compiler takes:
    oneDNN's on a processor, where the numbers are those of two passes to the last bit, and for 16
    bits cuDNN's on a GPU, where they are rounded once instead of three times. The keys of its
    weights are those of `torch.nn.Conv2d`.
    """

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (N, channels_in, H, W) to (N, channels, H', W'), of the same number format."""
        if torch.is_grad_enabled() or not _has_kernel(x):
            return super().forward(x).relu_()
        stride, padding, dilation = map(list, (self.stride, self.padding, self.dilation))
        if x.is_cuda:
            weight, missing = self.weight, CUDNN_CHANNELS - x.shape[1]
            if missing > 0 and self.groups == 1:
                x, weight = (F.pad(part, (0, 0, 0, 0, 0, missing)) for part in (x, weight))
            return torch.cudnn_convolution_relu(
                x, weight, self.bias, stride, padding, dilation, self.groups
            )
        return torch.ops.mkldnn._convolution_pointwise(
            x, self.weight, self.bias, padding, stride, dilation, self.groups, "relu", [], ""
        )


def _has_kernel(x: torch.Tensor) -> bool:
    """Return whether there is one for both: a library may be missing, or have no such numbers."""
    if x.is_cuda:
        return torch.backends.cudnn.is_available() and x.dtype.itemsize == 2
    if x.device.type != "cpu" or not torch.backends.mkldnn.is_available():
        return False
    return x.dtype == torch.float32 or (
        x.dtype == torch.bfloat16 and torch.ops.mkldnn._is_mkldnn_bf16_supported()
    )
