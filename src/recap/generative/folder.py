"""Folders of networks in generative studies: read and written."""

from dataclasses import fields
from pathlib import Path
from typing import Any

import safetensors.torch
from safetensors import SafetensorError
from torch import nn

from recap.core.errors import InputError
from recap.core.files import atomic_path
from recap.core.json_files import read_json
from recap.generative.networks import make_networks
from recap.generative.recipe import GAN

CONFIG = "config.json"
GENERATOR = "generator.safetensors"
DISCRIMINATOR = "discriminator.safetensors"


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


def load_generator(folder: Path) -> tuple[nn.Module, GAN, int]:
    """Read a trained generator.

    Parameters
    ----------
    folder : Path
        From `train_gan`.

    Returns
    -------
    generator : torch.nn.Module
        Maps noise of shape (N, Z) to pictures of shape (N, 784); frozen.
    recipe : GAN
        What it was trained by.
    seed : int
        Of its training.

    Raises
    ------
    InputError
        If a file is missing, damaged or of another kind.
    """
    config = read_config(folder, ("recipe", "seed"))
    known = {entry.name for entry in fields(GAN)}
    given = config["recipe"]
    if not isinstance(given, dict) or not given.keys() <= known:
        raise InputError(f"{folder / CONFIG} has a `recipe` that is no GAN's.")
    recipe = GAN(**given)
    generator, _ = make_networks(recipe, 0)
    return load_weights(folder / GENERATOR, generator), recipe, config["seed"]
