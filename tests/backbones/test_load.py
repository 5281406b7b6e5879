import os
import pickle
from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import torch
from torch.nn import functional

from recap.backbones.download import download_weights
from recap.backbones.layer_names import LAYERS, choose_layer, regions_in
from recap.backbones.load import NETWORKS, load_backbone
from recap.backbones.squeezenet import SqueezeNet
from recap.backbones.vgg16 import VGG16
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
ALL_SHAPES = SHAPES | {"vgg16": SHAPES["vgg16"] | with_biases({"classifier.6": (1000, 4096)})}


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


@pytest.mark.parametrize(
    ("backbone", "layer"), [(name, layer) for name, layers in LAYERS.items() for layer in layers]
)
def test_features_have_the_dimension_that_is_promised(backbone, layer):
    with torch.device("meta"):
        network = NETWORKS[backbone](layer).eval()
        assert network(torch.empty(2, 3, 224, 224)).shape == (2, network.feature_dim)
    assert network.feature_dim == regions_in(layer) * LAYERS[backbone][layer]
    # What lies behind the layer is not there, and what is there has torchvision's names.
    assert {key: tuple(value.shape) for key, value in network.state_dict().items()}.items() <= (
        ALL_SHAPES[backbone].items()
    )


def plain_vgg16(state, images):
    """Return every layer of VGG-16 by name, each step written out."""
    found, x = {}, images
    places = iter(VGG16_CONVOLUTIONS)
    for block, convolutions in enumerate([2, 2, 3, 3, 3], start=1):
        for number in range(1, convolutions + 1):
            name = f"features.{next(places)}"
            x = functional.conv2d(x, state[f"{name}.weight"], state[f"{name}.bias"], padding=1)
            x = torch.relu(x)
            found[f"conv{block}_{number}"] = x.flatten(2).mean(dim=2)
        last = x
        x = functional.max_pool2d(x, 2)
    squares = last.unfold(2, 2, 2).unfold(3, 2, 2).mean(dim=(4, 5))
    found["conv5_3_grid"] = squares.permute(0, 2, 3, 1).flatten(1)
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
def test_layers_of_vgg16_are_what_their_names_say():
    full = load_backbone("vgg16", RANDOM, "fc8").network
    state = full.state_dict()
    for key, value in state.items():
        if key.endswith("bias"):
            value += 0.1
    images = torch.randn(1, 3, 224, 224, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        expected = plain_vgg16(state, images)
        assert (expected["fc7_before_relu"] < 0).any()
        assert expected.keys() == set(LAYERS["vgg16"])
        for layer in LAYERS["vgg16"]:
            with torch.device("meta"):
                network = VGG16(layer).eval()
            network.load_state_dict({key: state[key] for key in network.state_dict()}, assign=True)
            torch.testing.assert_close(network(images), expected[layer], rtol=1e-4, atol=1e-4)


def test_layers_of_squeezenet_are_what_their_names_say():
    full = load_backbone("squeezenet1_0", RANDOM).network
    images = torch.randn(2, 3, 224, 224, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        both = full(images)
        for layer, columns in (("fire9", both[:, :1024]), ("conv10", both[:, 1024:])):
            network = load_backbone("squeezenet1_0", RANDOM, layer).network
            torch.testing.assert_close(network(images), columns)
        fire4 = full.features[:6](images)
        assert isinstance(full.features[6], torch.nn.MaxPool2d)
        pooled = torch.cat([fire4.mean((2, 3)), fire4.amax((2, 3))], dim=1)
        network = load_backbone("squeezenet1_0", RANDOM, "fire4").network
        torch.testing.assert_close(network(images), pooled)
        # Of 13 positions a side, a region has those that it touches.
        fire9 = full.features(images)
        backbone = load_backbone("squeezenet1_0", RANDOM, "fire9_grid")
        assert backbone.attributes["regions"] == "49"
        grid = backbone.network(images)
        grid = grid.view(2, 7, 7, 512)
        for row, column in ((0, 0), (0, 6), (3, 2), (6, 6)):
            down, right = (
                slice(13 * place // 7, -(-13 * (place + 1) // 7)) for place in (row, column)
            )
            region = fire9[:, :, down, right].mean((2, 3))
            torch.testing.assert_close(grid[:, row, column], region)


@pytest.mark.parametrize(
    ("backbone", "layer"), [("vgg16", "fc9"), ("vgg16", "fire9"), ("squeezenet1_0", "fc7")]
)
def test_a_layer_that_is_not_there(backbone, layer):
    with pytest.raises(InputError, match=f"{backbone} has no layer '{layer}': set `layer` to def"):
        load_backbone(backbone, RANDOM, layer)
    assert choose_layer(backbone) == list(LAYERS[backbone])[0]
    assert choose_layer(backbone, "grid") == list(LAYERS[backbone])[-1]


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
    state = made_state(ALL_SHAPES["vgg16"])
    path = tmp_path / "vgg16-397923af.pth"
    torch.save(state, path, _use_new_zipfile_serialization=zipped)
    backbone = load_backbone("vgg16", str(path))
    assert_holds(backbone.network, state)
    assert backbone.attributes["weights"] == path.name
    assert backbone.attributes["weights_sha256"] == file_hash(path)
    assert backbone.attributes["layer"] == "fc7"


def test_file_of_the_caffe_model(tmp_path):
    # Its linear layers are 1, 4 and 6, because its dropouts stand before the first two.
    state = made_state(ALL_SHAPES["vgg16"])
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
    for layer in ("fc8", "conv3_1"):
        backbone = load_backbone("vgg16", str(path), layer)
        assert_holds(backbone.network, state)
        assert backbone.attributes["layer"] == layer
        assert backbone.preprocessing.channels == "BGR"
        assert backbone.preprocessing.resize is None
    # Blue, green and red from 0 to 255, less Caffe's mean.
    white = (1 - np.array(backbone.preprocessing.mean)) / backbone.preprocessing.std
    np.testing.assert_allclose(white, [255 - 103.939, 255 - 116.779, 255 - 123.68])
    assert "BGR, whole image to 224 x 224" in backbone.attributes["preprocessing"]


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
    assert (imagenet.resize, imagenet.crop, imagenet.channels) == (256, 224, "RGB")
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
    with pytest.raises(InputError, match="holds code or other objects beside weights"):
        load_backbone("squeezenet1_0", str(path))
    assert not trace.exists()


def test_missing_weights_and_unknown_backbones(tmp_path):
    with pytest.raises(InputError, match=r"none\.pth do not exist"):
        load_backbone("vgg16", str(tmp_path / "none.pth"))
    with pytest.raises(InputError, match="cannot be read .Is a directory.: check the path"):
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
