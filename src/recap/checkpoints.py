"""Checkpoints: all that an interrupted training needs to end in the bytes of an undisturbed one."""

import json
from pathlib import Path

import numpy as np
import safetensors.numpy
from safetensors import SafetensorError, safe_open

from recap.files import atomic_path


def save_checkpoint(path: Path, arrays: dict[str, np.ndarray], facts: dict) -> None:
    """Write a checkpoint, whole or not at all.

    Parameters
    ----------
    path : Path
        safetensors file to write.
    arrays : dict of arrays
        Parameters and states.
    facts : dict
        What is no array, and can be written as JSON; it goes into the file's metadata.
    """
    with atomic_path(path) as scratch:
        safetensors.numpy.save_file(arrays, scratch, metadata={"facts": json.dumps(facts)})


def load_checkpoint(path: Path, training: dict) -> tuple[dict[str, np.ndarray], dict] | None:
    """Read a checkpoint, unless it is of another training.

    Parameters
    ----------
    path : Path
        From `save_checkpoint`; it need not exist.
    training : dict
        What the training depends on. A checkpoint whose fact `training` differs is refused: the
        reason is printed, and the training starts anew.

    Returns
    -------
    tuple of dict of arrays and dict, or None
        Arrays and facts; None where there is nothing to go on from.
    """
    if not path.exists():
        return None
    try:
        with safe_open(path, framework="numpy") as file:
            facts = json.loads(file.metadata()["facts"])
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError, TypeError, KeyError, ValueError) as error:
        print(f"{path} cannot be read ({error}): training starts anew.")
        return None
    other = [name for name, value in training.items() if facts["training"].get(name) != value]
    if other:
        print(f"{path} belongs to a training with other {', '.join(other)}: training starts anew.")
        return None
    return arrays, facts
