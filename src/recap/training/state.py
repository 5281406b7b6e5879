"""The state of a captioner's training: its history, and what its checkpoints hold."""

import csv
import math
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np

from recap.core.checkpoint import read_checkpoint, write_checkpoint
from recap.core.files import atomic_path
from recap.training.trainer import Trainer


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


def save_state(path: Path, identity: dict, trainer: Trainer, state: TrainingState) -> None:
    """Keep a training's state in a checkpoint; parameters as in `resume`."""
    facts = asdict(state)
    arrays = {f"best.{name}": value for name, value in facts.pop("best_parameters").items()}
    write_checkpoint(path, identity, arrays | trainer.state(), facts)


def resume(path: Path, identity: dict, trainer: Trainer) -> TrainingState | None:
    """Bring the trainer to where an interrupted training was.

    Parameters
    ----------
    path : Path
        File that `save_state` may have written.
    identity : dict
        What this training depends on; a checkpoint of another one is refused.
    trainer : Trainer
        Newly made; its state is replaced.

    Returns
    -------
    TrainingState or None
        None where there is nothing to go on from.
    """
    checkpoint = read_checkpoint(path, identity)
    if checkpoint is None:
        return None
    arrays, facts = checkpoint
    trainer.load_state(arrays)
    facts["history"] = [HistoryRow(**row) for row in facts["history"]]
    best = {
        name.removeprefix("best."): array
        for name, array in arrays.items()
        if name.startswith("best.")
    }
    state = TrainingState(**facts, best_parameters=best)
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
