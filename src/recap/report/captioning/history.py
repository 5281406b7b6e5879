"""The course of a training, as `history.csv` tells it."""

import csv
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from recap.core.errors import InputError


@dataclass(frozen=True)
class History:
    """The course of one training, a row each logged step.

    Attributes
    ----------
    step : ndarray of shape (R,), int64
        Minibatches seen.
    epoch : ndarray of shape (R,), int64
        Epoch that the step belongs to.
    loss : ndarray of shape (R,), float64
        Training loss in nats per caption.
    validation_loss : ndarray of shape (R,), float64
        Validation loss in nats per caption; NaN except where an epoch ends.
    captions_per_second : ndarray of shape (R,), float64
        Training speed; NaN where it was not recorded.
    """

    step: np.ndarray
    epoch: np.ndarray
    loss: np.ndarray
    validation_loss: np.ndarray
    captions_per_second: np.ndarray

    def epochs_done(self) -> np.ndarray:
        """Return how many epochs had passed at each row, an array of shape (R,), float64.

        The last step of the first epoch is at 1.
        """
        ends = np.flatnonzero(np.append(np.diff(self.epoch) != 0, True))
        return np.interp(self.step, [0, *self.step[ends]], np.arange(len(ends) + 1))


def read_history(path: Path) -> History:
    """Read the `history.csv` of one training.

    Parameters
    ----------
    path : Path
        CSV file with the columns of `History`; empty cells become NaN.

    Raises
    ------
    InputError
        If the file is missing, was cut off, lacks a column, or holds no row.
    """

    def column(name: str, dtype: type) -> np.ndarray:
        return np.array([row[name] or "nan" for row in rows]).astype(dtype)

    try:
        text = path.read_text(encoding="utf-8")
        rows = list(csv.DictReader(text.splitlines()))
        if not rows:
            raise ValueError("it has no rows")
        # A training logs the end of each epoch, and ends with one.
        if not text.endswith("\n") or not rows[-1]["validation_loss"]:
            raise ValueError("its end is missing")
        if any(None in row or None in row.values() for row in rows):
            raise ValueError("a row has more or fewer cells than the first")
        return History(
            step=column("step", np.int64),
            epoch=column("epoch", np.int64),
            loss=column("loss", np.float64),
            validation_loss=column("validation_loss", np.float64),
            captions_per_second=column("captions_per_second", np.float64),
        )
    except (OSError, KeyError, ValueError) as error:
        raise InputError(
            f"{path} cannot be read as a training history ({error!r}): train the model again."
        ) from None
