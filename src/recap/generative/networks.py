"""CS231n's generators and discriminators for pictures of 28x28 pixels."""

import torch
from torch import nn
from torch.nn.utils.parametrizations import spectral_norm

from recap.generative.recipe import GAN

SIDE = 28
LEAK = 0.01  # slope of the discriminators' activations below zero


def make_networks(recipe: GAN, seed: int) -> tuple[nn.Sequential, nn.Sequential]:
    """Return a generator and a discriminator with their first weights.

    Parameters
    ----------
    recipe : GAN
        Networks, noise dimension, initial weights, and whether the discriminator's are normalised.
    seed : int
        Seed of the weights.

    Returns
    -------
    generator : torch.nn.Sequential
        Maps noise of shape (N, Z) to pictures of shape (N, 784) in [-1, 1].
    discriminator : torch.nn.Sequential
        Maps pictures of shape (N, 784) or (N, 1, 28, 28) to logits of "real" of shape (N, 1).
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        if recipe.networks == "fully_connected":
            discriminator = fully_connected_discriminator()
            generator = fully_connected_generator(recipe.noise_dim)
        else:
            discriminator = convolutional_discriminator()
            generator = convolutional_generator(recipe.noise_dim)
        if recipe.initial_weights == "xavier":
            discriminator.apply(initialize_xavier)
            generator.apply(initialize_xavier)
        if recipe.spectral_norm:
            for module in discriminator:
                if isinstance(module, nn.Linear | nn.Conv2d):
                    spectral_norm(module)
    return generator, discriminator


def fully_connected_discriminator() -> nn.Sequential:
    """Return CS231n's `discriminator` of the vanilla GAN; 267,009 parameters."""
    return nn.Sequential(
        nn.Flatten(),
        nn.Linear(SIDE * SIDE, 256),
        nn.LeakyReLU(LEAK),
        nn.Linear(256, 256),
        nn.LeakyReLU(LEAK),
        nn.Linear(256, 1),
    )


def fully_connected_generator(noise_dim: int) -> nn.Sequential:
    """Return CS231n's `generator` of the vanilla GAN; 1,952,528 parameters for 96 of noise."""
    return nn.Sequential(
        nn.Linear(noise_dim, 1024),
        nn.ReLU(),
        nn.Linear(1024, 1024),
        nn.ReLU(),
        nn.Linear(1024, SIDE * SIDE),
        nn.Tanh(),
    )


def convolutional_discriminator() -> nn.Sequential:
    """Return CS231n's `build_dc_classifier`; 1,102,721 parameters."""
    return nn.Sequential(
        nn.Flatten(),
        nn.Unflatten(1, (1, SIDE, SIDE)),
        nn.Conv2d(1, 32, 5),
        nn.LeakyReLU(LEAK),
        nn.MaxPool2d(2),
        nn.Conv2d(32, 64, 5),
        nn.LeakyReLU(LEAK),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(1024, 1024),
        nn.LeakyReLU(LEAK),
        nn.Linear(1024, 1),
    )


def convolutional_generator(noise_dim: int) -> nn.Sequential:
    """Return CS231n's `build_dc_generator`; 6,675,009 parameters for 96 of noise.

    It is InfoGAN's generator of MNIST (Chen et al., https://arxiv.org/abs/1606.03657, C.1).
    """
    side, channels = SIDE // 4, 128
    return nn.Sequential(
        nn.Linear(noise_dim, 1024),
        nn.ReLU(),
        nn.BatchNorm1d(1024),
        nn.Linear(1024, side * side * channels),
        nn.ReLU(),
        nn.BatchNorm1d(side * side * channels),
        nn.Unflatten(1, (channels, side, side)),
        nn.ConvTranspose2d(channels, 64, 4, stride=2, padding=1),
        nn.ReLU(),
        nn.BatchNorm2d(64),
        nn.ConvTranspose2d(64, 1, 4, stride=2, padding=1),
        nn.Tanh(),
        nn.Flatten(),
    )


def initialize_xavier(module: nn.Module) -> None:
    """Draw Xavier-uniform weights for a linear layer or a transposed convolution."""
    if isinstance(module, nn.Linear | nn.ConvTranspose2d):
        nn.init.xavier_uniform_(module.weight)
