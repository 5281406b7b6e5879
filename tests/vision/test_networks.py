from dataclasses import replace

import pytest
import torch

from recap.backbones.weights import RANDOM
from recap.core.errors import InputError
from recap.core.remote_file import RemoteFile
from recap.vision import networks
from recap.vision.networks import load_network


@pytest.fixture(scope="module")
def squeezenet():
    return load_network("squeezenet1_1", RANDOM)


def test_scores_are_the_means_of_the_last_map(squeezenet):
    images = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    scores, fire9 = squeezenet.scores_and_map(images, "fire9")
    assert scores.shape == (2, 1000)
    assert torch.equal(scores, squeezenet.scores(images))
    assert fire9.shape[:2] == (2, 512)
    last = squeezenet.network.maps(images, ["conv10"])["conv10"]
    torch.testing.assert_close(scores, last.mean(dim=(2, 3)))


def test_the_scores_of_vgg16_are_its_last_layer():
    vgg16 = load_network("vgg16", RANDOM)
    assert vgg16.last_feature_layer == "conv5_3"
    assert vgg16.scores(torch.zeros(1, 3, 224, 224)).shape == (1, 1000)


def test_weights_are_frozen_and_layers_in_order(squeezenet):
    assert not any(weights.requires_grad for weights in squeezenet.network.parameters())
    assert squeezenet.layers[:2] == ["conv1", "fire2"]
    assert squeezenet.layers[-1] == "conv10"
    assert squeezenet.last_feature_layer == "fire9"


@pytest.mark.parametrize(
    ("wanted", "number"),
    [(0, 0), ("187", 187), ("Tarantula", 76), ("boxer", 242), ("AMERICAN EGRET", 132)],
)
def test_a_class_by_number_or_name(squeezenet, wanted, number):
    assert squeezenet.find_class(wanted) == number


@pytest.mark.parametrize(
    ("wanted", "sentence"),
    [
        ("tarantulla", "no class 'tarantulla': the nearest are tarantula"),
        ("crane", r"Several classes are called crane: give a number of 134 \(crane\) and 517"),
        ("1000", "There is no class 1000: the network has the classes 0 to 999"),
        ("-1", "no class '-1': give its number"),
    ],
)
def test_a_class_that_is_not_clear(squeezenet, wanted, sentence):
    with pytest.raises(InputError, match=sentence):
        squeezenet.find_class(wanted)


def test_no_two_classes_have_one_file(squeezenet):
    names = [squeezenet.file_name(number) for number in range(1000)]
    assert len({name.casefold() for name in names}) == 1000
    assert names[134] == "crane-134"
    assert names[779] == "school-bus"


def test_an_unknown_network():
    with pytest.raises(InputError, match="no network 'resnet': give one of vgg16, squeezenet1_0"):
        load_network("resnet", RANDOM)


def test_weights_by_name_are_downloaded_once(squeezenet, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    fetched = []

    def fetch(file, output, remedy):
        assert isinstance(file, RemoteFile)
        assert remedy.endswith(
            "`weights` to the file if you have it, or put it into resources/weights"
        )
        fetched.append(file.name)
        output.parent.mkdir(parents=True)
        torch.save(squeezenet.network.state_dict(), output)

    monkeypatch.setattr(networks, "fetch", fetch)
    for _ in range(2):
        found = load_network("squeezenet1_1", "imagenet")
    assert fetched == ["squeezenet1_1-b8a52dc0.pth"]
    assert found.attributes["weights"] == "squeezenet1_1-b8a52dc0.pth"


def test_probabilities_of_one_class_or_several(squeezenet):
    scores = torch.tensor([[0.0, 2.0]])
    assert squeezenet.probabilities(scores).sum() == pytest.approx(1)
    several = replace(squeezenet, several=True)
    assert several.probabilities(scores)[0, 0] == 0.5
