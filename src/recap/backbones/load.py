"""Build a backbone and load its weights."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch
from torch import nn

from recap.backbones.network import Network
from recap.backbones.preprocessing import Preprocessing
from recap.backbones.squeezenet import VERSIONS, SqueezeNet
from recap.backbones.vgg16 import VGG16
from recap.backbones.weight_files import choose_weights, read_weights, to_float
from recap.backbones.weights import RANDOM
from recap.core.files import file_hash

NETWORKS = {"vgg16": VGG16, **{version: partial(SqueezeNet, version) for version in VERSIONS}}

WHOLE_HEIGHT = Preprocessing(resize=224)
# torchvision evaluates its VGG-16 on the centre of the image; the others see the whole height.
TORCHVISION_VGG16 = Preprocessing(resize=256)
# The whole image, in Caffe's channel order and 0 to 255, less the mean, as in Karpathy's extraction
# (github.com/karpathy/neuraltalk, matlab_features_reference); CS231n's own has not been published.
CAFFE = Preprocessing(
    resize=None,
    resample="bicubic",
    channels="BGR",
    mean=(103.939 / 255, 116.779 / 255, 123.68 / 255),
    std=(1 / 255, 1 / 255, 1 / 255),
)

# Keys of the Caffe model's PyTorch conversion (github.com/jcjohnson/pytorch-vgg), whose dropouts
# stand before the linear layers, and torchvision's for the same weights.
CAFFE_KEYS = {
    f"classifier.{caffe}.{part}": f"classifier.{torchvision}.{part}"
    for caffe, torchvision in ((1, 0), (4, 3))
    for part in ("weight", "bias")
}


@dataclass(frozen=True)
class Backbone:
    """A network with weights, and how to feed it.

    Attributes
    ----------
    network : Network
        Frozen, in evaluation mode.
    preprocessing : Preprocessing
        What the weights want.
    attributes : dict
        What a file that is made with it says of its origin: backbone, weights, their sha256 and
        the preprocessing; `seen`, the share of an image's shorter side that the square about its
        middle has which the network sees, 0 for the whole image.
    """

    network: Network
    preprocessing: Preprocessing
    attributes: dict[str, str | float]


def load_backbone(backbone: str, weights: str, names: Iterable[str] = ()) -> Backbone:
    """Build a backbone and load its weights.

    Parameters
    ----------
    backbone : {"vgg16", "squeezenet1_0", "squeezenet1_1"}
        Network.
    weights : str
        `random` for He-normal weights drawn from a fixed seed, or a file of weights, as a
        safetensors file or a PyTorch state dict: with torchvision's key names, or for VGG-16 with
        those of the Caffe model's conversion, behind a prefix or within other dicts or neither.
        The names decide the preprocessing.
    names : iterable of str
        Maps of `recap.backbones.maps.MAPS` that will be asked for: what follows the last of them
        needs no weights. All by default.

    Raises
    ------
    InputError
        If the file is missing, damaged, another network's, or has numbers that are no weights,
        such as NaN.
    """
    with torch.device("meta"):
        network = NETWORKS[backbone](names)
    preprocessing = WHOLE_HEIGHT
    if weights == RANDOM:
        network = network.to_empty(device="cpu")
        _draw_weights(network)
    else:
        state = _choose_weights(Path(weights), backbone, network.state_dict())
        if backbone == "vgg16":
            preprocessing = CAFFE if CAFFE_KEYS.keys() <= state.keys() else TORCHVISION_VGG16
        network.load_state_dict(
            {key: to_float(state[key], key, Path(weights)) for key in network.state_dict()},
            assign=True,
        )
    attributes = {
        "backbone": backbone,
        "weights": weights if weights == RANDOM else Path(weights).name,
        "weights_sha256": "" if weights == RANDOM else file_hash(Path(weights)),
        "preprocessing": str(preprocessing),
        "seen": preprocessing.seen,
    }
    return Backbone(network.eval().requires_grad_(False), preprocessing, attributes)


def _draw_weights(network: nn.Module) -> None:
    """Draw He-normal weights (https://arxiv.org/abs/1502.01852) from a fixed seed."""
    generator = torch.Generator().manual_seed(0)
    for parameter in network.parameters():
        if parameter.dim() == 1:
            nn.init.zeros_(parameter)
        else:
            fan_in = parameter[0].numel()
            nn.init.normal_(parameter, std=math.sqrt(2 / fan_in), generator=generator)


def _choose_weights(
    path: Path, backbone: str, wanted: dict[str, torch.Tensor]
) -> dict[str, torch.Tensor]:
    """Return a backbone's weights from a file, under torchvision's names."""
    found = read_weights(path)
    if backbone == "vgg16":
        for state in found.values():
            if CAFFE_KEYS.keys() <= state.keys():
                state |= {torchvision: state[caffe] for caffe, torchvision in CAFFE_KEYS.items()}
    return found[choose_weights(found, wanted, backbone, path)]
