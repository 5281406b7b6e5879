"""Pack a trained captioner into one small folder, with all that it needs to caption photos."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import safetensors.numpy

from recap.backbones.load import CAFFE
from recap.backbones.weights import RANDOM
from recap.captioners.folder import load_captioner, save_captioner
from recap.core.errors import InputError
from recap.core.files import atomic_path, file_hash
from recap.core.hdf5 import create_hdf5
from recap.core.outputs import OutputFolder
from recap.evaluation.origin import BACKBONE_FILE, PCA_FILE, find_pca, read_origin
from recap.features.pca import read_pca

# Of numbers in float16's range, the rounding is half of that at most; more is lost where they are
# too large or too small for it.
MOST_LOST = 1e-3


def export_captioner(
    model: Path,
    *,
    output: OutputFolder,
    pca: Path | None = None,
    weights: str = "",
) -> None:
    """Pack a trained captioner into one folder, from which it captions photos without its study.

    Numbers are rounded to float16, but for the mean of the PCA; where float16 has not their range
    they stay as they are. `recap caption` takes the folder as `--model`.

    Parameters
    ----------
    model : Path
        Folder of a trained captioner, such as `results/shapes/models/lstm/seed0`.
    output : Path
        Folder to write: `config.json` with the vocabulary and `model.safetensors`, as
        `train_captioner` does, `pca.h5`, and `backbone.safetensors`, as much of the network as the
        captioner looks at, unless its weights are random.
    pca : Path, optional
        What `fit_pca` wrote in the captioner's study; found beside the captioner by default.
    weights : str
        File of the backbone's weights, where they are not random.

    Raises
    ------
    InputError
        If the captioner, its PCA or the weights are not found or do not belong together, or the
        output is the captioner itself.
    """
    if output.resolve() == model.resolve():
        raise InputError(f"{output} is the captioner that is exported: name another folder.")
    captioner = load_captioner(model)
    pca = pca or find_pca(model)
    origin, fitted = read_origin(pca, weights), read_pca(pca)
    if captioner.feature_dim != fitted.regions * len(fitted.components):
        raise InputError(
            f"{model} looks at {captioner.feature_dim} numbers an image and {pca} gives"
            f" {fitted.regions * len(fitted.components)}: give the PCA of its own study."
        )
    if origin.backbone.preprocessing == CAFFE:
        raise InputError(
            "A captioner on the Caffe model's weights cannot be exported, because the names of"
            " their last layers, which would be left out, tell how photos are preprocessed: give"
            " the whole file with `recap caption --weights`."
        )
    attributes = dict(origin.attributes)
    if attributes["weights"] != RANDOM:
        state = origin.backbone.network.state_dict()
        halves = {name: in_half(value.numpy()) for name, value in state.items()}
        backbone = output / BACKBONE_FILE
        with atomic_path(backbone) as scratch:
            scratch.write_bytes(safetensors.numpy.save(halves))
        attributes |= {"weights": backbone.name, "weights_sha256": file_hash(backbone)}
    with create_hdf5(output / PCA_FILE) as file:
        file["mean"], file["components"] = fitted.mean, in_half(fitted.components)
        file.attrs.update(sorted(attributes.items()))
    parameters = {name: in_half(value) for name, value in captioner.parameters.items()}
    save_captioner(output, replace(captioner, parameters=parameters))
    size = sum(file.stat().st_size for file in output.iterdir() if file.is_file())
    print(f"The captioner with its PCA and backbone takes {size / 1e6:.1f} MB: {output}")


def in_half(values: np.ndarray) -> np.ndarray:
    """Return numbers in float16, or as they are if it has not their range.

    Parameters
    ----------
    values : array of floats
    """
    with np.errstate(over="ignore"):
        half = values.astype(np.float16)
    lost = np.linalg.norm(half.astype(np.float64) - values)
    return half if lost <= MOST_LOST * np.linalg.norm(values.astype(np.float64)) else values
