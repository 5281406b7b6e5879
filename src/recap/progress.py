"""Progress lines for long work."""

import sys
import threading
from collections.abc import Iterable
from typing import Any

from tqdm import tqdm


class _Bar(tqdm):
    """A bar without tqdm's watching thread and its lock between processes.

    A forked process that happens to drop a bar of its parent would wait for that thread for ever,
    and one that is killed meanwhile would keep the lock.
    """

    monitor_interval = 0


_Bar.set_lock(threading.RLock())


def progress(iterable: Iterable | None = None, **options: Any) -> tqdm:
    """Return a progress bar with rate and ETA on standard error.

    On a terminal it redraws itself ten times a second; in a log file, where each redraw stays,
    every ten seconds.

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
