"""CS231n's networks: their sizes, and what their first weights are."""

import math

import pytest
import torch

from recap.generative.networks import (
    convolutional_discriminator,
    convolutional_generator,
    fully_connected_discriminator,
    fully_connected_generator,
    make_networks,
)
from recap.generative.recipe import GAN


def count(network):
    return sum(parameter.numel() for parameter in network.parameters())


def test_they_have_as_many_parameters_as_the_course_states():
    assert count(fully_connected_discriminator()) == 267_009
    assert count(fully_connected_generator(4)) == 1_858_320
    assert count(fully_connected_generator(96)) == 1_952_528
    assert count(convolutional_discriminator()) == 1_102_721
    assert count(convolutional_generator(4)) == 6_580_801
    assert count(convolutional_generator(96)) == 6_675_009


@pytest.mark.parametrize("kind", ["fully_connected", "convolutional"])
def test_discriminators_take_pictures_and_rows_and_generators_stay_in_range(kind):
    generator, discriminator = make_networks(GAN(networks=kind), seed=0)
    pictures = generator(torch.rand(3, 96) * 2 - 1)
    assert pictures.shape == (3, 784)
    assert pictures.abs().max() <= 1
    assert discriminator(pictures).shape == (3, 1)
    torch.testing.assert_close(
        discriminator(pictures), discriminator(pictures.reshape(3, 1, 28, 28))
    )


def test_weights_are_drawn_from_the_seed_and_disturb_no_other_draw():
    torch.manual_seed(5)
    wanted = torch.rand(3)
    torch.manual_seed(5)
    first, again, other = (make_networks(GAN(), seed)[0][0].weight for seed in (1, 1, 2))
    assert torch.equal(torch.rand(3), wanted)
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_xavier_weights_are_of_linear_layers_and_transposed_convolutions_alone():
    generator, discriminator = make_networks(GAN(initial_weights="xavier"), seed=0)
    plain_generator, plain = make_networks(GAN(initial_weights="default"), seed=0)
    bound = math.sqrt(6 / (1024 + 1024))
    assert discriminator[9].weight.abs().max().item() == pytest.approx(bound, rel=1e-3)
    assert plain[9].weight.abs().max().item() == pytest.approx(1 / 32, rel=1e-3)
    assert generator[7].weight.abs().max() > 1.2 * plain_generator[7].weight.abs().max()
    assert torch.equal(discriminator[2].weight, plain[2].weight)


def test_spectral_norm_divides_by_the_largest_singular_value():
    _, discriminator = make_networks(GAN(spectral_norm=True), seed=0)
    for _ in range(50):  # of its power iteration
        discriminator(torch.rand(2, 784))
    for layer in (2, 5, 9, 11):
        weight = discriminator[layer].weight.flatten(1)
        assert torch.linalg.matrix_norm(weight, 2).item() == pytest.approx(1, rel=0.02)
