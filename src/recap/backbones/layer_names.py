"""The layers that each backbone gives as features, by name."""

from recap.core.errors import InputError

# The backbone's own layer, as the configuration calls it.
DEFAULT = "default"

VGG16_CONVOLUTIONS = [
    f"conv{block}_{number}"
    for block, many in enumerate([2, 2, 3, 3, 3], 1)
    for number in range(1, many + 1)
]
VGG16_LINEAR = ["fc6_before_relu", "fc6", "fc7_before_relu", "fc7", "fc8"]

# Layers whose map is not pooled over the whole image but cut into regions, GRID a side.
GRID = 7
GRIDS = {"vgg16": "conv5_3_grid", "squeezenet1_0": "fire9_grid"}

VGG16_CHANNELS = [64, 64, 128, 128, *[256] * 3, *[512] * 6]

# By backbone, its own layer first: how many numbers an image, or each region of it, has there.
LAYERS = {
    "vgg16": {
        "fc7": 4096,
        **dict(zip(VGG16_CONVOLUTIONS, VGG16_CHANNELS, strict=True)),
        "fc6_before_relu": 4096,
        "fc6": 4096,
        "fc7_before_relu": 4096,
        "fc8": 1000,
        GRIDS["vgg16"]: 512,
    },
    "squeezenet1_0": {
        "fire9_conv10": 2024,
        "conv1": 192,
        "fire2": 256,
        "fire3": 256,
        "fire4": 512,
        "fire5": 512,
        "fire6": 768,
        "fire7": 768,
        "fire8": 1024,
        "fire9": 1024,
        "conv10": 1000,
        GRIDS["squeezenet1_0"]: 512,
    },
}


def choose_layer(backbone: str, layer: str = DEFAULT) -> str:
    """Return the name of the layer that a backbone's features are taken from.

    Parameters
    ----------
    backbone : {"vgg16", "squeezenet1_0"}
        Network.
    layer : str
        A name of `LAYERS`, `default` for the backbone's own, or `grid` for its own of regions.

    Raises
    ------
    InputError
        If the backbone has no layer of that name.
    """
    names = list(LAYERS[backbone])
    if layer == DEFAULT:
        return names[0]
    if layer == "grid":
        return GRIDS[backbone]
    if layer not in names:
        raise InputError(
            f"{backbone} has no layer {layer!r}: set `layer` to {DEFAULT} or one of"
            f" {', '.join(names)}."
        )
    return layer


def regions_in(layer: str) -> int:
    """Return of how many regions of an image a layer gives features; 1 where it is the whole.

    Parameters
    ----------
    layer : str
        A name of `LAYERS`.
    """
    return GRID**2 if layer in GRIDS.values() else 1
