"""Find on training photos how a network computes in integers."""

import json
from pathlib import Path
from typing import Literal

import torch

from recap.backbones.int8 import find_scales, parse_scales
from recap.backbones.load import Backbone, load_backbone
from recap.core.devices import use_threads
from recap.core.errors import InputError
from recap.core.images import ImageStore
from recap.core.json_files import read_json, write_json
from recap.core.outputs import OutputFile
from recap.core.workers import tell_of_dead_loader
from recap.datasets.shards import read_list
from recap.features.files import SCALES
from recap.features.layers import LAYERS, choose_layer
from recap.features.photo_batches import read_units

# More move the scales, which are of the largest numbers, by little.
PHOTOS = 64

# What the scales are of.
OF = ("backbone", "weights_sha256", "preprocessing", "layer")


def calibrate_extraction(
    images: Path,
    annotations: Path,
    *,
    output: OutputFile,
    more_images: list[Path] | None = None,
    backbone: Literal["vgg16", "squeezenet1_0", "squeezenet1_1"] = "vgg16",
    weights: str = "random",
    layer: str = "default",
    threads: int | None = None,
) -> None:
    """Find on 64 training photos what `extract_features` needs to compute in int8.

    Every extraction of a study takes the same file, so that its features belong together.

    Parameters
    ----------
    images : Path
        Zip archive or folder of photos.
    annotations : Path
        COCO caption file of the training split, from whose whole length the photos are taken.
    output : Path
        JSON file to write: `scales`, what a step of each map is worth, and the backbone, the sha256
        of its weights, the preprocessing and the layer that they are of.
    more_images : list of Path, optional
        Further archives or folders, where the split's photos lie in several.
    backbone : {"vgg16", "squeezenet1_0", "squeezenet1_1"}
        Network.
    weights : str
        `random`, or a file of weights.
    layer : str
        As `extract_features` takes it.
    threads : int, optional
        Threads to use; all by default.

    Raises
    ------
    InputError
        If images, annotations or weights are missing or damaged, none of the photos could be read,
        or there is no such layer.
    """
    threads = use_threads(threads)
    names = read_list(annotations).names
    names = names[:: -(-len(names) // PHOTOS)]
    layer = choose_layer(backbone, layer)
    maps = LAYERS[backbone][layer]
    network = load_backbone(backbone, weights, maps)
    sources = [images, *(more_images or [])]
    readable, broken = [], []
    # Each process that decodes opens the photos for itself; what is not there is told before.
    with ImageStore(*sources), tell_of_dead_loader():
        units = read_units(sources, names, network.preprocessing, torch.device("cpu"), threads)
        for number, (pixels, messages, _) in enumerate(units):
            count = min(len(pixels), len(names) - number * len(pixels))
            readable.append(pixels[[place for place in range(count) if place not in messages]])
            broken += messages.values()
    if len(broken) == len(names):
        raise InputError(f"None of the photos to calibrate with could be read. {broken[0]}")
    scales = find_scales(network, maps, [pixels for pixels in readable if len(pixels)])
    write_json(output, {**_describe(network, layer), SCALES: scales}, indent=2)


def read_scales(path: Path, backbone: Backbone, layer: str) -> dict[str, float]:
    """Read what `calibrate_extraction` wrote.

    Parameters
    ----------
    path : Path
        Its JSON file.
    backbone : Backbone
        The one that is to compute.
    layer : str
        A name of `recap.features.layers.LAYERS`.

    Raises
    ------
    InputError
        If the file is missing, damaged, or of another backbone, weights or layer.
    """
    found = read_json(path)
    found = found if isinstance(found, dict) else {}
    for name, wanted in _describe(backbone, layer).items():
        if found.get(name) != wanted:
            raise InputError(
                f"{path} is of the {name} {found.get(name)!r}, not {wanted!r}: run"
                " calibrate-extraction again, with the settings of this extraction."
            )
    return parse_scales(json.dumps(found.get(SCALES)), backbone.network, path)


def _describe(backbone: Backbone, layer: str) -> dict[str, str]:
    attributes = {**backbone.attributes, "layer": layer}
    return {name: attributes[name] for name in OF}
