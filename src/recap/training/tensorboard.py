"""Show a training's course in TensorBoard while it runs."""

import shutil
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

from recap.core.files import name_full_disk
from recap.training.state import HistoryRow


def open_events(folder: Path) -> Callable[[list[HistoryRow]], None]:
    """Return what writes a growing history as TensorBoard events, if that package is installed.

    The curves are named after the columns of `history.csv`. Look at them with
    `tensorboard --logdir results/shapes/models`.

    Parameters
    ----------
    folder : Path
        Folder for the events. What lies there of an earlier training is removed.

    Returns
    -------
    callable
        Takes the history so far, and writes the rows that are new; it does nothing where
        TensorBoard is not installed.
    """
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        return lambda history: None
    shutil.rmtree(folder, ignore_errors=True)
    with name_full_disk(folder):
        writer = SummaryWriter(str(folder))
    written = 0

    def write(history: list[HistoryRow]) -> None:
        nonlocal written
        with name_full_disk(folder):
            for row in history[written:]:
                for name, value in asdict(row).items():
                    if name != "step" and value is not None:
                        writer.add_scalar(name, value, row.step)
            writer.flush()
        written = len(history)

    return write
