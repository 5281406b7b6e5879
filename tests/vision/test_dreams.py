"""DeepDream."""

import json

import numpy as np
import pytest
import torch
from PIL import Image

from recap.backbones.weights import RANDOM
from recap.core.errors import InputError
from recap.vision.dreams import dream, dream_images
from recap.vision.networks import load_network
from recap.vision.settings import Dream


def draw(seed, size):
    small = np.random.default_rng(seed).integers(0, 256, (5, 7, 3), dtype=np.uint8)
    return Image.fromarray(small).resize(size, Image.Resampling.BICUBIC)


@pytest.fixture(scope="module")
def classifier():
    return load_network("squeezenet1_1", RANDOM)


def test_one_step_of_the_course(classifier):
    image = classifier.images(np.array(draw(0, (64, 48)))[None])
    kept = image.clone()
    settings = Dream(layer="fire3", size=48, octaves=1, steps=1, jitter=0, learning_rate=0.01)
    found = dream(classifier, image, settings, 0, id)
    assert torch.equal(image, kept)
    assert image.grad is None
    image.requires_grad_()
    (classifier.network.maps(image, ["fire3"])["fire3"].pow(2).sum() / 2).backward()
    wanted = kept + 0.01 * image.grad / image.grad.abs().mean()
    torch.testing.assert_close(found, classifier.clamp(wanted))


def test_the_image_is_shifted_and_put_back(classifier, monkeypatch):
    image = classifier.images(np.array(draw(0, (64, 48)))[None])
    monkeypatch.setattr(
        type(classifier.network), "maps", lambda self, seen, names: {names[0]: seen}
    )
    settings = Dream(layer="fire3", size=48, octaves=1, steps=1, learning_rate=0.01)
    found = dream(classifier, image, settings, 3, id)
    # The map is the image itself, and so its gradient.
    wanted = image * (1 + 0.01 / image.abs().mean())
    torch.testing.assert_close(found, classifier.clamp(wanted))


def test_octaves_grow_to_the_size(classifier):
    image = classifier.images(np.array(draw(0, (128, 96)))[None])
    sizes = []
    settings = Dream(layer="fire2", size=96, octaves=3, octave_scale=1.5, steps=2)
    found = dream(classifier, image, settings, 0, lambda seen: sizes.append(seen.shape[2:]))
    assert sizes == [(43, 57)] * 2 + [(64, 85)] * 2 + [(96, 128)] * 2
    assert found.shape == image.shape
    assert torch.equal(found, classifier.clamp(found))


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("dreams")
    draw(1, (50, 40)).save(folder / "a.png")
    draw(2, (40, 60)).save(folder / "b.png")

    def run(output, *names, settings=None, **options):
        chosen = {"size": 48, "octaves": 2, "steps": 3} | (settings or {})
        photos = [folder / f"{name}.png" for name in names]
        dream_images(
            *photos, output=output, weights=RANDOM, settings=Dream(**chosen), threads=1, **options
        )
        return output

    return run


def test_a_batch_gives_what_its_photos_give_one_at_a_time(run, tmp_path):
    output = run(tmp_path / "both", "a", "b", frames=tmp_path / "way")
    together = np.load(output / "images.npz")
    alone = np.load(run(tmp_path / "b", "b") / "images.npz")
    assert np.array_equal(together["b"], alone["b"])
    scores = json.loads((output / "scores.json").read_text())
    for entry in scores["images"]:
        assert entry["after"] > entry["before"] > 0
        for picture in entry["pictures"].values():
            assert (
                Image.open(output / picture).size == {"a": (60, 48), "b": (48, 72)}[entry["name"]]
            )
    assert Image.open(tmp_path / "way" / "a.webp").size == (60, 48)
    other = np.load(run(tmp_path / "seed", "b", seed=1) / "images.npz")
    assert not np.allclose(other["b"], alone["b"])


def test_a_channel_grows_more_alone(run, tmp_path, capsys):
    settings = {"layer": "fire2", "channel": 5}
    alone = run(tmp_path / "alone", "a", settings=settings)
    scores = json.loads((alone / "scores.json").read_text())["summary"]
    assert scores["after"] > scores["before"]
    assert "dream of a" in "".join(capsys.readouterr())
    with pytest.raises(InputError, match="`channel` must be less than 128, not 128"):
        run(tmp_path / "none", "a", settings={"layer": "fire2", "channel": 128})
    with pytest.raises(InputError, match="no layer 'conv10' to look at"):
        run(tmp_path / "none", "a", settings={"layer": "conv10"})
    with pytest.raises(InputError, match="there are 2 photos"):
        run(tmp_path / "none.png", "a", "b")
    assert "dream of a" not in "".join(capsys.readouterr())  # no step was taken
