"""Let one process at a time, on any host, work on what is half done."""

import json
import os
import secrets
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from recap.core.files import check_output, name_full_disk
from recap.core.hosts import is_running, this_host

HEARTBEAT_SECONDS = 10
SILENT_SECONDS = 120
POLL_SECONDS = 0.2


@contextmanager
def sole_owner(path: Path) -> Iterator[Callable[[], bool]]:
    """Own a half-done file in the block; wait first while another process does.

    Two that write one file would mix what they write. An owner is known by a file beside it, made
    and replaced as a whole on network file systems too, whose time it renews every ten seconds.
    One that was killed is followed at once on its own host; on another host, or if it is only
    suspended, once two minutes have passed without a change. Clocks are not compared, because those
    of hosts differ. A suspended one that goes on after that sees that it was followed, and ends.

    Parameters
    ----------
    path : Path
        File that is being made. The owner's file bears its name with `.lock` added, and goes with
        the block.

    Yields
    ------
    callable
        Tells whether another process waits for the file. Who has finished then leaves to it what
        the file was made from, so that it need not begin anew.

    Raises
    ------
    InputError
        If the owner's file cannot be made there, or the disk has no room for it.
    """
    check_output(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    claim, queue = (_Claim(path.with_name(path.name + end)) for end in (".lock", ".next.lock"))
    with name_full_disk(path):
        if not claim.take():
            print(f"{claim.holder()} is making {path}: waiting until it ends.", flush=True)
            queue.wait()
            with queue.held():
                claim.wait()
    with claim.held():
        yield queue.is_taken


class _Claim:
    """What this process has while a file holds its record."""

    def __init__(self, file: Path):
        self.file = file
        about = {"host": this_host(), "process": os.getpid(), "job": os.environ.get("SLURM_JOB_ID")}
        self.record = json.dumps({**about, "token": secrets.token_hex(8)}).encode()
        # How each file of another was found, and since when.
        self._found: dict[Path, tuple[tuple[bytes, int], float]] = {}

    def take(self) -> bool:
        """Return whether the claim is now had: nobody did before, or a process that is dead."""
        return self._write(self.file)

    def wait(self) -> None:
        while not self.take():
            time.sleep(POLL_SECONDS)

    @contextmanager
    def held(self) -> Iterator[None]:
        """Show in the block that this process lives, and end it if another has followed."""
        over = threading.Event()
        thread = threading.Thread(target=self._beat, args=(over,), daemon=True)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()
            if _read(self.file) == self.record:
                self.file.unlink(missing_ok=True)

    def is_taken(self) -> bool:
        """Return whether another process, which may live, has the claim."""
        record = _read(self.file)
        return record is not None and not self._is_dead(self.file, record)

    def holder(self) -> str:
        """Return who has the claim, to tell the user."""
        owner = _about(_read(self.file))
        host, job = owner.get("host", "?").split()[0], owner.get("job")
        where = f"host {host}, job {job}" if job else f"host {host}"
        return f"Another process ({owner.get('process', '?')} on {where})"

    def _beat(self, over: threading.Event) -> None:
        while not over.wait(HEARTBEAT_SECONDS):
            with suppress(OSError):  # A network file system may be away for a while.
                if _read(self.file) != self.record:
                    print(
                        f"error: {self.file} is no longer this process's: it was removed, or"
                        " another followed, as this one was suspended or its file system away."
                        " It ends; what it leaves is gone on with.",
                        file=sys.stderr,
                        flush=True,
                    )
                    # At once: the work may not go on until an exception is noticed.
                    os._exit(1)
                os.utime(self.file)

    def _write(self, file: Path) -> bool:
        """Put the record into a file that is not there, or in the place of a dead process's."""
        try:
            descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
        except FileExistsError:
            return self._follow(file)
        try:
            with open(descriptor, "wb") as opened:
                opened.write(self.record)
        except OSError:
            file.unlink(missing_ok=True)
            raise
        return True

    def _follow(self, file: Path) -> bool:
        """Put the record in the place of a dead process's; of several that try, one does."""
        before = _read(file)
        if before is None or not self._is_dead(file, before):
            return False
        # Only who could make this file, which is named after the dead one, may replace it.
        heir = file.with_name(f"{file.name}.{_about(before).get('token')}")
        if not self._write(heir):
            return False
        if _read(file) != before:  # Another followed before this one came.
            heir.unlink(missing_ok=True)
            return False
        with suppress(FileNotFoundError):
            os.replace(heir, file)
        return _read(file) == self.record

    def _is_dead(self, file: Path, record: bytes) -> bool:
        owner = _about(record)
        if owner.get("host") == this_host() and not is_running(owner["process"]):
            return True
        try:
            state = record, file.stat().st_mtime_ns
        except FileNotFoundError:
            return False
        found, since = self._found.get(file, (None, 0.0))
        if found != state:
            since = time.monotonic()
            self._found[file] = state, since
        return time.monotonic() - since > SILENT_SECONDS


def _read(file: Path) -> bytes | None:
    try:
        return file.read_bytes()
    except FileNotFoundError:
        return None


def _about(record: bytes | None) -> dict:
    """Return what a record tells; nothing of one that is not whole yet."""
    try:
        return json.loads(record or b"")
    except ValueError:
        return {}
