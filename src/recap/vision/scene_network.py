"""The network that tells what a drawn scene shows: six convolutions."""

from pathlib import Path

import safetensors.torch
import torch
from safetensors import SafetensorError
from torch import nn

from recap.backbones.network import Network
from recap.backbones.preprocessing import Preprocessing
from recap.core.errors import InputError
from recap.vision.scenes import SCENE_CLASSES, SCENE_SIDE

NETWORK, CONFIG = "network.safetensors", "config.json"

SCENE_PREPROCESSING = Preprocessing(resize=SCENE_SIDE, crop=SCENE_SIDE)

# Channels and stride of each convolution, 3x3.
LAYERS = ((24, 2), (48, 2), (64, 2), (96, 1), (128, 2), (128, 1))


class Strongest(nn.Module):
    """A smooth maximum over all places, so that a class is as sure as where it is surest."""

    def forward(self, maps: torch.Tensor) -> torch.Tensor:
        """Map (N, channels, height, width) to (N, channels)."""
        return maps.flatten(2).logsumexp(2)


class SceneNetwork(Network):
    """A network whose scores are logits: above 0 where it holds that a class is shown."""

    def __init__(self) -> None:
        features: list[nn.Module] = []
        channels = 3
        for channels_out, stride in LAYERS:
            features += [nn.Conv2d(channels, channels_out, 3, stride, 1), nn.ReLU(inplace=True)]
            channels = channels_out
        ends = {f"conv{number}": 2 * number for number in range(1, len(LAYERS) + 1)}
        ends["classes"] = len(features) + 2
        super().__init__(features, [nn.Conv2d(channels, len(SCENE_CLASSES), 1), Strongest()], ends)


def load_scene_network(folder: Path) -> SceneNetwork:
    """Read a trained network.

    Parameters
    ----------
    folder : Path
        What `recap train-scene-classifier` wrote.

    Raises
    ------
    InputError
        If its file is missing, damaged, or of another network.
    """
    network = SceneNetwork()
    try:
        network.load_state_dict(safetensors.torch.load_file(folder / NETWORK))
    except (OSError, SafetensorError, RuntimeError):
        raise InputError(
            f"{folder} holds no trained scene classifier ({NETWORK} is missing or damaged): make it"
            f" by `recap train-scene-classifier --output={folder}`."
        ) from None
    return network.eval().requires_grad_(False)
