"""Losses of GANs against CS231n's check values, as `gan-checks.npz` of the course has them."""

import math

import pytest
import torch

from recap.generative.losses import (
    LOSSES,
    discriminator_loss,
    generator_loss,
    ls_discriminator_loss,
    ls_generator_loss,
)

# fmt: off
LOGITS_REAL = [
    0.9348731096217853, -1.0169891625223137, -0.5730476939393363, -0.8816270356958762,
    -1.4012938925983567, -1.4539569266944938, -1.542397547964014, -0.5727332515501994,
    0.9858442941304029, 0.13312152437312422,
]
LOGITS_FAKE = [
    -1.8086586792257076, 0.09030055369905954, -0.44289020393777767, -0.0787936751879477,
    -0.3765504411101933, 0.3208474241671663, -0.28590836517263224, 1.013762805378476,
    0.9924143914567469, 0.3939434608511722,
]
# fmt: on


@pytest.fixture
def logits():
    return (
        torch.tensor(values, dtype=torch.float64)[:, None] for values in (LOGITS_REAL, LOGITS_FAKE)
    )


def test_cross_entropy_has_the_check_values(logits):
    real, fake = logits
    assert discriminator_loss(real, fake).item() == pytest.approx(1.8423983904443109, rel=1e-7)
    assert generator_loss(fake).item() == pytest.approx(0.771286196423346, rel=1e-7)


def test_least_squares_has_the_check_values(logits):
    real, fake = logits
    assert ls_discriminator_loss(real, fake).item() == pytest.approx(1.8770293614440594, rel=1e-7)
    assert ls_generator_loss(fake).item() == pytest.approx(0.816954786997558, rel=1e-7)


def test_cross_entropy_is_finite_for_any_logits():
    far = torch.tensor([[1e4], [-1e4]], requires_grad=True)
    loss = discriminator_loss(far, far) + generator_loss(far)
    loss.backward()
    assert math.isfinite(loss.item())
    assert far.grad.isfinite().all()


def test_losses_are_at_their_equilibrium_where_nothing_tells_pictures_apart():
    for losses, undecided in ((LOSSES["cross_entropy"], 0.0), (LOSSES["least_squares"], 0.5)):
        logits = torch.full((4, 1), undecided)
        assert losses.discriminator(logits, logits).item() == pytest.approx(
            losses.discriminator_equilibrium
        )
        assert losses.generator(logits).item() == pytest.approx(losses.generator_equilibrium)
