"""Small networks to look into."""

import pytest
import torch
from torch import nn

from recap.backbones.network import Network
from recap.backbones.preprocessing import Preprocessing
from recap.vision.networks import Classifier

SIDE = 32


def make_classifier(features, classifier, ends, names, preprocessing):
    network = Network(features, classifier, ends).eval().requires_grad_(False)
    return Classifier(network, preprocessing, names, {"backbone": "small", "weights": "test"})


@pytest.fixture
def small():
    """Return a classifier of 32 x 32 pixels with random weights and five classes."""
    torch.manual_seed(0)
    features = [
        nn.Conv2d(3, 8, 3, stride=2, padding=1),
        nn.ReLU(inplace=True),
        nn.Conv2d(8, 12, 3, padding=1),
        nn.ReLU(inplace=True),
    ]
    return make_classifier(
        features,
        [nn.Conv2d(12, 5, 1)],
        {"conv1": 2, "conv2": 4, "classes": 5},
        ("ant, emmet", "bee", "cow", "dog", "eel"),
        Preprocessing(resize=SIDE, crop=SIDE),
    )


@pytest.fixture
def spotter():
    """Return a classifier that looks for red and for blue pixels."""
    colours = nn.Conv2d(3, 2, 1)
    classes = nn.Conv2d(2, 2, 1)
    with torch.no_grad():
        colours.weight.copy_(torch.tensor([[1.0, -1, -1], [-1, -1, 1]])[..., None, None])
        colours.bias.fill_(-0.5)
        classes.weight.copy_(10 * torch.eye(2)[..., None, None])
        classes.bias.zero_()
    return make_classifier(
        [colours, nn.ReLU(inplace=True)],
        [classes],
        {"colour": 2, "classes": 3},
        ("red", "blue"),
        Preprocessing(resize=SIDE, crop=SIDE, mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0)),
    )
