"""How many threads there are to use."""

from joblib import cpu_count
from threadpoolctl import threadpool_limits

from recap.core.checks import require


def available_threads(threads: int | None = None) -> int:
    """Return how many threads to use: those that were given, but no more than there are.

    There are as many as the process may run on, and as a container's quota allows.

    Parameters
    ----------
    threads : int, optional
        Threads given; all of the machine's by default.

    Raises
    ------
    InputError
        If fewer than one are given.
    """
    has = cpu_count()
    if threads is None:
        return has
    require(threads >= 1, "threads", "at least 1", threads)
    return min(threads, has)


def limit_threads(threads: int | None) -> int:
    """Limit NumPy to the threads that were given, and to those that there are.

    Parameters
    ----------
    threads : int, optional
        Threads given; all of the machine's by default.

    Returns
    -------
    int
        Threads in use.
    """
    threads = available_threads(threads)
    threadpool_limits(threads)
    return threads
