"""The layers that give features, by name: maps of a backbone, pooled."""

from recap.backbones.maps import FIRES, MAPS, VGG16
from recap.core.errors import InputError

# The backbone's own layer, as the configuration calls it.
DEFAULT = "default"

# Layers of regions cut the map into a grid, GRID a side.
GRID = 7

# SqueezeNet has no fully connected layer in the place of fc7: the mean and the maximum of fire9 say
# which patterns there are, and the mean of conv10 which ImageNet classes.
SQUEEZENET = {
    "fire9_conv10": {"fire9": ["mean", "max"], "conv10": ["mean"]},
    **{name: {name: ["mean", "max"]} for name in ["conv1", *FIRES]},
    "conv10": {"conv10": ["mean"]},
    "fire9_grid": {"fire9": ["grid"]},
}

# By backbone, its own layer first and that of regions last: the maps that a layer is made of, and
# how each is pooled.
LAYERS = {
    "vgg16": {
        "fc7": {"fc7": ["whole"]},
        **{name: {name: ["mean" if name.startswith("conv") else "whole"]} for name in VGG16},
        "conv5_3_grid": {"conv5_3": ["grid"]},
    },
    "squeezenet1_0": SQUEEZENET,
    "squeezenet1_1": SQUEEZENET,
}


def choose_layer(backbone: str, layer: str = DEFAULT) -> str:
    """Return the name of the layer that a backbone's features are taken from.

    Parameters
    ----------
    backbone : {"vgg16", "squeezenet1_0", "squeezenet1_1"}
        Network.
    layer : str
        A name of `LAYERS`, `default` for the backbone's own, or `grid` for its own of regions.

    Raises
    ------
    InputError
        If there is no such backbone, or it has no layer of that name.
    """
    if backbone not in LAYERS:
        raise InputError(f"There is no backbone {backbone!r}: choose {' or '.join(LAYERS)}.")
    names = list(LAYERS[backbone])
    if layer == DEFAULT:
        return names[0]
    if layer == "grid":
        return names[-1]
    if layer not in names:
        raise InputError(
            f"{backbone} has no layer {layer!r}: set `layer` to {DEFAULT} or one of"
            f" {', '.join(names)}."
        )
    return layer


def numbers_in(backbone: str, layer: str) -> int:
    """Return how many numbers an image, or each of its regions, has in a layer of `LAYERS`."""
    pooled = LAYERS[backbone][layer].items()
    return sum(MAPS[backbone][name] * len(poolings) for name, poolings in pooled)


def regions_in(layer: str) -> int:
    """Return of how many regions of an image a layer gives features; 1 where it is the whole."""
    return GRID**2 if layer.endswith("_grid") else 1
