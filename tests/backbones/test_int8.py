"""Networks in integers of 8 bits."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from recap.backbones.int8 import Int8Network, _layer, find_scales, parse_scales
from recap.backbones.load import CAFFE, WHOLE_HEIGHT, Backbone, load_backbone
from recap.backbones.network import Network
from recap.core.errors import InputError


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def photos(count, side=64):
    """Return photos of smooth colours, (N, side, side, 3), uint8."""
    coarse = torch.rand((count, 3, 8, 8), generator=generator(count))
    fine = nn.functional.interpolate(coarse, side, mode="bicubic").clamp(0, 1)
    return (255 * fine).byte().permute(0, 2, 3, 1).contiguous()


def convolve(x, weight, stride, padding):
    """Return the sums of a convolution of integers, from the formula."""
    x = np.pad(x.astype(np.int64), ((0, 0), (0, 0), (padding, padding), (padding, padding)))
    size = weight.shape[-1]
    height, width = ((side - size) // stride + 1 for side in x.shape[2:])
    sums = np.zeros((len(x), len(weight), height, width), dtype=np.int64)
    for row in range(size):
        for column in range(size):
            seen = x[:, :, row::stride, column::stride][:, :, :height, :width]
            sums += np.einsum("nchw,oc->nohw", seen, weight[:, :, row, column].astype(np.int64))
    return sums


def in_integers(weight):
    """Return weights from -63 to 63, and for each output channel what 1 is worth."""
    steps = np.abs(weight).reshape(len(weight), -1).max(1) / 63
    return np.rint(weight / steps.reshape(-1, *[1] * (weight.ndim - 1))).astype(int), steps


@pytest.mark.parametrize(("size", "stride", "padding"), [(3, 1, 1), (1, 1, 0), (3, 2, 0)])
@pytest.mark.parametrize("given", [0.7, None])
def test_a_convolution_is_a_sum_of_integers(size, stride, padding, given):
    layer = nn.Conv2d(32, 24, size, stride, padding).requires_grad_(False)
    layer.weight[3] *= 1000  # A channel has a scale of its own.
    x = torch.randint(0, 256, (2, 32, 9, 9), dtype=torch.uint8, generator=generator())
    found = _layer(layer, 0.03, given, relu=True)(x.contiguous(memory_format=torch.channels_last))
    integers, steps = in_integers(layer.weight.double().numpy())
    sums = convolve(x.numpy(), integers, stride, padding)
    wanted = sums * 0.03 * steps.reshape(-1, 1, 1) + layer.bias.numpy().reshape(-1, 1, 1)
    wanted = np.maximum(wanted, 0)
    if given is None:
        np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-4)
    else:
        assert found.dtype == torch.uint8
        off = np.abs(found.numpy() - np.clip(np.rint(wanted / given), 0, 255))
        # What lies between two integers within rounding error may become either.
        assert off.max() <= 1 and (off > 0).mean() < 1e-3


def test_a_linear_layer_is_a_sum_of_integers():
    layer = nn.Linear(100, 40).requires_grad_(False)
    x = torch.randint(0, 256, (5, 100), dtype=torch.uint8, generator=generator())
    integers, steps = in_integers(layer.weight.double().numpy())
    wanted = (x.numpy().astype(int) @ integers.T) * 0.02 * steps + layer.bias.numpy()
    found = _layer(layer, 0.02, None, relu=False)(x)
    np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-5)
    assert wanted.min() < 0


def test_the_largest_sums_overflow_on_no_processor():
    layer = nn.Conv2d(64, 16, 3, bias=True).requires_grad_(False)
    layer.weight[:] = 1.0
    layer.bias[:] = 0.0
    x = torch.full((1, 64, 3, 3), 255, dtype=torch.uint8)
    found = _layer(layer, 1.0, None, relu=False)(x.contiguous(memory_format=torch.channels_last))
    np.testing.assert_allclose(found, 255 * 64 * 9, rtol=1e-6)


@pytest.mark.parametrize("preprocessing", [CAFFE, WHOLE_HEIGHT])
@pytest.mark.parametrize("padding", [0, 1])
def test_the_first_layer_takes_pixels(preprocessing, padding):
    layer = nn.Conv2d(3, 16, 3, padding=padding).requires_grad_(False)
    pixels = photos(2)
    step = _layer(layer, 1.0, None, relu=True, preprocessing=preprocessing)
    found = step(preprocessing.arrange(pixels))
    wanted = layer(preprocessing.preprocess(pixels)).relu()
    assert found.shape == wanted.shape
    assert torch.nn.functional.cosine_similarity(found, wanted, dim=1).mean() > 0.999
    # At the edge, too, where there are mean colours around.
    assert (found - wanted)[..., 0].norm() < 0.02 * wanted[..., 0].norm()


@pytest.mark.parametrize(
    ("backbone", "names"),
    [
        ("squeezenet1_0", ["fire9", "conv10"]),
        ("squeezenet1_1", ["conv1"]),
        ("vgg16", ["conv2_1"]),
        ("vgg16", ["conv3_1"]),
    ],
)
def test_maps_are_near_those_in_float32(backbone, names):
    loaded = load_backbone(backbone, "random", names)
    scales = find_scales(loaded, names, [photos(8), photos(4)])
    pixels = photos(3)
    found = Int8Network(loaded, scales).maps(pixels, names)
    with torch.inference_mode():
        wanted = loaded.network.maps(loaded.preprocessing.preprocess(pixels), names)
    assert found.keys() == wanted.keys()
    for name, maps in found.items():
        assert maps.dtype == torch.float32 and maps.shape == wanted[name].shape
        assert nn.functional.cosine_similarity(maps, wanted[name], dim=1).mean() > 0.99
        ratio = maps.norm() / wanted[name].norm()
        assert 0.97 < ratio < 1.03


def small_backbone(name):
    """Return VGG-16's last layers behind one convolution, up to a map; VGG-16's take 500 MB."""
    features = [nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(inplace=True), nn.MaxPool2d(8), nn.Flatten()]
    classifier = [nn.Linear(8 * 8 * 8, 50), nn.ReLU(), nn.Dropout(), nn.Linear(50, 40), nn.ReLU()]
    ends = {"fc6_before_relu": 5, "fc6": 6, "fc7_before_relu": 8, "fc7": 9}
    torch.manual_seed(0)
    network = Network(features, classifier, ends, [name]).eval().requires_grad_(False)
    return Backbone(network, CAFFE, {})


@pytest.mark.parametrize("name", ["fc6_before_relu", "fc6", "fc7_before_relu", "fc7"])
def test_linear_layers_with_their_relu_and_without(name):
    loaded = small_backbone(name)
    scales = find_scales(loaded, [name], [photos(6)])
    pixels = photos(3)
    found = Int8Network(loaded, scales).maps(pixels, [name])[name]
    with torch.inference_mode():
        wanted = loaded.network.maps(loaded.preprocessing.preprocess(pixels), [name])[name]
    assert (wanted.min() < 0) == (found.min() < 0) == name.endswith("before_relu")
    assert nn.functional.cosine_similarity(found, wanted, dim=1).min() > 0.99


def network_and_photos(count):
    """Return names of maps, photos, and a network in int8 that gives these maps of them."""
    names = ["fire9", "conv10"]
    loaded = load_backbone("squeezenet1_0", "random", names)
    pixels = photos(count)
    return names, pixels, Int8Network(loaded, find_scales(loaded, names, [pixels]))


@pytest.mark.skipif(
    torch.cpu.get_capabilities().get("amx_int8", False),
    reason="kernels for AMX round sums by the batch",
)
@pytest.mark.parametrize("threads", [1, 2])
def test_a_row_depends_on_its_photo_alone(threads):
    names, pixels, network = network_and_photos(5)
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    together = network.maps(pixels, names)
    alone = [network.maps(pixels[number : number + 1], names) for number in range(5)]
    torch.set_num_threads(before)
    for name in names:
        assert torch.equal(together[name], torch.cat([maps[name] for maps in alone]))


@pytest.mark.parametrize("threads", [1, 2])
def test_a_row_depends_on_no_other_photo_of_its_batch(threads):
    names, pixels, network = network_and_photos(16)
    filled_up = torch.zeros_like(pixels)
    filled_up[:5] = pixels[3:8].flip(0)
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    together = network.maps(pixels, names)
    apart = network.maps(filled_up, names)
    torch.set_num_threads(before)
    for name in names:
        assert torch.equal(apart[name][:5], together[name][3:8].flip(0))


def test_a_photo_alone_differs_by_the_rounding_of_sums_at_most():
    names = ["fire9"]
    loaded = load_backbone("squeezenet1_0", "random", names)
    pixels = photos(5)
    network = Int8Network(loaded, find_scales(loaded, names, [pixels]))
    together = network.maps(pixels, names)["fire9"]
    alone = [network.maps(photo[None], names)["fire9"] for photo in pixels]
    cosines = nn.functional.cosine_similarity(torch.cat(alone).flatten(1), together.flatten(1))
    assert cosines.min() > 0.9995


def test_scales_are_those_of_the_largest_numbers():
    loaded = load_backbone("squeezenet1_1", "random", ["fire2"])
    batches = [photos(2), photos(3)]
    scales = find_scales(loaded, ["fire2"], batches)
    with torch.inference_mode():
        first = loaded.network.features[0]
        largest = max(first(loaded.preprocessing.preprocess(b)).max().item() for b in batches)
    assert scales["features.0"] == float(f"{largest / 255:.3g}")
    assert list(scales) == [
        "features.0",
        *(f"features.3.{layer}" for layer in ("squeeze", "expand1x1", "expand3x3")),
    ]
    # Where nothing gets through, there is a scale to divide by all the same.
    first.weight[:], first.bias[:] = 0, -1
    assert find_scales(loaded, ["fire2"], batches)["features.0"] == 1


@pytest.mark.parametrize(
    "change",
    [{"features.0": 0.0}, {"features.0": float("inf")}, {"other": 1.0}, {"features.0": "1"}],
)
def test_scales_of_another_network_are_refused(change):
    loaded = load_backbone("squeezenet1_1", "random", ["conv1"])
    assert parse_scales('{"features.0": 0.5}', loaded.network, Path("a")) == {"features.0": 0.5}
    for text in (json.dumps({"features.0": 0.5} | change), "null", "[", None, 5):
        with pytest.raises(InputError, match=r"^a\.json is damaged: its scales of int8"):
            parse_scales(text, loaded.network, Path("a.json"))
