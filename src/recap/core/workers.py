"""Processes that work for this one; when either side dies, the other ends too."""

import multiprocessing.util
import os
import signal
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from multiprocessing.connection import Connection
from typing import Any

from recap.core.errors import InputError

WORKER_DIED = (
    "A worker process died before its work was done, as one does that the system kills when the"
    " memory is full: run this again, with fewer threads or with less beside it."
)

# Bytes of a socket's name at most (macOS; Linux has four more), and what Python puts to the folder.
SOCKET_NAME = 103
SOCKET_ENDING = len("/pymp-01234567/listener-01234567")
SHORT_FOLDER = "/tmp"


def map_in_order(function: Callable, items: Sequence, processes: int) -> Iterator[Any]:
    """Yield a function's value of each item, in order, computed in processes that start now.

    Each process takes every n-th item and hands its results over through a pipe of its own, so
    that it is at most a pipe's length ahead, and the end of either side is the end of the pipe:
    a queue that all share would be waited on for ever.

    Parameters
    ----------
    function : callable
        Takes an item; function, items and results can be pickled.
    items : sequence
        What to compute; can be sliced.
    processes : int
        Processes to start, at most one an item.

    Raises
    ------
    InputError
        If a process dies.
    """
    processes = min(processes, len(items))
    workers = []
    try:
        for first in range(processes):
            receiver, sender = multiprocessing.Pipe(duplex=False)
            worker = multiprocessing.Process(
                target=_work,
                args=(function, items[first::processes], receiver, sender),
                daemon=True,
            )
            with hold_ctrl_c():
                worker.start()
            # The worker's alone from here on, and not inherited by the next.
            sender.close()
            workers.append((worker, receiver))
        for place in range(len(items)):
            yield _receive(workers[place % processes][1])
    finally:
        for worker, receiver in workers:
            receiver.close()
            worker.kill()
            worker.join()


@contextmanager
def hold_ctrl_c() -> Iterator[None]:
    """Start processes, in the block, that Ctrl-C does not reach: the first one ends them.

    It comes to every process of the terminal, and of one that has just begun it would show a
    traceback. What came meanwhile interrupts this process after the block.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _receive(receiver: Connection) -> Any:
    try:
        return receiver.recv()
    except (EOFError, OSError):
        raise InputError(WORKER_DIED) from None


def _work(function: Callable, items: Sequence, receiver: Connection, sender: Connection) -> None:
    # A pipe has no end as long as a reader is left, be it the writer itself.
    receiver.close()
    try:
        for item in items:
            sender.send(function(item))
    except BrokenPipeError:
        pass  # Nobody waits for the results: the process that started this one is gone.


@contextmanager
def tell_of_dead_loader() -> Iterator[None]:
    """Tell in a sentence that a process of PyTorch's DataLoader died.

    PyTorch interrupts whatever is done at that moment.

    Raises
    ------
    InputError
        If one dies in the block.
    """
    try:
        yield
    except RuntimeError as error:
        if not str(error).startswith("DataLoader worker"):
            raise
        raise InputError(WORKER_DIED) from None


def keep_socket_names_short() -> None:
    """Have processes that start from now on put their sockets where the names are not too long.

    Python puts them into the folder for temporary files, and PyTorch's processes wait for ever
    for one whose name the system refuses.

    Raises
    ------
    InputError
        If the folder has too long a path, and there is no other.
    """
    folder = tempfile.gettempdir()
    if len(os.fsencode(folder)) + SOCKET_ENDING <= SOCKET_NAME:
        return
    try:
        tempfile.tempdir = SHORT_FOLDER
        # It is made at the first call, and the processes inherit it.
        multiprocessing.util.get_temp_dir()
    except OSError as error:
        raise InputError(
            f"TMPDIR, {folder}, has too long a path for sockets, and {SHORT_FOLDER} cannot be used"
            f" ({error.strerror}): set TMPDIR to a folder with a path of at most"
            f" {SOCKET_NAME - SOCKET_ENDING} bytes."
        ) from None
    finally:
        tempfile.tempdir = folder
