"""The state of a training: its history, and the checkpoints that it goes on from."""

import csv
import json
import math
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
import safetensors.numpy
from safetensors import SafetensorError, safe_open

from recap.core.files import atomic_path
from recap.training.trainer import Trainer

# What a training depends on beside its inputs and settings: how sums are rounded.
ENVIRONMENT = ("torch", "numpy", "threads")


@dataclass(kw_only=True)
class HistoryRow:
    """A line of `history.csv`; losses are in nats a caption, the reward is CIDEr-D.

    A step of self-critical training has a reward, any other a loss.
    """

    step: int
    epoch: int
    loss: float | None = None
    learning_rate: float
    captions_per_second: float
    validation_loss: float | None = None
    reward: float | None = None


@dataclass
class TrainingState:
    """How far a training has come, apart from what the trainer itself remembers.

    Attributes
    ----------
    epoch : int
        Epochs that are over.
    batches : int
        Minibatches of the next one that were taken.
    step : int
        Steps taken in all.
    losses : list of float
        Those of the steps since the last row of the history, or rewards.
    history : list of HistoryRow
    order : dict
        State of the generator of the captions' order before the next epoch's is drawn.
    best_loss, best_epoch, best_parameters
        The lowest validation loss so far, and what gave it; once captions are rewarded, the last
        epoch.
    rewarded_from, rewarded_from_step : int or None
        Epochs and steps before the first in which captions are rewarded.
    """

    order: dict
    epoch: int = 0
    batches: int = 0
    step: int = 0
    losses: list[float] = field(default_factory=list)
    history: list[HistoryRow] = field(default_factory=list)
    best_loss: float = math.inf
    best_epoch: int = 0
    best_parameters: dict[str, np.ndarray] = field(default_factory=dict)
    rewarded_from: int | None = None
    rewarded_from_step: int | None = None


def write_checkpoint(path: Path, training: dict, trainer: Trainer, state: TrainingState) -> None:
    """Keep a training's state.

    Parameters
    ----------
    path : Path
        File to write.
    training : dict
        What the training depends on: recipe, seed, hashes of its files and code, and its
        `ENVIRONMENT`.
    trainer : Trainer
    state : TrainingState
    """
    facts = asdict(state)
    arrays = {f"best.{name}": value for name, value in facts.pop("best_parameters").items()}
    metadata = {"facts": json.dumps({"training": training, "state": facts})}
    with atomic_path(path) as scratch:
        # Python does the writing: it tells what is wrong with a disk as an OSError.
        scratch.write_bytes(safetensors.numpy.save(arrays | trainer.state(), metadata))


def resume(path: Path, training: dict, trainer: Trainer) -> TrainingState | None:
    """Bring the trainer to where an interrupted training was.

    Parameters
    ----------
    path : Path
        File that `write_checkpoint` may have written.
    training : dict
        What this training depends on; a checkpoint of another one is refused.
    trainer : Trainer
        Newly made; its state is replaced.

    Returns
    -------
    TrainingState or None
        None where there is nothing to go on from.
    """
    checkpoint = load_checkpoint(path, training)
    if checkpoint is None:
        return None
    arrays, facts = checkpoint
    trainer.load_state(arrays)
    state = TrainingState(**facts["state"])
    state.history = [HistoryRow(**row) for row in facts["state"]["history"]]
    state.best_parameters = {
        name.removeprefix("best."): array
        for name, array in arrays.items()
        if name.startswith("best.")
    }
    print(f"training goes on from step {state.step}, where it was interrupted")
    return state


def write_history(path: Path, history: list[HistoryRow]) -> None:
    """Write the course of a training as CSV.

    Parameters
    ----------
    path : Path
        File to write, with a column for each field of `HistoryRow`.
    history : list of HistoryRow
        In the order of the steps.
    """
    with (
        atomic_path(path, record_digest=True) as scratch,
        scratch.open("w", newline="") as file,
    ):
        writer = csv.DictWriter(file, fieldnames=list(HistoryRow.__annotations__))
        writer.writeheader()
        writer.writerows(asdict(row) for row in history)


def load_checkpoint(path: Path, training: dict) -> tuple[dict[str, np.ndarray], dict] | None:
    """Read a checkpoint, unless it is of another training.

    Parameters
    ----------
    path : Path
        From `write_checkpoint`; it need not exist.
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
        told = [
            f"{name} ({facts['training'].get(name)}, now {training[name]})"
            if name in ENVIRONMENT
            else name
            for name in other
        ]
        print(f"{path} belongs to a training with other {', '.join(told)}: training starts anew.")
        return None
    return arrays, facts
