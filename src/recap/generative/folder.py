"""The folder of a trained GAN."""

from dataclasses import fields
from pathlib import Path

from torch import nn

from recap.core.errors import InputError
from recap.generative.networks import make_networks
from recap.generative.recipe import GAN
from recap.generative.weights import CONFIG, load_weights, read_config

GENERATOR = "generator.safetensors"
DISCRIMINATOR = "discriminator.safetensors"


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
    if not (folder / CONFIG).exists():
        raise InputError(
            f"{folder} holds no trained GAN ({CONFIG} is missing): `snakemake generative` trains"
            " some."
        )
    config = read_config(folder, ("recipe", "seed"))
    given, seed = config["recipe"], config["seed"]
    known = {entry.name for entry in fields(GAN)}
    if not isinstance(given, dict) or not given.keys() <= known or type(seed) is not int:
        raise InputError(f"{folder / CONFIG} is of no GAN that recap has trained: train it again.")
    try:
        recipe = GAN(**given)
    except InputError as error:
        raise InputError(f"{folder / CONFIG}: {error}") from None
    generator, _ = make_networks(recipe, 0)
    return load_weights(folder / GENERATOR, generator), recipe, seed
