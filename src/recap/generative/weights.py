"""Files of networks and arrays in generative studies: read and written."""

from pathlib import Path
from typing import Any

import safetensors.torch
from safetensors import SafetensorError
from torch import nn

from recap.core.errors import InputError
from recap.core.files import atomic_path
from recap.core.json_files import read_json

CONFIG = "config.json"


def save_weights(path: Path, network: nn.Module) -> None:
    """Write a network's weights and statistics as a safetensors file."""
    weights = {key: value.cpu().contiguous() for key, value in network.state_dict().items()}
    with atomic_path(path, record_digest=True) as scratch:
        # Python does the writing: it tells what is wrong with a disk as an OSError.
        scratch.write_bytes(safetensors.torch.save(weights))


def load_weights(path: Path, network: nn.Module) -> nn.Module:
    """Put a file's weights into a network, and return it frozen, in evaluation mode.

    Raises
    ------
    InputError
        If the file is missing, damaged or another network's.
    """
    try:
        network.load_state_dict(safetensors.torch.load(path.read_bytes()))
    except FileNotFoundError:
        raise InputError(f"{path} does not exist: its training has not ended.") from None
    except (SafetensorError, RuntimeError) as error:
        reason = " ".join(str(error).split())
        raise InputError(
            f"{path} does not hold the weights that its {CONFIG} describes ({reason}): train again."
        ) from None
    return network.eval().requires_grad_(False)


def read_config(folder: Path, needs: tuple[str, ...]) -> dict[str, Any]:
    """Read a folder's `config.json`.

    Raises
    ------
    InputError
        If it is missing, damaged or of another kind.
    """
    config = read_json(folder / CONFIG)
    if not isinstance(config, dict) or not set(needs) <= config.keys():
        raise InputError(
            f"{folder / CONFIG} lacks {', '.join(needs)}: name a folder that this stage has made."
        )
    return config
