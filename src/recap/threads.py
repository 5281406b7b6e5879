"""How many threads there are to use."""

import os


def available_threads(threads: int | None = None) -> int:
    """Return how many threads to use: those that were given, but no more than the machine has.

    Parameters
    ----------
    threads : int, optional
        Threads given; all of the machine's by default.
    """
    if hasattr(os, "sched_getaffinity"):  # noqa: SIM108
        has = len(os.sched_getaffinity(0))
    else:
        has = os.cpu_count() or 1
    return max(1, min(threads or has, has))
