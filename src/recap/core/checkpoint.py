"""Checkpoints: arrays and facts of a training of any kind, to go on from after an interruption."""

import json
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import safetensors.numpy
import torch
from safetensors import SafetensorError, safe_open

from recap.core.files import atomic_path

CHECKPOINT_SECONDS = 30


def environment(threads: int) -> dict[str, str | int]:
    """Return what a training depends on beside inputs and settings: how sums are rounded."""
    return {"torch": torch.__version__, "numpy": np.__version__, "threads": threads}


def write_checkpoint(
    path: Path, identity: dict, arrays: dict[str, np.ndarray], facts: dict
) -> None:
    """Keep the state of a training.

    Parameters
    ----------
    path : Path
        File to write.
    identity : dict
        What the training depends on: settings, digests of its files and code, and its
        `environment`. JSON must be able to hold it.
    arrays : dict of arrays
        Parameters, moments, generators.
    facts : dict
        The rest of the state, as JSON can hold it.
    """
    metadata = {"facts": json.dumps({"training": identity, "state": facts})}
    with atomic_path(path) as scratch:
        # Python does the writing: it tells what is wrong with a disk as an OSError.
        scratch.write_bytes(safetensors.numpy.save(arrays, metadata))


def read_checkpoint(path: Path, identity: dict) -> tuple[dict[str, np.ndarray], dict] | None:
    """Read the state of an interrupted training, unless it is of another one.

    Parameters
    ----------
    path : Path
        From `write_checkpoint`; it need not exist.
    identity : dict
        What this training depends on. A checkpoint whose identity differs is refused: the reason
        is printed, and the training starts anew.

    Returns
    -------
    tuple of dict of arrays and dict, or None
        Arrays and facts; None where there is nothing to go on from.
    """
    if not path.exists():
        return None
    try:
        with safe_open(path, framework="numpy") as file:
            metadata = json.loads(file.metadata()["facts"])
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        before, facts = metadata["training"], metadata["state"]
    except (SafetensorError, OSError, TypeError, KeyError, ValueError) as error:
        print(f"{path} cannot be read ({error}): training starts anew.")
        return None
    reasons = [
        # Digests and recipes say nothing to a reader; versions and numbers do.
        f"{name} ({before.get(name)}, now {value})" if name in environment(0) else name
        for name, value in identity.items()
        if before.get(name) != value
    ]
    if reasons:
        print(
            f"{path} belongs to a training with other {', '.join(reasons)}: training starts anew."
        )
        return None
    return arrays, facts


def throttled(save: Callable[[], None]) -> Callable[[], None]:
    """Return a function that saves, unless it did so less than half a minute ago."""
    saved = time.monotonic()

    def save_now_and_then() -> None:
        nonlocal saved
        if time.monotonic() - saved > CHECKPOINT_SECONDS:
            save()
            saved = time.monotonic()

    return save_now_and_then
