import csv
import json

import numpy as np
import pytest
import torch

from recap.core.errors import InputError
from recap.vision.networks import load_network
from recap.vision.photos import read_photos
from recap.vision.scene_network import SceneNetwork
from recap.vision.scenes import SCENE_CLASSES
from recap.vision.settings import SceneClassifier
from recap.vision.train_scene_classifier import _Learner, _measure, _train, train_scene_classifier

TINY = SceneClassifier(scenes=12, held_out=6, kept=4, epochs=2, batch_size=4)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("classifier")
    train_scene_classifier(output=folder, settings=TINY, threads=1)
    return folder


def test_what_is_written(folder):
    history = (folder / "history.csv").read_text().splitlines()
    assert [row["epoch"] for row in csv.DictReader(history)] == ["1", "2"]
    scores = json.loads((folder / "scores.json").read_text())
    assert scores["summary"].keys() == {"held_out", "right", "shapes_and_colours_right"}
    assert scores["summary"]["held_out"] == 6
    assert len(list(read_photos([folder / "scenes.npz"]))) == 4
    assert len(list(read_photos([folder / "grounds"]))) == 6
    assert list(read_photos([folder / "examples.npz"]))


def test_the_network_can_be_looked_into(folder):
    classifier = load_network(str(folder))
    assert classifier.class_names == SCENE_CLASSES
    assert classifier.find_class("red ring") == SCENE_CLASSES.index("red ring")
    assert classifier.several
    assert classifier.last_feature_layer == "conv6"
    images = torch.zeros(2, 3, 112, 112, requires_grad=True)
    classifier.scores(images).sum().backward()
    assert images.grad.abs().sum() > 0


def test_the_same_seed_gives_the_same_bytes(folder, tmp_path):
    train_scene_classifier(output=tmp_path / "same", settings=TINY, threads=1)
    train_scene_classifier(output=tmp_path / "other", settings=TINY, threads=1, seed=1)
    for name in (
        "network.safetensors",
        "history.csv",
        "scenes.npz",
        "examples.npz",
        "grounds/snow.png",
    ):
        bytes_of = [(place / name).read_bytes() for place in (folder, tmp_path / "same")]
        assert bytes_of[0] == bytes_of[1], name
        assert bytes_of[0] != (tmp_path / "other" / name).read_bytes(), name


def test_training_learns():
    """Squares of one colour on black: easier than scenes, and enough to see a loss fall."""
    classes = [SCENE_CLASSES.index("red square"), SCENE_CLASSES.index("blue square")]
    pictures = np.zeros((32, 112, 112, 3), np.uint8)
    shown = np.zeros((32, len(SCENE_CLASSES)), bool)
    for number, picture in enumerate(pictures):
        picture[30:80, 30:80, 2 * (number % 2)] = 255
        shown[number, classes[number % 2]] = True
    settings = SceneClassifier(epochs=12, batch_size=8)
    network, history = _train(pictures, shown, settings, seed=0)
    assert history[-1]["loss"] < 0.3 * history[0]["loss"]
    assert _measure(network, pictures, shown)["right"] == 1


def test_what_is_right():
    """A network that always tells a red ring is right about a red ring alone."""
    network = SceneNetwork()
    for weights in network.parameters():
        torch.nn.init.zeros_(weights)
    with torch.no_grad():
        network.classifier[0].bias.fill_(-9)
        network.classifier[0].bias[SCENE_CLASSES.index("red ring")] = 1
    shown = np.zeros((4, len(SCENE_CLASSES)), bool)
    shown[:, SCENE_CLASSES.index("red ring")] = True
    shown[1, SCENE_CLASSES.index("red star")] = True
    shown[2, SCENE_CLASSES.index("blue ring")] = True
    right = _measure(network, np.zeros((4, 112, 112, 3), np.uint8), shown)
    assert right == {"held_out": 4, "right": 0.5, "shapes_and_colours_right": 0.5}


def test_a_folder_without_a_network(tmp_path):
    with pytest.raises(InputError, match="holds no trained scene classifier"):
        load_network(str(tmp_path))
    (tmp_path / "network.safetensors").write_bytes(b"nothing")
    with pytest.raises(InputError, match="missing or damaged"):
        load_network(str(tmp_path))


def test_the_network_is_what_was_trained():
    learner = _Learner(torch.Generator().manual_seed(0))
    images = torch.rand(4, 3, 112, 112, generator=torch.Generator().manual_seed(1))
    learner(images)  # the norms take in means and variances
    with torch.no_grad():
        learner.parts.weight.mul_(100)
        expected = learner.eval()(images)
    torch.testing.assert_close(
        learner.network().maps(images, ["classes"])["classes"], expected, rtol=1e-3, atol=1e-4
    )
    assert expected.std(0).min() > 0.01
