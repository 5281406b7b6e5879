"""The layers that each backbone gives as features, by name."""

from recap.errors import InputError

# The backbone's own layer, as the configuration calls it.
DEFAULT = "default"

VGG16_CONVOLUTIONS = [
    f"conv{block}_{number}"
    for block, many in enumerate([2, 2, 3, 3, 3], 1)
    for number in range(1, many + 1)
]
VGG16_LINEAR = ["fc6_before_relu", "fc6", "fc7_before_relu", "fc7", "fc8"]
SQUEEZENET = ["conv1", *(f"fire{number}" for number in range(2, 10)), "conv10"]

# Layers whose map is not pooled over the whole image but cut into regions, GRID a side.
GRID = 7
GRIDS = {"vgg16": "conv5_3_grid", "squeezenet1_0": "fire9_grid"}

# By backbone, its own layer first.
LAYERS = {
    "vgg16": [
        "fc7",
        *VGG16_CONVOLUTIONS,
        *(name for name in VGG16_LINEAR if name != "fc7"),
        GRIDS["vgg16"],
    ],
    "squeezenet1_0": ["fire9_conv10", *SQUEEZENET, GRIDS["squeezenet1_0"]],
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
    names = LAYERS[backbone]
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
