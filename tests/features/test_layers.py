"""The layers that give features: their names, sizes, and how maps are pooled."""

import pytest
import torch

from recap.backbones.load import NETWORKS, load_backbone
from recap.backbones.weights import RANDOM
from recap.core.errors import InputError
from recap.features.extractor import FeatureExtractor
from recap.features.layers import LAYERS, choose_layer, numbers_in, regions_in
from recap.features.pooling import pool


def test_every_backbone_has_layers():
    assert LAYERS.keys() == NETWORKS.keys()


@pytest.mark.parametrize(
    ("backbone", "layer"), [(name, layer) for name, layers in LAYERS.items() for layer in layers]
)
def test_features_have_the_dimension_that_is_promised(backbone, layer):
    maps = LAYERS[backbone][layer]
    with torch.device("meta"):
        network = NETWORKS[backbone](maps).eval()
        features = pool(network.maps(torch.empty(2, 3, 224, 224), maps), maps)
    assert features.shape == (2, regions_in(layer) * numbers_in(backbone, layer))


@pytest.mark.parametrize(
    ("backbone", "layer", "numbers"),
    [
        ("vgg16", "fc7", 4096),
        ("vgg16", "fc8", 1000),
        ("vgg16", "conv1_1", 64),
        ("vgg16", "conv5_3_grid", 512),
        ("squeezenet1_0", "fire9_conv10", 2024),
        ("squeezenet1_0", "conv1", 192),
        ("squeezenet1_1", "conv1", 128),
        ("squeezenet1_1", "fire9_grid", 512),
    ],
)
def test_numbers_of_layers(backbone, layer, numbers):
    assert numbers_in(backbone, layer) == numbers


@pytest.mark.parametrize(
    ("backbone", "layer"), [("vgg16", "fc9"), ("vgg16", "fire9"), ("squeezenet1_0", "fc7")]
)
def test_a_layer_that_is_not_there(backbone, layer):
    with pytest.raises(InputError, match=f"{backbone} has no layer '{layer}': set `layer` to def"):
        choose_layer(backbone, layer)


def test_an_unknown_backbone():
    with pytest.raises(InputError, match="no backbone 'resnet': choose vgg16 or squeezenet1_0 or"):
        choose_layer("resnet")


def test_layers_that_are_named_for_what_they_are():
    own = ["fc7", "fire9_conv10", "fire9_conv10"]
    assert [choose_layer(backbone) for backbone in LAYERS] == own
    grids = ["conv5_3_grid", "fire9_grid", "fire9_grid"]
    assert [choose_layer(backbone, "grid") for backbone in LAYERS] == grids
    assert [regions_in(layer) for layer in ("conv5_3_grid", "conv5_3")] == [49, 1]


def test_maps_are_pooled_side_by_side():
    generator = torch.Generator().manual_seed(0)
    maps = {name: torch.randn(2, 3, 5, 4, generator=generator) for name in ("first", "second")}
    maps["vectors"] = torch.randn(2, 6, generator=generator)
    layer = {"first": ["mean", "max"], "vectors": ["whole"], "second": ["mean"]}
    features = pool(maps, layer)
    first, second = maps["first"].flatten(2), maps["second"].flatten(2)
    expected = [first.mean(2), first.max(2).values, maps["vectors"], second.mean(2)]
    torch.testing.assert_close(features, torch.cat(expected, dim=1))


@pytest.mark.parametrize("side", [14, 13])
def test_a_grid_has_the_means_of_its_regions(side):
    maps = torch.randn(2, 5, side, side, generator=torch.Generator().manual_seed(0))
    grid = pool({"fire9": maps}, LAYERS["squeezenet1_0"]["fire9_grid"]).view(2, 7, 7, 5)
    for row, column in ((0, 0), (0, 6), (3, 2), (6, 6)):
        # A region has the positions that it touches.
        down, right = (
            slice(side * place // 7, -(-side * (place + 1) // 7)) for place in (row, column)
        )
        torch.testing.assert_close(grid[:, row, column], maps[:, :, down, right].mean((2, 3)))


@pytest.mark.parametrize(("layer", "regions"), [("fire9_grid", "49"), ("fire9", None)])
def test_an_extractor_tells_its_layer_and_regions(layer, regions):
    backbone = load_backbone("squeezenet1_1", RANDOM)
    attributes = FeatureExtractor(backbone, layer, torch.device("cpu"), "float32").attributes
    assert (attributes["layer"], attributes.get("regions")) == (layer, regions)
    assert attributes["backbone"] == "squeezenet1_1"
