"""Let one process at a time work on what is half done."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout


@contextmanager
def sole_owner(path: Path) -> Iterator[None]:
    """Own a half-done file in the block; wait first while another process does.

    Two that write one file would mix what they write. The system ends the ownership of a process
    that is killed, so no wait is longer than that process.

    Parameters
    ----------
    path : Path
        File that is being made. The lock lies beside it, with `.lock` added, and goes with the
        block.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(path.with_name(f"{path.name}.lock"))
    try:
        lock.acquire(timeout=0)
    except Timeout:
        print(f"Another process is making {path}: waiting until it ends.", flush=True)
        lock.acquire()
    try:
        yield
    finally:
        # While it is held: who waits for it then sees that it is gone, and makes another.
        Path(lock.lock_file).unlink(missing_ok=True)
        lock.release()
