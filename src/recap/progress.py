"""Progress lines for long work."""

import sys
from collections.abc import Iterable
from typing import Any

from tqdm import tqdm


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
    return tqdm(
        iterable, mininterval=0.1 if sys.stderr.isatty() else 10, dynamic_ncols=True, **options
    )
