import os
import pickle
from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import torch

from recap.backbones.download import download_weights
from recap.backbones.load import load_backbone
from recap.backbones.squeezenet import SqueezeNet
from recap.backbones.vgg16 import VGG16
from recap.backbones.weights import RANDOM, WEIGHTS, weights_source
from recap.errors import InputError
from recap.files import file_hash

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
# The fire modules of SqueezeNet 1.0: channels in, squeezed, and of each half that is expanded.
FIRES = {
    3: (96, 16, 64),
    4: (128, 16, 64),
    5: (128, 32, 128),
    7: (256, 32, 128),
    8: (256, 48, 192),
    9: (384, 48, 192),
    10: (384, 64, 256),
    12: (512, 64, 256),
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
    linear = {"classifier.0": (4096, 25088), "classifier.3": (4096, 4096)}
    return with_biases({**convolutions, **linear})


def squeezenet_shapes():
    weights = {"features.0": (96, 3, 7, 7)}
    for place, (channels_in, squeezed, expanded) in FIRES.items():
        weights[f"features.{place}.squeeze"] = (squeezed, channels_in, 1, 1)
        weights[f"features.{place}.expand1x1"] = (expanded, squeezed, 1, 1)
        weights[f"features.{place}.expand3x3"] = (expanded, squeezed, 3, 3)
    return with_biases({**weights, "classifier.1": (1000, 512, 1, 1)})


SHAPES = {"vgg16": vgg16_shapes(), "squeezenet1_0": squeezenet_shapes()}


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
    ("make", "name", "parameters"),
    [(VGG16, "vgg16", 134_260_544), (SqueezeNet, "squeezenet1_0", 1_248_424)],
)
def test_names_and_shapes_are_those_of_torchvision(make, name, parameters):
    with torch.device("meta"):
        network = make()
    shapes = {key: tuple(value.shape) for key, value in network.state_dict().items()}
    assert shapes == SHAPES[name]
    assert sum(parameter.numel() for parameter in network.parameters()) == parameters


@pytest.mark.parametrize("make", [VGG16, SqueezeNet])
def test_features_have_the_dimension_that_is_promised(make):
    with torch.device("meta"):
        network = make().eval()
        assert network(torch.empty(2, 3, 224, 224)).shape == (2, network.feature_dim)


def test_squeezenet_pools_fire9_and_conv10():
    torch.manual_seed(0)
    network = SqueezeNet().eval()
    images = torch.randn(2, 3, 224, 224)
    with torch.inference_mode():
        fire9 = network.features(images)
        scores = torch.relu(network.classifier[1](fire9))
        features = network(images)
    assert fire9.shape == (2, 512, 13, 13)
    for start, expected in ((0, fire9.mean((2, 3))), (1024, scores.mean((2, 3)))):
        found = features[:, start : start + expected.shape[1]]
        torch.testing.assert_close(found, expected)
    torch.testing.assert_close(features[:, 512:1024], fire9.flatten(2).max(dim=2).values)


def test_a_fire_module_sets_its_halves_side_by_side():
    fire = SqueezeNet().features[3]
    x = torch.randn(1, 96, 5, 5)
    squeezed = torch.relu(fire.squeeze(x))
    out = fire(x)
    torch.testing.assert_close(out[:, :64], torch.relu(fire.expand1x1(squeezed)))
    torch.testing.assert_close(out[:, 64:], torch.relu(fire.expand3x3(squeezed)))


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
    last = {"classifier.6.weight": (1000, 4096), "classifier.6.bias": (1000,)}
    state = made_state({**SHAPES["vgg16"], **last})
    path = tmp_path / "vgg16-397923af.pth"
    torch.save(state, path, _use_new_zipfile_serialization=zipped)
    backbone = load_backbone("vgg16", str(path))
    assert_holds(backbone.network, state)
    assert backbone.attributes["weights"] == path.name
    assert backbone.attributes["weights_sha256"] == file_hash(path)
    assert backbone.attributes["layer"] == "fc7"


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
    imagenet = load_backbone("vgg16", str(path)).preprocessing
    assert (imagenet.resize, imagenet.crop) == (256, 224)
    assert imagenet.mean == (0.485, 0.456, 0.406)
    assert imagenet.std == (0.229, 0.224, 0.225)
    squeezenet = load_backbone("squeezenet1_0", RANDOM)
    assert (squeezenet.preprocessing.resize, squeezenet.preprocessing.crop) == (224, 224)
    assert squeezenet.attributes["preprocessing"] == str(squeezenet.preprocessing)


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
    with pytest.raises(InputError, match="is not a whole file of weights"):
        load_backbone("squeezenet1_0", str(path))
    assert not trace.exists()


def test_missing_weights_and_unknown_backbones(tmp_path):
    with pytest.raises(InputError, match=r"none\.pth do not exist"):
        load_backbone("vgg16", str(tmp_path / "none.pth"))
    with pytest.raises(InputError, match="is not a whole file of weights"):
        load_backbone("vgg16", str(tmp_path))
    with pytest.raises(InputError, match="no backbone 'resnet': choose vgg16 or squeezenet1_0"):
        load_backbone("resnet", RANDOM)


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
    with pytest.raises(InputError, match="imagnet are no file, .*one of random, imagenet"):
        weights_source("vgg16", "imagnet")


@pytest.mark.parametrize(
    ("backbone", "file"), [(name, file) for name in WEIGHTS for file in WEIGHTS[name].values()]
)
def test_torchvision_names_its_files_by_their_digest(backbone, file):
    name, _, digest = file.name.removesuffix(".pth").partition("-")
    assert name == backbone
    assert file.sha256.startswith(digest)


def test_download_of_weights_is_verified(tmp_path):
    (tmp_path / "mirror").mkdir()
    (tmp_path / "mirror" / "vgg16-397923af.pth").write_bytes(b"something else")
    output = tmp_path / "vgg16.pth"
    with pytest.raises(InputError, match="has 14 bytes where 553,433,881 were expected"):
        download_weights("vgg16", output=output, mirror=str(tmp_path / "mirror"))
    assert not output.exists()
    with pytest.raises(InputError, match="vgg16 has no weights named coco to download"):
        download_weights("vgg16", "coco", output=output)


# --- real weights -------------------------------------------------------------------------------


@pytest.mark.skipif(
    "RECAP_DATA" not in os.environ, reason="RECAP_DATA names no folder of real data"
)
def test_squeezenet_on_real_photos():
    folder = Path(os.environ["RECAP_DATA"]) / "imagenet"
    backbone = load_backbone("squeezenet1_0", str(folder / "squeezenet1_0_imagenet.safetensors"))
    with np.load(folder / "imagenet_val_25.npz") as photos:
        pixels, classes = photos["X"], torch.from_numpy(photos["y"].astype(np.int64))
    mean, std = (
        torch.tensor(values).view(3, 1, 1)
        for values in (backbone.preprocessing.mean, backbone.preprocessing.std)
    )
    images = (torch.from_numpy(pixels).permute(0, 3, 1, 2) / 255 - mean) / std
    with torch.inference_mode():
        scores = backbone.network(images)[:, 1024:]
    assert (scores.argmax(dim=1) == classes).sum() == 14
    assert (scores.topk(5).indices == classes[:, None]).any(dim=1).sum() == 19
