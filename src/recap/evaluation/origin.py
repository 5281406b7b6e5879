"""The network that a study's features come from."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from recap.backbones.load import Backbone, load_backbone
from recap.backbones.weights import RANDOM
from recap.core.errors import InputError
from recap.core.hdf5 import open_hdf5, read_attributes
from recap.features.layers import LAYERS, choose_layer

# In the folder of an exported captioner.
PCA_FILE = "pca.h5"
BACKBONE_FILE = "backbone.safetensors"


@dataclass(frozen=True)
class Origin:
    """What a study's features come from.

    Attributes
    ----------
    backbone : Backbone
        Network, weights and preprocessing.
    layer : str
        A name of `recap.features.layers.LAYERS`.
    attributes : dict
        What else the study's PCA tells of the features that it was fitted on.
    """

    backbone: Backbone
    layer: str
    attributes: dict[str, Any]


def find_pca(model: Path) -> Path:
    """Return the PCA that goes with a captioner: in its folder, or in its study.

    Parameters
    ----------
    model : Path
        What `export_captioner` or `train_captioner` wrote.

    Raises
    ------
    InputError
        If it is in neither.
    """
    exported = model / PCA_FILE
    if exported.exists():
        return exported
    pca = (model.resolve() / "../../../features" / PCA_FILE).resolve()
    if not pca.exists():
        raise InputError(
            f"The PCA of the captioner's study is not at {pca}: give the file that fit-pca"
            " wrote in the study with --pca, such as --pca results/shapes/features/pca.h5."
        )
    return pca


def read_origin(pca: Path, weights: str = "") -> Origin:
    """Load the network that the features came from which a PCA was fitted on.

    Parameters
    ----------
    pca : Path
        What `fit_pca` wrote in the study, or `export_captioner` with the weights beside it.
    weights : str
        File of the network's weights, where they are neither random nor beside the PCA.

    Raises
    ------
    InputError
        If the PCA is missing, damaged, or tells of no network, or the weights are not the ones.
    """
    with open_hdf5(pca) as file:
        attributes = read_attributes(file)
    told = ("backbone", "weights", "weights_sha256", "layer")
    if missing := {name for name in told if not isinstance(attributes.get(name), str)}:
        raise InputError(
            f"{pca} does not tell the {min(missing)} of its features: fit it again on what"
            " extract-features writes."
        )
    if attributes["weights"] == BACKBONE_FILE:
        remedy = f"leave --weights out: export-captioner writes them beside {pca.name}."
        weights = weights or str(pca.with_name(BACKBONE_FILE))
    elif attributes["weights"] == RANDOM:
        remedy = "leave --weights out, because the study's weights are random."
    else:
        file = Path(attributes["weights"]).name
        remedy = f"give the study's with --weights, such as --weights resources/weights/{file}."
    weights = weights or attributes["weights"]
    if weights != RANDOM and not Path(weights).is_file():
        raise InputError(f"There is no file of weights {weights}: {remedy}")
    layer = choose_layer(attributes["backbone"], attributes["layer"])
    backbone = load_backbone(attributes["backbone"], weights, LAYERS[attributes["backbone"]][layer])
    if backbone.attributes["weights_sha256"] != attributes["weights_sha256"]:
        raise InputError(
            f"{weights} is not the file of weights that {pca} was fitted with: {remedy}"
        )
    return Origin(backbone, layer, attributes)
