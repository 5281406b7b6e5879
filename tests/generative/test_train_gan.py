"""Trainings of GANs: what they write, and that an interrupted one ends in the same bytes."""

import csv
import json
import multiprocessing
import os
import signal

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from recap.core import checkpoint
from recap.core.errors import InputError
from recap.datasets.digits.draw import draw_digits
from recap.generative import train as module
from recap.generative.losses import LOSSES
from recap.generative.networks import make_networks
from recap.generative.recipe import GAN
from recap.generative.train import rate_at, train_gan
from recap.generative.trainer import (
    GANTrainer,
    draw_samples,
    sampling_noise,
    training_noise,
    uniform_noise,
)

SMALL = {"epochs": 3, "batch_size": 16, "noise_dim": 8}
FILES = ("generator.safetensors", "discriminator.safetensors", "config.json", "history.csv")
RECIPES = {
    "vanilla": {"networks": "fully_connected", "initial_weights": "default"},
    "least_squares": {
        "networks": "fully_connected",
        "initial_weights": "default",
        "loss": "least_squares",
    },
    "convolutional": {},
    "improved": {"spectral_norm": True, "average": 0.9, "shuffle": True, "decay": True},
}


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    folder = tmp_path_factory.mktemp("digits")
    paths = [folder / name for name in ("images.gz", "labels.gz", "test.gz", "test-labels.gz")]
    names = ("train_images", "train_labels", "test_images", "test_labels")
    draw_digits(**dict(zip(names, paths, strict=True)), train=70, test=10)
    return paths[0]


@pytest.fixture(autouse=True)
def few_samples(monkeypatch):
    monkeypatch.setattr(module, "SAMPLES_A_STAGE", 20)


def train(images, folder, **recipe):
    train_gan(images, output=folder, recipe=GAN(**SMALL | recipe), seed=1, threads=1)
    return {name: (folder / name).read_bytes() for name in (*FILES, "samples.npz")}


def test_it_writes_what_it_has_learnt(images, tmp_path):
    train(images, tmp_path / "gan", **RECIPES["improved"])
    config = json.loads((tmp_path / "gan" / "config.json").read_text())
    # 70 pictures are four minibatches of 16; the six of the last are left out.
    assert config["steps"] == 3 * 4
    assert not config["lost"]
    rows = list(csv.DictReader((tmp_path / "gan" / "history.csv").open()))
    assert [int(row["step"]) for row in rows] == list(range(1, 13))
    assert [int(row["epoch"]) for row in rows] == [1] * 4 + [2] * 4 + [3] * 4
    samples = np.load(tmp_path / "gan" / "samples.npz")
    assert samples["images"].shape == (11, 20, 28, 28)
    assert samples["steps"].tolist() == [0, 1, 2, 4, 5, 6, 7, 8, 10, 11, 12]
    assert not (samples["images"][0] == samples["images"][-1]).all()
    assert not (tmp_path / "gan" / "checkpoint.safetensors").exists()


@pytest.mark.parametrize("recipe", RECIPES)
def test_a_training_killed_five_times_ends_in_the_same_bytes(images, tmp_path, recipe):
    undisturbed = train(images, tmp_path / "whole", **RECIPES[recipe])
    processes = multiprocessing.get_context("forkserver")
    processes.set_forkserver_preload(["recap.generative.train"])
    taken = processes.Value("i", 0)
    for last_step in (0, 1, 4, 7, 11):
        arguments = (last_step, taken, images, tmp_path / "cut", RECIPES[recipe])
        process = processes.Process(target=train_and_die, args=arguments)
        process.start()
        process.join(timeout=300)
        assert process.exitcode == -signal.SIGKILL
    # No step was taken twice.
    assert taken.value == 11
    assert train(images, tmp_path / "cut", **RECIPES[recipe]) == undisturbed


def train_and_die(last_step, taken, images, folder, recipe):
    """Train until the process is killed by itself when so many steps were taken in all."""
    step = GANTrainer.step

    def take(self, *arguments):
        if taken.value == last_step:
            os.kill(os.getpid(), signal.SIGKILL)
        taken.value += 1
        return step(self, *arguments)

    GANTrainer.step = take
    module.SAMPLES_A_STAGE = 20
    checkpoint.CHECKPOINT_SECONDS = -1
    train(images, folder, **recipe)


def test_another_recipe_starts_anew(images, tmp_path, monkeypatch, capsys):
    wanted = train(images, tmp_path / "whole", loss="least_squares")
    monkeypatch.setattr("recap.core.checkpoint.CHECKPOINT_SECONDS", -1)
    with monkeypatch.context() as patch:
        patch.setattr(module, "_check_finite", lambda losses, step: 1 / (step != 5))
        with pytest.raises(ZeroDivisionError):
            train(images, tmp_path / "cut")
    assert train(images, tmp_path / "cut", loss="least_squares") == wanted
    assert "training with other recipe: training starts anew" in capsys.readouterr().out


def test_seeds_differ(images, tmp_path):
    train(images, tmp_path / "one")
    train_gan(images, output=tmp_path / "two", recipe=GAN(**SMALL), seed=2, threads=1)
    one, two = (load_file(tmp_path / name / "generator.safetensors") for name in ("one", "two"))
    assert not torch.equal(one["0.weight"], two["0.weight"])


def test_averaged_weights_are_what_samples_are_drawn_with(images, tmp_path):
    train(images, tmp_path / "gan", average=0.9)
    weights = load_file(tmp_path / "gan" / "generator.safetensors")
    trainer = GANTrainer(GAN(**SMALL, average=0.9), 1, torch.device("cpu"))
    trainer.averaged.load_state_dict(weights)
    noise = uniform_noise(20, 8, sampling_noise(1))
    last = np.load(tmp_path / "gan" / "samples.npz")["images"][-1]
    np.testing.assert_array_equal(draw_samples(trainer.averaged, noise), last)


def test_a_sample_does_not_depend_on_those_beside_it():
    trainer = GANTrainer(GAN(noise_dim=8), 0, torch.device("cpu"))
    noise = torch.rand(5, 8) * 2 - 1
    together = draw_samples(trainer.generator, noise).astype(int)
    alone = np.concatenate([draw_samples(trainer.generator, row[None]) for row in noise])
    assert np.abs(together - alone).max() <= 1
    assert trainer.generator.training


def course_step(recipe, generator, discriminator, solvers, pictures, noises):
    """The notebook's step, with noise that is given."""
    losses = LOSSES[recipe.loss]
    made = generator(noises[0]).detach()
    loss = losses.discriminator(discriminator(pictures), discriminator(made))
    solvers[0].zero_grad()
    loss.backward()
    solvers[0].step()
    loss_of_generator = losses.generator(discriminator(generator(noises[1])))
    solvers[1].zero_grad()
    loss_of_generator.backward()
    solvers[1].step()
    return loss.item(), loss_of_generator.item()


@pytest.mark.parametrize(
    "recipe",
    [
        GAN(networks="fully_connected", initial_weights="default", loss="least_squares"),
        GAN(),
    ],
)
def test_steps_are_those_of_the_course(recipe):
    trainer = GANTrainer(recipe, 4, torch.device("cpu"))
    generator, discriminator = make_networks(recipe, 4)
    solvers = [
        torch.optim.Adam(network.parameters(), lr=1e-3, betas=(0.5, 0.999))
        for network in (discriminator, generator)
    ]
    noise = training_noise(4)
    # Adam's first step is of one size whatever the gradient is: rounding grows where it is near 0.
    for precision in (1e-5, 1e-2):
        pictures = torch.rand(8, 784) * 2 - 1
        noises = [uniform_noise(8, 96, noise) for _ in range(2)]
        ours = [loss.item() for loss in trainer.step(pictures, 1.0)]
        theirs = course_step(recipe, generator, discriminator, solvers, pictures, noises)
        assert ours == pytest.approx(theirs, rel=precision)


def test_noise_of_samples_is_not_that_of_training_or_of_weights():
    drawn = [
        torch.rand(8, generator=generator)
        for generator in (
            *(training_noise(0), sampling_noise(0), training_noise(1), sampling_noise(1)),
            *(torch.Generator().manual_seed(seed) for seed in (0, 1)),
        )
    ]
    for number, one in enumerate(drawn):
        assert not any(torch.equal(one, other) for other in drawn[:number])


def test_step_sizes_may_fall_in_the_second_half():
    rates = [rate_at(GAN(decay=True), step, 8) for step in range(8)]
    assert rates == [1, 1, 1, 1, 1, 0.75, 0.5, 0.25]
    assert rate_at(GAN(), 7, 8) == 1


def test_no_gradient_of_the_generators_step_reaches_the_discriminator(images):
    trainer = GANTrainer(GAN(noise_dim=8), 0, torch.device("cpu"))
    left = []
    descend = trainer._descend

    def noting(name, loss):
        descend(name, loss)
        left.append([p.grad.clone() for p in trainer.discriminator.parameters()])

    trainer._descend = noting
    trainer.step(torch.zeros(4, 784), 1.0)
    assert all(map(torch.equal, *left))
    assert all(parameter.requires_grad for parameter in trainer.discriminator.parameters())


def test_a_loss_that_is_not_finite_is_told(images, tmp_path):
    with pytest.raises(InputError, match=r"loss is (nan|inf) at step \d+: lower `learning_rate`"):
        train(images, tmp_path / "gan", loss="least_squares", learning_rate=1e30)


def test_a_discriminator_that_tells_all_apart_is_told(images, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(module, "LOST", 100.0)
    train(images, tmp_path / "gan")
    assert "it tells all pictures apart" in capsys.readouterr().out
    assert json.loads((tmp_path / "gan" / "config.json").read_text())["lost"]


def test_too_few_pictures_are_refused(images, tmp_path):
    with pytest.raises(InputError, match=r"70 pictures of .* are used, fewer than a minibatch"):
        train(images, tmp_path / "gan", batch_size=71)
