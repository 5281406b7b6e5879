"""Images that have the maps of photos."""

import json

import numpy as np
import pytest
import torch
from PIL import Image

from recap.backbones.weights import RANDOM
from recap.core.errors import InputError
from recap.vision.inversion import _make_objective, invert, invert_features
from recap.vision.networks import load_network
from recap.vision.settings import Inversion


def draw(seed):
    small = np.random.default_rng(seed).integers(0, 256, (5, 7, 3), dtype=np.uint8)
    return Image.fromarray(small).resize((70, 50), Image.Resampling.BICUBIC)


@pytest.fixture(scope="module")
def classifier():
    return load_network("squeezenet1_1", RANDOM)


def numbers(seed):
    values = torch.randn(1, 3, 32, 40, generator=torch.Generator().manual_seed(seed))
    return values.contiguous(memory_format=torch.channels_last)


def test_losses_and_gradient_are_those_of_the_formula(classifier):
    photo, image = numbers(0), numbers(1)
    settings = Inversion(tv_weight=0.3, l2_weight=0.2)
    losses, gradient = _make_objective(classifier, photo, "fire3", settings)(image)
    image.requires_grad_()
    found, target = (classifier.network.maps(each, ["fire3"])["fire3"] for each in (image, photo))
    error = (found - target).pow(2).sum() / target.pow(2).sum()
    many = image.numel()
    variation = sum(image.diff(dim=axis).pow(2).sum() for axis in (2, 3)) / many
    wanted = torch.stack([error, 0.3 * variation, 0.2 * image.pow(2).mean()])
    torch.testing.assert_close(losses, wanted.detach())
    (wanted_gradient,) = torch.autograd.grad(wanted.sum(), image)
    torch.testing.assert_close(gradient, wanted_gradient, rtol=1e-3, atol=1e-7)


def test_the_error_of_a_shallow_map_falls_to_a_hundredth(classifier):
    photo = classifier.images(np.array(draw(0))[None])
    image, errors = invert(classifier, photo, "conv1", Inversion(steps=60, tv_weight=0), seed=0)
    assert errors["last"] < errors["first"] / 100
    assert errors["last"] <= errors["rounded"] < errors["first"] / 50
    assert photo.grad is None
    assert torch.equal(image, classifier.clamp(image))


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("inversion")
    for name, seed in (("a", 1), ("b", 2)):
        draw(seed).save(folder / f"{name}.png")

    def run(output, *names, layers=("conv1", "fire2"), **options):
        photos = [folder / f"{name}.png" for name in names]
        settings = Inversion(layers=layers, steps=2)
        invert_features(
            *photos, output=output, weights=RANDOM, settings=settings, threads=1, **options
        )
        return output

    return run


def test_a_batch_gives_what_its_photos_give_one_at_a_time(run, tmp_path):
    output = run(tmp_path / "both", "a", "b")
    together = np.load(output / "images.npz")
    assert together["names"].tolist() == ["a", "b"]
    alone = np.load(run(tmp_path / "b", "b") / "images.npz")
    for layer in ("conv1", "fire2"):
        assert together[layer].shape == (2, 3, 224, 224)
        assert np.array_equal(together[layer][1], alone[layer][0])
    scores = json.loads((output / "scores.json").read_text())
    for entry in scores["images"]:
        assert list(entry["pictures"]) == ["photo", "conv1", "fire2"]
        assert all((output / picture).is_file() for picture in entry["pictures"].values())
    errors = [entry["last"]["conv1"] for entry in scores["images"]]
    assert scores["summary"]["last"]["conv1"] == pytest.approx(sum(errors) / 2)
    other = np.load(run(tmp_path / "seed", "b", layers=("conv1",), seed=1) / "images.npz")
    assert not np.allclose(other["conv1"], alone["conv1"])


def test_one_picture(run, tmp_path):
    assert Image.open(run(tmp_path / "a.png", "a", layers=("conv1",))).width > 2 * 224
    with pytest.raises(InputError, match="there are 2 photos: name a folder"):
        run(tmp_path / "ab.png", "a", "b")
    with pytest.raises(InputError, match="no layer 'fire1'"):
        run(tmp_path / "x.png", "a", layers=("fire1",))
