import os
import pickle
from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import torch
from torch.nn import functional

from recap.backbones.load import NETWORKS, load_backbone
from recap.backbones.maps import MAPS
from recap.backbones.weights import RANDOM, WEIGHTS, weights_source
from recap.core.errors import InputError
from recap.core.files import file_hash

# torchvision's names and shapes, written out. The convolutions of VGG-16 by their place among the
# layers of `features`, with their channels in and out:
VGG16_CONVOLUTIONS = {
    0: (3, 64),
    2: (64, 64),
    5: (64, 128),
    7: (128, 128),
    10: (128, 256),
    12: (256, 256),
    14: (256, 256),
    17: (256, 512),
    19: (512, 512),
    21: (512, 512),
    24: (512, 512),
    26: (512, 512),
    28: (512, 512),
}
# The fire modules of SqueezeNet in their order: channels in, squeezed, and of each half that is
# expanded; and their places, between which poolings stand, with the first convolution.
FIRES = [
    (128, 16, 64),
    (128, 32, 128),
    (256, 32, 128),
    (256, 48, 192),
    (384, 48, 192),
    (384, 64, 256),
    (512, 64, 256),
]
SQUEEZENETS = {
    "squeezenet1_0": ((96, 3, 7, 7), [3, 4, 5, 7, 8, 9, 10, 12]),
    "squeezenet1_1": ((64, 3, 3, 3), [3, 4, 6, 7, 9, 10, 11, 12]),
}


def with_biases(weights):
    return {
        f"{name}.{part}": size
        for name, shape in weights.items()
        for part, size in (("weight", shape), ("bias", shape[:1]))
    }


def vgg16_shapes():
    convolutions = {
        f"features.{place}": (channels_out, channels_in, 3, 3)
        for place, (channels_in, channels_out) in VGG16_CONVOLUTIONS.items()
    }
    linear = {
        "classifier.0": (4096, 25088),
        "classifier.3": (4096, 4096),
        "classifier.6": (1000, 4096),
    }
    return with_biases({**convolutions, **linear})


def squeezenet_shapes(version):
    first, places = SQUEEZENETS[version]
    weights = {"features.0": first}
    fires = zip(places, [(first[0], 16, 64), *FIRES], strict=True)
    for place, (channels_in, squeezed, expanded) in fires:
        weights[f"features.{place}.squeeze"] = (squeezed, channels_in, 1, 1)
        weights[f"features.{place}.expand1x1"] = (expanded, squeezed, 1, 1)
        weights[f"features.{place}.expand3x3"] = (expanded, squeezed, 3, 3)
    return with_biases({**weights, "classifier.1": (1000, 512, 1, 1)})


SHAPES = {"vgg16": vgg16_shapes()} | {name: squeezenet_shapes(name) for name in SQUEEZENETS}


def made_state(shapes, dtype=torch.float32):
    """Return small-valued weights that differ from key to key.

    Each tensor is one number that is shown many times, so that a file of VGG-16's weights has its
    real layout and is small.
    """
    return {
        key: torch.tensor(number / 100, dtype=dtype).expand(shape)
        for number, (key, shape) in enumerate(shapes.items(), start=1)
    }


def assert_holds(network, state):
    loaded = network.state_dict()
    for key in loaded:
        assert loaded[key].dtype == torch.float32
        assert torch.equal(loaded[key], state[key].float()), key


# --- architecture -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "parameters"),
    [("vgg16", 138_357_544), ("squeezenet1_0", 1_248_424), ("squeezenet1_1", 1_235_496)],
)
def test_names_and_shapes_are_those_of_torchvision(name, parameters):
    with torch.device("meta"):
        network = NETWORKS[name]()
    shapes = {key: tuple(value.shape) for key, value in network.state_dict().items()}
    assert shapes == SHAPES[name]
    assert sum(parameter.numel() for parameter in network.parameters()) == parameters


@pytest.mark.parametrize(
    ("backbone", "name"), [(backbone, name) for backbone, maps in MAPS.items() for name in maps]
)
def test_maps_have_the_channels_that_are_promised(backbone, name):
    with torch.device("meta"):
        network = NETWORKS[backbone]([name]).eval()
        found = network.maps(torch.empty(2, 3, 224, 224), [name])
    assert found.keys() == {name}
    assert found[name].shape[:2] == (2, MAPS[backbone][name])
    # What lies behind the map is not there, and what is there has torchvision's names.
    state = {key: tuple(value.shape) for key, value in network.state_dict().items()}
    assert state.items() <= SHAPES[backbone].items()
    *_, last = MAPS[backbone]
    assert (state == SHAPES[backbone]) == (name == last)


def plain_vgg16(state, images):
    """Return every map of VGG-16 by name, each step written out."""
    found, x = {}, images
    places = iter(VGG16_CONVOLUTIONS)
    for block, convolutions in enumerate([2, 2, 3, 3, 3], start=1):
        for number in range(1, convolutions + 1):
            name = f"features.{next(places)}"
            x = functional.conv2d(x, state[f"{name}.weight"], state[f"{name}.bias"], padding=1)
            x = torch.relu(x)
            found[f"conv{block}_{number}"] = x
        x = functional.max_pool2d(x, 2)
    x = x.flatten(1)
    for name, place in (("fc6", 0), ("fc7", 3), ("fc8", 6)):
        x = x @ state[f"classifier.{place}.weight"].T + state[f"classifier.{place}.bias"]
        if name == "fc8":
            found[name] = x
        else:
            found[f"{name}_before_relu"] = x
            x = torch.relu(x)
            found[name] = x
    return found


@pytest.mark.slow
def test_maps_of_vgg16_are_what_their_names_say():
    network = load_backbone("vgg16", RANDOM).network
    state = network.state_dict()
    for key, value in state.items():
        if key.endswith("bias"):
            value += 0.1
    images = torch.randn(1, 3, 224, 224, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        expected = plain_vgg16(state, images)
        found = network.maps(images, MAPS["vgg16"])
    assert (expected["fc7_before_relu"] < 0).any()
    assert list(found) == list(expected) == list(MAPS["vgg16"])
    for name, maps in found.items():
        torch.testing.assert_close(maps, expected[name], rtol=1e-4, atol=1e-4)


def plain_squeezenet(version, state, images):
    """Return every map of SqueezeNet by name, each step written out."""

    def convolved(x, name, **options):
        weight, bias = state[f"{name}.weight"], state[f"{name}.bias"]
        return torch.relu(functional.conv2d(x, weight, bias, **options))

    x = convolved(images, "features.0", stride=2)
    found = {"conv1": x}
    before = 1
    for number, place in enumerate(SQUEEZENETS[version][1], start=2):
        if place > before + 1:
            x = functional.max_pool2d(x, 3, stride=2, ceil_mode=True)
        before = place
        name = f"features.{place}"
        x = convolved(x, f"{name}.squeeze")
        halves = [
            convolved(x, f"{name}.expand1x1"),
            convolved(x, f"{name}.expand3x3", padding=1),
        ]
        x = found[f"fire{number}"] = torch.cat(halves, dim=1)
    found["conv10"] = convolved(x, "classifier.1")
    return found


@pytest.mark.parametrize("version", SQUEEZENETS)
def test_maps_of_squeezenet_are_what_their_names_say(version):
    network = load_backbone(version, RANDOM).network
    state = network.state_dict()
    for key, value in state.items():
        if key.endswith("bias"):
            value += 0.1
    images = torch.randn(2, 3, 224, 224, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        expected = plain_squeezenet(version, state, images)
        found = network.maps(images, MAPS[version])
        assert list(found) == list(expected) == list(MAPS[version])
        for name, maps in found.items():
            torch.testing.assert_close(maps, expected[name], rtol=1e-4, atol=1e-4)
        two = network.maps(images, ["fire5", "conv1"])
    assert two.keys() == {"fire5", "conv1"}
    assert torch.equal(two["fire5"], found["fire5"])


def test_gradients_of_a_map_reach_the_images():
    network = load_backbone("squeezenet1_1", RANDOM).network.double()
    images = torch.randn(1, 3, 40, 30, dtype=torch.float64).requires_grad_()
    before = images.detach().clone()
    total = sum(maps.square().mean() for maps in network.maps(images, ["conv1", "fire4"]).values())
    total.backward()
    assert torch.equal(images, before)
    # Along one direction, against the difference of two nearby values.
    direction, step = torch.randn_like(before), 1e-6
    with torch.inference_mode():
        high, low = (
            sum(maps.square().mean() for maps in network.maps(moved, ["conv1", "fire4"]).values())
            for moved in (before + step * direction, before - step * direction)
        )
    slope = (images.grad * direction).sum().item()
    assert slope == pytest.approx(((high - low) / (2 * step)).item(), rel=1e-4)
    assert all(parameter.grad is None for parameter in network.parameters())


# --- random weights -----------------------------------------------------------------------------


def test_random_weights_are_the_same_every_time():
    torch.manual_seed(1)
    first = load_backbone("squeezenet1_0", RANDOM)
    torch.manual_seed(2)
    again = load_backbone("squeezenet1_0", RANDOM)
    assert_holds(again.network, first.network.state_dict())
    assert first.attributes["weights"] == "random"
    assert first.attributes["weights_sha256"] == ""


def test_random_weights_are_he_normal():
    state = load_backbone("squeezenet1_0", RANDOM).network.state_dict()
    large = 0
    for key, value in state.items():
        if key.endswith("bias"):
            assert not value.any()
            continue
        fan_in = value[0].numel()
        # The variance of n normal numbers scatters by sqrt(2 / n) of itself; 5 times that is safe.
        scatter = 5 * (2 / value.numel()) ** 0.5
        assert value.var().item() * fan_in / 2 == pytest.approx(1, abs=scatter), key
        assert value.mean().item() * (fan_in / 2) ** 0.5 == pytest.approx(0, abs=scatter), key
        large += value.numel() > 100_000
    assert large >= 3


def test_a_backbone_is_frozen_and_in_evaluation_mode():
    network = load_backbone("squeezenet1_0", RANDOM).network
    assert not network.training
    assert not any(parameter.requires_grad for parameter in network.parameters())


# --- files of weights ---------------------------------------------------------------------------


@pytest.mark.parametrize("zipped", [True, False])
def test_torchvision_file_of_vgg16(tmp_path, zipped):
    # vgg16-397923af.pth is in the format that PyTorch wrote before 1.6, which is no zip archive.
    state = made_state(SHAPES["vgg16"])
    path = tmp_path / "vgg16-397923af.pth"
    torch.save(state, path, _use_new_zipfile_serialization=zipped)
    backbone = load_backbone("vgg16", str(path))
    assert_holds(backbone.network, state)
    assert backbone.attributes["weights"] == path.name
    assert backbone.attributes["weights_sha256"] == file_hash(path)


def test_file_of_the_caffe_model(tmp_path):
    # Its linear layers are 1, 4 and 6, because its dropouts stand before the first two.
    state = made_state(SHAPES["vgg16"])
    renamed = {"classifier.0": "classifier.1", "classifier.3": "classifier.4"}
    caffe = {
        ".".join(
            [renamed.get(key.rpartition(".")[0], key.rpartition(".")[0]), key.split(".")[-1]]
        ): value
        for key, value in state.items()
    }
    assert "classifier.1.weight" in caffe
    assert "classifier.3.bias" not in caffe
    path = tmp_path / "vgg16-00b39a1b.pth"
    torch.save(caffe, path, _use_new_zipfile_serialization=False)
    for name in ("fc8", "conv3_1"):
        backbone = load_backbone("vgg16", str(path), [name])
        assert_holds(backbone.network, state)
        assert backbone.preprocessing.channels == "BGR"
        assert backbone.preprocessing.resize is None
    # Blue, green and red from 0 to 255, less Caffe's mean.
    white = (1 - np.array(backbone.preprocessing.mean)) / backbone.preprocessing.std
    np.testing.assert_allclose(white, [255 - 103.939, 255 - 116.779, 255 - 123.68])
    assert "BGR, whole image to 224 x 224" in backbone.attributes["preprocessing"]
    assert backbone.attributes["seen"] == 0


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
def test_safetensors_file(tmp_path, dtype):
    generator = torch.Generator().manual_seed(3)
    state = {
        key: torch.randn(shape, generator=generator).to(dtype)
        for key, shape in SHAPES["squeezenet1_0"].items()
    }
    path = tmp_path / "squeezenet.safetensors"
    safetensors.torch.save_file({**state, "another.weight": torch.zeros(2)}, path)
    assert_holds(load_backbone("squeezenet1_0", str(path)).network, state)


def test_preprocessing_belongs_to_the_weights(tmp_path):
    path = tmp_path / "vgg16.pth"
    torch.save(made_state(SHAPES["vgg16"]), path)
    loaded = load_backbone("vgg16", str(path))
    imagenet = loaded.preprocessing
    assert loaded.attributes["seen"] == 0.875
    assert (imagenet.resize, imagenet.crop, imagenet.channels) == (256, 224, "RGB")
    assert imagenet.mean == (0.485, 0.456, 0.406)
    assert imagenet.std == (0.229, 0.224, 0.225)
    squeezenet = load_backbone("squeezenet1_0", RANDOM)
    assert (squeezenet.preprocessing.resize, squeezenet.preprocessing.crop) == (224, 224)
    assert squeezenet.attributes["preprocessing"] == str(squeezenet.preprocessing)
    assert squeezenet.attributes["seen"] == 1


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_weights_of_another_network(tmp_path, suffix):
    path = tmp_path / f"weights{suffix}"
    state = {key: value.contiguous() for key, value in made_state(SHAPES["squeezenet1_0"]).items()}
    if suffix == ".pth":
        torch.save(state, path)
    else:
        safetensors.torch.save_file(state, path)
    with pytest.raises(InputError, match=r"does not hold the weights of vgg16 \(features\.0\."):
        load_backbone("vgg16", str(path))


def test_one_weight_of_another_shape(tmp_path):
    path = tmp_path / "weights.pth"
    torch.save(made_state({**SHAPES["squeezenet1_0"], "classifier.1.bias": (21,)}), path)
    with pytest.raises(InputError, match=r"\(classifier\.1\.bias is missing or has another shape"):
        load_backbone("squeezenet1_0", str(path))


@pytest.mark.parametrize("content", [None, [1, 2], torch.zeros(3), {"features.0.weight": 5}])
def test_a_file_that_holds_no_weights(tmp_path, content):
    path = tmp_path / "weights.pth"
    torch.save(content, path)
    with pytest.raises(InputError, match="does not hold the weights of squeezenet1_0"):
        load_backbone("squeezenet1_0", str(path))


@pytest.mark.parametrize("form", ["zip", "legacy", "safetensors"])
@pytest.mark.parametrize("share", [0, 0.0001, 0.01, 0.5, 0.99])
def test_a_truncated_file(tmp_path, form, share):
    state = {key: torch.zeros(shape) for key, shape in SHAPES["squeezenet1_0"].items()}
    path = tmp_path / ("weights.safetensors" if form == "safetensors" else "weights.pth")
    if form == "safetensors":
        safetensors.torch.save_file(state, path)
    else:
        torch.save(state, path, _use_new_zipfile_serialization=form == "zip")
    with open(path, "r+b") as file:
        file.truncate(int(path.stat().st_size * share))
    with pytest.raises(InputError, match=r"weights\.\w+ is not a whole file of weights"):
        load_backbone("squeezenet1_0", str(path))


@pytest.mark.parametrize("name", ["page.pth", "page.safetensors"])
def test_a_web_page_in_place_of_the_weights(tmp_path, name):
    (tmp_path / name).write_text("<html><body>404 Not Found</body></html>")
    with pytest.raises(InputError, match="is not a whole file of weights"):
        load_backbone("vgg16", str(tmp_path / name))


class Harmful:
    """Pickles as a call that makes a folder."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


@pytest.mark.parametrize("form", ["zip", "legacy", "pickle"])
def test_code_in_a_file_of_weights_is_not_run(tmp_path, form):
    trace, path = tmp_path / "trace", tmp_path / "weights.pth"
    content = {**made_state(SHAPES["squeezenet1_0"]), "extra": Harmful(trace)}
    if form == "pickle":
        path.write_bytes(pickle.dumps(Harmful(trace), protocol=2))
    else:
        torch.save(content, path, _use_new_zipfile_serialization=form == "zip")
    with pytest.raises(InputError, match="holds code or other objects beside weights"):
        load_backbone("squeezenet1_0", str(path))
    assert not trace.exists()


def test_missing_weights(tmp_path):
    with pytest.raises(InputError, match=r"none\.pth do not exist"):
        load_backbone("vgg16", str(tmp_path / "none.pth"))
    with pytest.raises(InputError, match="cannot be read .Is a directory.: check the path"):
        load_backbone("vgg16", str(tmp_path))


# --- where weights come from --------------------------------------------------------------------


def test_sources_of_weights(tmp_path):
    path = tmp_path / "mine.pth"
    path.touch()
    assert weights_source("vgg16", RANDOM) is None
    assert weights_source("vgg16", str(path)) == path
    source = weights_source("vgg16", "imagenet")
    assert source.url == "https://download.pytorch.org/models/vgg16-397923af.pth"
    assert source.size == 553_433_881
    assert source.sha256.startswith("397923af8e79cdbb6a71")
    assert weights_source("vgg16", "caffe").name == "vgg16-00b39a1b.pth"
    with pytest.raises(InputError, match="imagnet are no file, .*one of random, imagenet, caffe"):
        weights_source("vgg16", "imagnet")
    with pytest.raises(InputError, match="are no file"):
        weights_source("vgg16", "a" * 5000)


@pytest.mark.parametrize(
    ("backbone", "file"), [(name, file) for name in WEIGHTS for file in WEIGHTS[name].values()]
)
def test_torchvision_names_its_files_by_their_digest(backbone, file):
    name, _, digest = file.name.removesuffix(".pth").partition("-")
    assert name == backbone
    assert file.sha256.startswith(digest)


# --- real weights -------------------------------------------------------------------------------


@pytest.mark.skipif(
    "RECAP_DATA" not in os.environ, reason="RECAP_DATA names no folder of real data"
)
@pytest.mark.parametrize(
    ("version", "right", "among_five"), [("squeezenet1_0", 14, 19), ("squeezenet1_1", 13, 18)]
)
def test_squeezenet_on_real_photos(version, right, among_five):
    folder = Path(os.environ["RECAP_DATA"]) / "imagenet"
    backbone = load_backbone(version, str(folder / f"{version}_imagenet.safetensors"))
    with np.load(folder / "imagenet_val_25.npz") as photos:
        pixels = torch.from_numpy(photos["X"])
        classes = torch.from_numpy(photos["y"].astype(np.int64))
    with torch.inference_mode():
        images = backbone.preprocessing.preprocess(pixels)
        scores = backbone.network.maps(images, ["conv10"])["conv10"].mean((2, 3))
    assert (scores.argmax(dim=1) == classes).sum() == right
    assert (scores.topk(5).indices == classes[:, None]).any(dim=1).sum() == among_five
