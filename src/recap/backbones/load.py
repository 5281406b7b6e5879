"""Build a backbone and load its weights."""

import math
import zipfile
from dataclasses import dataclass
from pathlib import Path

import safetensors.torch
import torch
from torch import nn

from recap.backbones.squeezenet import SqueezeNet
from recap.backbones.vgg16 import VGG16
from recap.backbones.weights import RANDOM
from recap.errors import InputError
from recap.files import file_hash
from recap.images import Preprocessing

NETWORKS = {"vgg16": VGG16, "squeezenet1_0": SqueezeNet}

# torchvision evaluates its VGG-16 on the centre of the image; the others see the whole height.
PREPROCESSING = {"vgg16": Preprocessing(resize=256, crop=224)}
WHOLE_HEIGHT = Preprocessing(resize=224, crop=224)


@dataclass(frozen=True)
class Backbone:
    """A network with weights, and how to feed it.

    Attributes
    ----------
    network : torch.nn.Module
        Maps (N, 3, crop, crop) to (N, feature_dim); in evaluation mode.
    preprocessing : Preprocessing
        What the weights want.
    attributes : dict
        What a feature file says of its origin: backbone, weights, their sha256, layer and
        preprocessing.
    """

    network: nn.Module
    preprocessing: Preprocessing
    attributes: dict[str, str]


def load_backbone(backbone: str, weights: str) -> Backbone:
    """Build a backbone and load its weights.

    Parameters
    ----------
    backbone : {"vgg16", "squeezenet1_0"}
        Network.
    weights : str
        `random` for He-normal weights drawn from a fixed seed, or a file of weights with
        torchvision's key names: a safetensors file or a PyTorch state dict.

    Raises
    ------
    InputError
        If there is no such backbone, or the file is missing, damaged, or another network's.
    """
    if backbone not in NETWORKS:
        raise InputError(f"There is no backbone {backbone!r}: choose {' or '.join(NETWORKS)}.")
    with torch.device("meta"):
        network = NETWORKS[backbone]()
    if weights == RANDOM:
        network = network.to_empty(device="cpu")
        _draw_weights(network)
        preprocessing = WHOLE_HEIGHT
    else:
        state = _read_state(Path(weights), network, backbone)
        network.load_state_dict(state, assign=True)
        preprocessing = PREPROCESSING.get(backbone, WHOLE_HEIGHT)
    attributes = {
        "backbone": backbone,
        "weights": weights if weights == RANDOM else Path(weights).name,
        "weights_sha256": "" if weights == RANDOM else file_hash(Path(weights)),
        "layer": network.layer,
        "preprocessing": str(preprocessing),
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


def _read_state(path: Path, network: nn.Module, backbone: str) -> dict[str, torch.Tensor]:
    """Read what the network needs from a file of weights, in float32."""
    try:
        if path.suffix == ".safetensors":
            state = safetensors.torch.load_file(path)
        else:
            # torchvision's VGG-16 is in PyTorch's first format, which is no zip archive.
            mmap = zipfile.is_zipfile(path)
            state = torch.load(path, map_location="cpu", weights_only=True, mmap=mmap)
    except FileNotFoundError:
        raise InputError(
            f"The weights {path} do not exist: give {RANDOM} or a file, such as"
            " `recap download-weights` brings."
        ) from None
    # A damaged file makes PyTorch's reader fail in many ways, IndexError among them.
    except Exception:
        raise InputError(
            f"{path} is not a whole file of weights, as safetensors or as a PyTorch state dict:"
            " download it again."
        ) from None
    wanted = network.state_dict()
    state = state if isinstance(state, dict) else {}
    wrong = [key for key in wanted if getattr(state.get(key), "shape", None) != wanted[key].shape]
    if wrong:
        raise InputError(
            f"{path} does not hold the weights of {backbone} ({wrong[0]} is missing or has another"
            " shape): set `backbone` to the network that they are of."
        )
    return {key: state[key].float() for key in wanted}
