"""The losses of CS231n's GANs, of logits of shape (N, 1)."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch.nn.functional import softplus


def discriminator_loss(real: torch.Tensor, fake: torch.Tensor) -> torch.Tensor:
    """Return the binary cross-entropy of the discriminator, of real and of made pictures, summed.

    Goodfellow et al., https://arxiv.org/abs/1406.2661; -log sigmoid(x) is softplus(-x), which is
    finite for any x. Where nothing tells the two apart it is 2 log 2, 1.386.
    """
    return softplus(-real).mean() + softplus(fake).mean()


def generator_loss(fake: torch.Tensor) -> torch.Tensor:
    """Return the non-saturating loss of the generator, -log D(G(z)); log 2 at the equilibrium."""
    return softplus(-fake).mean()


def ls_discriminator_loss(real: torch.Tensor, fake: torch.Tensor) -> torch.Tensor:
    """Return the discriminator's loss of least squares (Mao et al., https://arxiv.org/abs/1611.04076).

    Where nothing tells the two apart it is 0.25.
    """
    return ((real - 1).square().mean() + fake.square().mean()) / 2


def ls_generator_loss(fake: torch.Tensor) -> torch.Tensor:
    """Return the generator's loss of least squares; 0.125 at the equilibrium."""
    return (fake - 1).square().mean() / 2


@dataclass(frozen=True)
class Losses:
    """The two losses of a kind of GAN, and what they are where nothing tells the pictures apart."""

    discriminator: Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
    generator: Callable[[torch.Tensor], torch.Tensor]
    discriminator_equilibrium: float
    generator_equilibrium: float


LOSSES = {
    "cross_entropy": Losses(discriminator_loss, generator_loss, 1.3862944, 0.6931472),
    "least_squares": Losses(ls_discriminator_loss, ls_generator_loss, 0.25, 0.125),
}
