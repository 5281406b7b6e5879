"""CS231n's `gan_pytorch`: GANs on MNIST, with the course's names and signatures."""

from collections.abc import Callable, Iterator

import numpy as np
import torch
from torch import nn
from torch.nn.functional import binary_cross_entropy_with_logits
from torch.utils.data import DataLoader, Sampler

from recap.generative.losses import (
    discriminator_loss,
    generator_loss,
    ls_discriminator_loss,
    ls_generator_loss,
)
from recap.generative.networks import (
    convolutional_discriminator,
    convolutional_generator,
    fully_connected_discriminator,
    fully_connected_generator,
    initialize_xavier,
)

__all__ = [
    "NOISE_DIM",
    "ChunkSampler",
    "Flatten",
    "Unflatten",
    "bce_loss",
    "build_dc_classifier",
    "build_dc_generator",
    "count_params",
    "deprocess_img",
    "discriminator",
    "discriminator_loss",
    "dtype",
    "generator",
    "generator_loss",
    "get_optimizer",
    "initialize_weights",
    "ls_discriminator_loss",
    "ls_generator_loss",
    "preprocess_img",
    "rel_error",
    "run_a_gan",
    "sample_noise",
]

NOISE_DIM = 96
SHOWN = 16

dtype = torch.cuda.FloatTensor if torch.cuda.is_available() else torch.FloatTensor

initialize_weights = initialize_xavier


def sample_noise(batch_size: int, dim: int, seed: int | None = None) -> torch.Tensor:
    """Draw noise of shape (batch_size, dim), uniform from -1 to 1, with PyTorch's global generator.

    Parameters
    ----------
    batch_size, dim : int
        Its shape.
    seed : int, optional
        Seed that the global generator is set to before.
    """
    if seed is not None:
        torch.manual_seed(seed)
    return torch.rand(batch_size, dim) * 2 - 1


def discriminator(seed: int | None = None) -> nn.Sequential:
    """Return the discriminator of the vanilla GAN, which maps N x 784 numbers to (N, 1) logits.

    Parameters
    ----------
    seed : int, optional
        Seed that PyTorch's global generator is set to before.
    """
    if seed is not None:
        torch.manual_seed(seed)
    return fully_connected_discriminator()


def generator(noise_dim: int = NOISE_DIM, seed: int | None = None) -> nn.Sequential:
    """Return the generator of the vanilla GAN, which maps (N, noise_dim) to (N, 784).

    Parameters
    ----------
    noise_dim : int
        Numbers of noise.
    seed : int, optional
        Seed that PyTorch's global generator is set to before.
    """
    if seed is not None:
        torch.manual_seed(seed)
    return fully_connected_generator(noise_dim)


def build_dc_classifier(batch_size: int | None = None) -> nn.Sequential:
    """Return the convolutional discriminator, of pictures (N, 1, 28, 28) or (N, 784).

    Parameters
    ----------
    batch_size : int, optional
        Of no use here: any number of pictures is taken. The course's function has it.
    """
    return convolutional_discriminator()


def build_dc_generator(noise_dim: int = NOISE_DIM) -> nn.Sequential:
    """Return the convolutional generator, which maps (N, noise_dim) to (N, 784).

    Parameters
    ----------
    noise_dim : int
        Numbers of noise.
    """
    return convolutional_generator(noise_dim)


def bce_loss(input: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """Return the mean binary cross-entropy of logits.

    Parameters
    ----------
    input : tensor of N numbers
        Logits.
    target : tensor of N numbers
        0 or 1.
    """
    return binary_cross_entropy_with_logits(input.reshape(target.shape), target)


def get_optimizer(model: nn.Module) -> torch.optim.Adam:
    """Return Adam with the course's step size of 1e-3 and betas of 0.5 and 0.999."""
    return torch.optim.Adam(model.parameters(), lr=1e-3, betas=(0.5, 0.999))


def run_a_gan(
    D: nn.Module,  # noqa: N803
    G: nn.Module,  # noqa: N803
    D_solver: torch.optim.Optimizer,  # noqa: N803
    G_solver: torch.optim.Optimizer,  # noqa: N803
    discriminator_loss: Callable[[torch.Tensor, torch.Tensor], torch.Tensor],
    generator_loss: Callable[[torch.Tensor], torch.Tensor],
    loader_train: DataLoader,
    show_every: int = 250,
    batch_size: int = 128,
    noise_size: int = NOISE_DIM,
    num_epochs: int = 10,
) -> list[np.ndarray]:
    """Train a GAN, and print its losses now and then.

    Parameters
    ----------
    D, G : torch.nn.Module
        Discriminator and generator.
    D_solver, G_solver : torch.optim.Optimizer
        What takes their steps.
    discriminator_loss, generator_loss : callable
        Of logits.
    loader_train : DataLoader
        Gives pictures from 0 to 1 and labels; a minibatch of fewer pictures is passed over.
    show_every : int
        Steps between two looks.
    batch_size : int
        Pictures in a minibatch.
    noise_size : int
        Numbers of noise.
    num_epochs : int
        Passes over the pictures.

    Returns
    -------
    list of ndarray of shape (16, 784)
        Samples at each look, from -1 to 1.
    """
    images, iteration = [], 0
    device = next(G.parameters()).device
    for _ in range(num_epochs):
        for pictures, _ in loader_train:
            if len(pictures) != batch_size:
                continue
            real = preprocess_img(pictures.to(device))
            fake = G(sample_noise(batch_size, noise_size).to(device)).detach()
            logits_fake = D(fake.view(batch_size, 1, 28, 28))
            d_loss = discriminator_loss(D(real), logits_fake)
            D_solver.zero_grad()
            d_loss.backward()
            D_solver.step()

            made = G(sample_noise(batch_size, noise_size).to(device))
            g_loss = generator_loss(D(made.view(batch_size, 1, 28, 28)))
            G_solver.zero_grad()
            g_loss.backward()
            G_solver.step()

            if iteration % show_every == 0:
                print(f"Iter: {iteration}, D: {d_loss.item():.4}, G: {g_loss.item():.4}")
                images.append(made.detach().cpu().numpy().reshape(batch_size, -1)[:SHOWN])
            iteration += 1
    return images


def preprocess_img(x: torch.Tensor) -> torch.Tensor:
    """Return pictures from 0 to 1 as numbers from -1 to 1."""
    return 2 * x - 1


def deprocess_img(x: torch.Tensor) -> torch.Tensor:
    """Return pictures from -1 to 1 as numbers from 0 to 1."""
    return (x + 1) / 2


def rel_error(x: np.ndarray, y: np.ndarray) -> float:
    """Return the largest relative error, |x - y| / max(1e-8, |x| + |y|)."""
    return np.max(np.abs(x - y) / np.maximum(1e-8, np.abs(x) + np.abs(y)))


def count_params(model: nn.Module) -> int:
    """Return how many parameters a network has."""
    return sum(parameter.numel() for parameter in model.parameters())


class Flatten(nn.Module):
    """Maps (N, ...) to (N, D)."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return each item's numbers in a row."""
        return x.flatten(1)


class Unflatten(nn.Module):
    """Maps (N, C*H*W) to (N, C, H, W).

    Parameters
    ----------
    N : int
        Items; any number by default.
    C, H, W : int
        Channels, height and width.
    """

    def __init__(self, N: int = -1, C: int = 128, H: int = 7, W: int = 7) -> None:  # noqa: N803
        super().__init__()
        self.N, self.C, self.H, self.W = N, C, H, W

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the numbers as maps."""
        return x.view(self.N, self.C, self.H, self.W)


class ChunkSampler(Sampler):
    """Gives the numbers of a piece of a data set, in order.

    Parameters
    ----------
    num_samples : int
        How many.
    start : int
        The first.
    """

    def __init__(self, num_samples: int, start: int = 0) -> None:
        self.num_samples, self.start = num_samples, start

    def __iter__(self) -> Iterator[int]:
        """Give the numbers."""
        return iter(range(self.start, self.start + self.num_samples))

    def __len__(self) -> int:
        """Return how many there are."""
        return self.num_samples
