"""`cs231n.gan_pytorch` as the course's notebook calls it."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from recap.cs231n import gan_pytorch
from recap.cs231n.gan_pytorch import (
    ChunkSampler,
    Flatten,
    Unflatten,
    bce_loss,
    build_dc_classifier,
    build_dc_generator,
    count_params,
    deprocess_img,
    discriminator,
    discriminator_loss,
    dtype,
    generator,
    generator_loss,
    get_optimizer,
    initialize_weights,
    ls_discriminator_loss,
    ls_generator_loss,
    preprocess_img,
    rel_error,
    run_a_gan,
    sample_noise,
)


def test_noise_is_uniform_and_of_the_global_generator():
    noise = sample_noise(1000, 4, seed=231)
    assert noise.shape == (1000, 4)
    assert -1 <= noise.min() < -0.9
    assert 0.9 < noise.max() <= 1
    torch.manual_seed(231)
    assert torch.equal(sample_noise(1000, 4), noise)


def test_networks_have_the_counts_of_the_notebook():
    assert count_params(discriminator()) == 267_009
    assert count_params(generator(4)) == 1_858_320
    assert count_params(build_dc_classifier(128)) == 1_102_721
    assert count_params(build_dc_generator(4)) == 6_580_801


def test_networks_are_drawn_from_the_seed_they_are_given():
    assert torch.equal(discriminator(seed=3)[1].weight, discriminator(seed=3)[1].weight)
    assert torch.equal(generator(4, seed=3)[0].weight, generator(4, seed=3)[0].weight)


def test_cross_entropy_of_logits_is_that_of_the_losses():
    real, fake = torch.randn(10, 1), torch.randn(10, 1)
    ones = torch.ones(10)
    both = bce_loss(real, ones) + bce_loss(fake.squeeze(), 1 - ones)
    torch.testing.assert_close(both, discriminator_loss(real, fake))
    torch.testing.assert_close(bce_loss(fake, ones), generator_loss(fake))


@pytest.mark.parametrize("kind", ["vanilla", "convolutional"])
def test_the_notebooks_cells_train_a_gan(kind, capsys):
    pictures = torch.rand(20, 1, 28, 28)
    data = TensorDataset(pictures, torch.zeros(20))
    loader = DataLoader(data, batch_size=8, sampler=ChunkSampler(18, 2))
    if kind == "vanilla":
        D, G = discriminator().type(dtype), generator().type(dtype)  # noqa: N806
        losses = discriminator_loss, generator_loss
    else:
        D, G = build_dc_classifier(8).type(dtype), build_dc_generator().type(dtype)  # noqa: N806
        D.apply(initialize_weights)
        G.apply(initialize_weights)
        losses = ls_discriminator_loss, ls_generator_loss
    solvers = get_optimizer(D), get_optimizer(G)
    before = D[-1].weight.clone()
    images = run_a_gan(D, G, *solvers, *losses, loader, show_every=2, batch_size=8, num_epochs=2)
    # 18 pictures are two minibatches of 8 and one of 2, which is passed over.
    assert [line.split(",")[0] for line in capsys.readouterr().out.splitlines()] == [
        "Iter: 0",
        "Iter: 2",
    ]
    assert [image.shape for image in images] == [(8, 784)] * 2
    assert not torch.equal(D[-1].weight, before)


def test_solvers_have_the_courses_settings():
    group = get_optimizer(nn.Linear(2, 2)).param_groups[0]
    assert (group["lr"], group["betas"]) == (1e-3, (0.5, 0.999))


def test_small_helpers():
    x = torch.rand(2, 3)
    torch.testing.assert_close(deprocess_img(preprocess_img(x)), x)
    assert preprocess_img(torch.tensor(0.0)) == -1
    assert rel_error(np.array([1.0, 2.0]), np.array([1.0, 2.2])) == pytest.approx(0.2 / 4.2)
    assert list(ChunkSampler(3, 5)) == [5, 6, 7]
    assert len(ChunkSampler(3, 5)) == 3
    maps = torch.rand(4, 2, 3, 5)
    torch.testing.assert_close(Unflatten(4, 2, 3, 5)(Flatten()(maps)), maps)


def test_a_star_import_gives_what_the_notebook_uses():
    assert set(gan_pytorch.__all__) <= set(dir(gan_pytorch))
