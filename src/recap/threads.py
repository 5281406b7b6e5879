"""How many threads there are to use."""

from joblib import cpu_count
from threadpoolctl import threadpool_limits


def available_threads(threads: int | None = None) -> int:
    """Return how many threads to use: those that were given, but no more than there are.

    There are as many as the process may run on, and as a container's quota allows.

    Parameters
    ----------
    threads : int, optional
        Threads given; all of the machine's by default.
    """
    has = cpu_count()
    return max(1, min(threads or has, has))


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
