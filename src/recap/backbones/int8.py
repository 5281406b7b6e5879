"""A backbone in integers of 8 bits, on a processor.

Pixels and maps are uint8, weights int8 with a scale for each output channel, sums int32. A map's
scale is found on photos: its largest number there becomes 255. The kernels are those that PyTorch's
compiler takes for quantised networks.

Of a weight's bits, 7 are used. A processor without instructions for such sums (VNNI, AMX) adds
products in pairs of 16 bits, which 8 would overflow; with 7, all processors find the same sums.
"""

import json
import math
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn

from recap.backbones.conv_relu import ConvReLU
from recap.backbones.load import Backbone
from recap.backbones.network import Network
from recap.backbones.preprocessing import Preprocessing
from recap.backbones.squeezenet import Fire
from recap.core.errors import InputError

LARGEST, LARGEST_WEIGHT = 255, 63

Step = Callable[[torch.Tensor], torch.Tensor]


def find_scales(
    backbone: Backbone, names: Iterable[str], batches: Iterable[torch.Tensor]
) -> dict[str, float]:
    """Find what a step of each map in integers is worth.

    Parameters
    ----------
    backbone : Backbone
        In float32, on a processor.
    names : iterable of str
        Maps that will be asked for.
    batches : iterable of tensor of shape (N, crop, crop, 3), uint8
        Photos, as `Preprocessing.cut` makes them.

    Returns
    -------
    dict of str to float
        By the name of a convolution or linear layer. Of three digits, so that the last bits of sums
        in float32 count for nothing.
    """
    largest: dict[str, float] = {}

    def watch(name: str, layer: nn.Module) -> torch.utils.hooks.RemovableHandle:
        def see(layer: nn.Module, inputs: tuple, output: torch.Tensor) -> None:
            largest[name] = max(largest.get(name, 0.0), output.max().item())

        return layer.register_forward_hook(see)

    layers = backbone.network.named_modules()
    handles = [watch(name, layer) for name, layer in layers if _has_weights(layer)]
    with torch.inference_mode():
        for pixels in batches:
            backbone.network.maps(backbone.preprocessing.preprocess(pixels), names)
    for handle in handles:
        handle.remove()
    # Where no number is above zero, any scale will do.
    return {name: float(f"{value / LARGEST:.3g}") or 1.0 for name, value in largest.items()}


def parse_scales(text: Any, network: Network, path: Path) -> dict[str, float]:
    """Return the scales that a file holds.

    Parameters
    ----------
    text
        What stands in the file in their place: JSON, if it is not damaged.
    network : Network
        The one that is to compute.
    path : Path
        The file, named in the error.

    Raises
    ------
    InputError
        If they are not positive numbers, one for each layer of the network that has weights.
    """
    try:
        scales = json.loads(text)
    except (TypeError, ValueError, RecursionError):
        scales = None
    names = {name for name, layer in network.named_modules() if _has_weights(layer)}
    if not (
        isinstance(scales, dict)
        and scales.keys() == names
        and all(type(scale) is float and 0 < scale < math.inf for scale in scales.values())
    ):
        raise InputError(
            f"{path} is damaged: its scales of int8 do not fit the network; make it again."
        )
    return scales


class Int8Network:
    """A backbone's network with weights and maps in integers.

    Sums of integers are exact. How one is rounded to 8 bits is the kernel's: which that is depends
    on the processor, and may depend on the batch and the threads.

    Parameters
    ----------
    backbone : Backbone
        In float32; it stays as it is. Nothing follows the last map that will be asked for.
    scales : mapping of str to float
        What `find_scales` found for it.
    """

    def __init__(self, backbone: Backbone, scales: Mapping[str, float]):
        network = backbone.network
        self._ends = network.ends
        self._arrange = backbone.preprocessing.arrange
        # A step for each module, and the scale of what it gives: None for float32, at the end.
        self._steps: list[tuple[Step, float | None]] = []
        named = {module: name for name, module in network.named_modules()}
        modules = [*network.features, *network.classifier]
        last = [module for module in modules if [*module.parameters()]][-1]
        scale, preprocessing = 1.0, backbone.preprocessing
        for module, following in zip(modules, [*modules[1:], None], strict=True):
            step, name = _pass_on, named[module]
            if isinstance(module, Fire):
                squeezed = scales[f"{name}.squeeze"]
                expands = [module.expand1x1, module.expand3x3]
                found = max(scales[f"{name}.expand1x1"], scales[f"{name}.expand3x3"])
                given = None if module is last else found
                step = _fire(
                    _layer(module.squeeze, scale, squeezed, relu=True),
                    [_layer(half, squeezed, given, relu=True) for half in expands],
                )
                scale = given
            elif _has_weights(module):
                given = None if module is last else scales[name]
                relu = isinstance(module, ConvReLU) or isinstance(following, nn.ReLU)
                step = _layer(module, scale, given, relu, preprocessing)
                scale, preprocessing = given, None
            elif isinstance(module, nn.MaxPool2d):
                step = _pooling(module)
            elif isinstance(module, nn.Flatten):
                step = module
            self._steps.append((step, scale))

    def maps(self, pixels: torch.Tensor, names: Iterable[str]) -> dict[str, torch.Tensor]:
        """Compute maps.

        Parameters
        ----------
        pixels : tensor of shape (N, crop, crop, 3), uint8
            As `Preprocessing.cut` makes them.
        names : iterable of str
            As `Network.maps` takes them.

        Returns
        -------
        dict of str to tensor
            As `Network.maps` gives them, float32.
        """
        wanted = {self._ends[name]: name for name in names}
        found = {}
        x = self._arrange(pixels)
        for number, (step, scale) in enumerate(self._steps, 1):
            x = step(x)
            if number in wanted:
                found[wanted[number]] = x if scale is None else x.float() * scale
        return found


def _has_weights(module: nn.Module) -> bool:
    return isinstance(module, nn.Conv2d | nn.Linear)


def _pass_on(x: torch.Tensor) -> torch.Tensor:
    """Stand for what does nothing here: dropout, and a ReLU that its layer has done."""
    return x


def _fire(squeeze: Step, expands: list[Step]) -> Step:
    def step(x: torch.Tensor) -> torch.Tensor:
        x = squeeze(x)
        return torch.cat([expand(x) for expand in expands], dim=1)

    return step


def _pooling(module: nn.MaxPool2d) -> Step:
    size, stride = [module.kernel_size] * 2, [module.stride] * 2
    # It takes plain uint8, too, unlike the pooling for numbers of other types.
    return lambda x: torch.ops.quantized.max_pool2d(
        x, size, stride, [0, 0], [1, 1], module.ceil_mode
    )


def _layer(
    layer: nn.Conv2d | nn.Linear,
    scale: float,
    given: float | None,
    relu: bool,
    preprocessing: Preprocessing | None = None,
) -> Step:
    """Return a convolution or linear layer in integers, with the ReLU that may follow it.

    What comes in has the scale `scale`; what it gives is uint8 of the scale `given`, or float32 if
    that is None. The preprocessing of a layer that takes pixels becomes part of its numbers.
    """
    weight, bias, margin = layer.weight, layer.bias, None
    if preprocessing:
        weight = weight.double() / (255 * _channels(preprocessing.std))
    # A copy of the weights of VGG-16's fc6 takes 400 MB: the fewest are made.
    largest = torch.linalg.vector_norm(weight.flatten(1), float("inf"), dim=1)
    steps = torch.where(largest > 0, largest / LARGEST_WEIGHT, 1.0)
    integers = (weight / steps.view(-1, *[1] * (weight.dim() - 1))).round_().char()
    if preprocessing:
        mean = 255 * _channels(preprocessing.mean)
        # Of the weights as they are rounded: the error of a photo's mean colour cancels out.
        bias = bias - steps * (integers * mean).flatten(1).sum(1)
        # What is beyond the edge is the mean, and not black.
        margin = mean.round().byte()
    out = (1.0, 0, torch.float32) if given is None else (given, 0, torch.uint8)
    then = "relu" if relu else "none", [], ""
    numbers = steps.float(), torch.zeros(len(steps), dtype=torch.int64), bias.float()
    if isinstance(layer, nn.Linear):
        packed = torch.ops.onednn.qlinear_prepack(integers, None)
        return lambda x: torch.ops.onednn.qlinear_pointwise(
            x, scale, 0, packed, *numbers, *out, *then
        )
    padding = list(layer.padding)
    form = list(layer.stride), [0, 0] if preprocessing else padding, [1, 1], 1
    # The size of the map only decides how the weights lie in memory.
    size = [1, layer.in_channels, 224, 224]
    packed = torch.ops.onednn.qconv_prepack(integers, numbers[0], scale, 0, *form, size)

    def step(x: torch.Tensor) -> torch.Tensor:
        if preprocessing and any(padding):
            x = _pad(x, padding, margin)
        return torch.ops.onednn.qconv_pointwise(x, scale, 0, packed, *numbers, *form, *out, *then)

    return step


def _pad(x: torch.Tensor, padding: list[int], margin: torch.Tensor) -> torch.Tensor:
    """Surround images, (N, 3, height, width), with a colour, (3, 1, 1)."""
    (high, wide), (height, width) = padding, x.shape[2:]
    shape = len(x), 3, height + 2 * high, width + 2 * wide
    padded = margin.expand(shape).contiguous(memory_format=torch.channels_last)
    padded[:, :, high : high + height, wide : wide + width] = x
    return padded


def _channels(values: tuple[float, float, float]) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.float64).view(3, 1, 1)
