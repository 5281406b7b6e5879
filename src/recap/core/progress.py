"""Progress lines for long work, and how long it took."""

import os
import re
import sys
import threading
from collections.abc import Iterable
from typing import Any

from tqdm import tqdm

DONE = re.compile(r"^.+: \d+ \w+s in (\d+\.\d\d) s$", re.MULTILINE)


class _Bar(tqdm):
    """A bar that leaves a line in a log, without tqdm's watching thread and lock between processes.

    A forked process that happens to drop a bar of its parent takes that lock. Killed meanwhile it
    never gives it back, and all others wait for ever; so they do where the thread had it.
    """

    monitor_interval = 0

    def __init__(self, *args: Any, **options: Any):
        super().__init__(*args, **options)
        self._owner = os.getpid()

    def close(self) -> None:
        """End the bar and say how long it took; a second time does nothing."""
        tell = not (self.disable or self.unit_scale or sys.stderr.isatty())
        super().close()
        if tell and self._owner == os.getpid():
            done, seconds = self.n - self.initial, self.format_dict["elapsed"]
            print(f"{self.desc}: {done} {self.unit}s in {seconds:.2f} s", file=sys.stderr)


_Bar.set_lock(threading.RLock())


def progress(iterable: Iterable | None = None, **options: Any) -> tqdm:
    """Return a progress bar with rate and ETA on standard error.

    On a terminal it redraws itself ten times a second; in a log file, where each redraw stays,
    every ten seconds, and at the end there is a line that `seconds_of_work` reads.

    Parameters
    ----------
    iterable : iterable, optional
        What to iterate over.
    **options
        Passed to `tqdm`, such as `desc`, `total` and `unit`.
    """
    return _Bar(
        iterable,
        mininterval=0.1 if sys.stderr.isatty() else 10,
        miniters=1,
        dynamic_ncols=True,
        **options,
    )


def seconds_of_work(log: str) -> float | None:
    """Return how long a job went through photos or captions, apart from its start and its end.

    Parameters
    ----------
    log : str
        What the job wrote on standard error.

    Returns
    -------
    float or None
        Seconds; None for a job that shows no progress.
    """
    found = DONE.findall(log)
    return sum(map(float, found)) if found else None
