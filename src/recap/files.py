"""Files that are either whole or absent, and their checksums."""

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Give a scratch path beside `path` that becomes `path` if the block succeeds.

    A reader never sees a half-written file: the scratch file is renamed over `path` at the
    end of the block, and removed if the block raises. What a killed process left is removed by
    the next that makes the same file.

    Parameters
    ----------
    path : Path
        File to make. Missing parent folders are made.

    Yields
    ------
    Path
        Scratch file in the same folder, with the same suffix.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    for left in path.parent.glob(f".{path.stem}.*{path.suffix}"):
        if not _is_running(left.name.split(".")[-2]):
            left.unlink(missing_ok=True)
    scratch = path.with_name(f".{path.stem}.{os.getpid()}{path.suffix}")
    try:
        yield scratch
        os.replace(scratch, path)
    finally:
        scratch.unlink(missing_ok=True)


def _is_running(process: str) -> bool:
    """Return whether a scratch file's process, by its number, may still be writing it."""
    try:
        os.kill(int(process), 0)
    except (ProcessLookupError, ValueError):
        return False
    except OSError:
        return True
    return True


def file_hash(path: Path, algorithm: str = "sha256") -> str:
    """Return the hexadecimal digest of a file's bytes, read in pieces.

    Parameters
    ----------
    path : Path
        File to read.
    algorithm : str
        Any name that `hashlib` knows.
    """
    with open(path, "rb") as file:
        return hashlib.file_digest(file, algorithm).hexdigest()
