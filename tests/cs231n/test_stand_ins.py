"""What stands in for torchvision does what recap's own code does."""

import numpy as np
import pytest
import torch
from PIL import Image

from recap.backbones.preprocessing import Preprocessing
from recap.core.errors import InputError
from recap.cs231n import places
from recap.cs231n.image_utils import SQUEEZENET_MEAN, SQUEEZENET_STD
from recap.cs231n.stand_ins.torchvision import datasets, models
from recap.cs231n.stand_ins.torchvision import transforms as T  # noqa: N812
from recap.datasets.digits.files import NAMES
from recap.datasets.digits.idx import Digits, write_digits
from recap.vision.networks import load_network


@pytest.fixture
def image():
    pixels = np.random.default_rng(0).integers(256, size=(60, 81, 3), dtype=np.uint8)
    return Image.fromarray(pixels)


def test_preprocessing_is_that_of_the_networks(image):
    steps = [
        T.Resize(40),
        T.CenterCrop(40),
        T.ToTensor(),
        T.Normalize(mean=SQUEEZENET_MEAN.tolist(), std=SQUEEZENET_STD.tolist()),
        T.Lambda(lambda x: x[None]),
    ]
    own = Preprocessing(resize=40, crop=40)
    wanted = own.preprocess(torch.from_numpy(own.cut(image))[None])
    torch.testing.assert_close(T.Compose(steps)(image), wanted)


def test_a_picture_comes_back(image):
    there = T.Compose([T.ToTensor(), T.Normalize([0.5] * 3, [0.2] * 3)])(image)
    back = T.Compose([T.Normalize([0] * 3, [5] * 3), T.Normalize([-0.5] * 3, [1] * 3)])
    pixels = np.asarray(T.ToPILImage()(back(there) + 1e-4))
    np.testing.assert_array_equal(pixels, np.minimum(np.asarray(image), 255))


def test_sizes_and_gray_pictures(image):
    assert T.Resize((20, 30))(image).size == (30, 20)
    assert T.Scale(30)(image).size == (40, 30)
    assert T.CenterCrop((20, 30))(image).size == (30, 20)
    gray = T.ToTensor()(image.convert("L"))
    assert gray.shape == (1, 60, 81)
    assert T.ToPILImage()(gray).mode == "L"
    assert T.ToTensor()(np.zeros((2, 3, 1), np.float32)).shape == (1, 2, 3)


def test_scores_are_those_of_the_network(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    model = models.squeezenet1_1()
    x = torch.from_numpy(np.random.default_rng(0).standard_normal((2, 3, 64, 64))).float()
    network = load_network("squeezenet1_1", "random").network
    wanted = network.maps(x, ["conv10"])["conv10"].mean((2, 3))
    torch.testing.assert_close(model(x), wanted)
    assert model(x).shape == (2, 1000)
    assert len(model.features._modules) == 13
    assert not model.training


@pytest.mark.parametrize("asked", [{"pretrained": True}, {"weights": "DEFAULT"}])
def test_imagenets_weights_are_those_in_resources(asked, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(places, "_loaded", [])
    weights = tmp_path / "resources/weights/squeezenet1_1-any.pth"
    weights.parent.mkdir(parents=True)
    weights.write_bytes(b"no weights")
    with pytest.raises(InputError, match="squeezenet1_1-any.pth"):
        models.squeezenet1_1(**asked)


def test_mnist(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    generator = np.random.default_rng(0)
    digits = Digits(
        generator.integers(256, size=(5, 28, 28), dtype=np.uint8),
        np.arange(5, dtype=np.uint8),
    )
    for split, folder in (("train", "MNIST_data/MNIST/raw"), ("test", "resources/mnist")):
        (tmp_path / folder).mkdir(parents=True)
        paths = (tmp_path / folder / NAMES[split, kind] for kind in ("images", "labels"))
        write_digits(*paths, digits)
    for train in (True, False):
        data = datasets.MNIST("./MNIST_data", train=train, download=True, transform=T.ToTensor())
        assert len(data) == 5
        picture, label = data[3]
        assert label == 3
        np.testing.assert_allclose(picture[0], digits.images[3] / 255, rtol=1e-6)
    plain = datasets.MNIST("./MNIST_data", target_transform=lambda label: -label)
    assert plain[2][0].mode == "L"
    assert plain[2][1] == -2
    with pytest.raises(InputError, match=r"MNIST_other/train-images\S+ does not exist"):
        (tmp_path / "MNIST_other").mkdir()
        monkeypatch.setattr(datasets, "find_resource", lambda pattern: None)
        datasets.MNIST("./MNIST_other")
    remedies = []
    monkeypatch.setattr(datasets, "fetch", lambda file, path, remedy: remedies.append(remedy))
    with pytest.raises(InputError, match="does not exist"):
        datasets.MNIST("./MNIST_other", download=True)
    assert remedies == ["put it into MNIST_other"] * 2
