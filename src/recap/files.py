"""Files that are either whole or absent, and their checksums."""

import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import ijson

from recap.errors import InputError


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


def write_json(path: Path, value: Any, **options: Any) -> None:
    """Write a value as JSON, atomically.

    Parameters
    ----------
    path : Path
        File to make.
    value
        What `json.dumps` accepts.
    **options
        Passed to `json.dumps`, such as `indent=2`.
    """
    with atomic_path(path) as scratch:
        scratch.write_text(json.dumps(value, **options), encoding="utf-8")


def read_json(path: Path) -> Any:
    """Read a JSON file.

    Parameters
    ----------
    path : Path
        File to read.

    Raises
    ------
    InputError
        If the file is missing, cannot be read, or is not JSON.
    """
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(f"{path} does not exist: check the path.") from None
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror}): check the path.") from None
    except ValueError as error:
        raise InputError(
            f"{path} is not valid JSON ({error}): make or download it again."
        ) from None


def iterate_json(file: IO[bytes], place: str, name: str) -> Iterator[Any]:
    """Yield what stands at a place of a JSON file, without holding the rest.

    Parameters
    ----------
    file : binary file
        Open for reading.
    place : str
        As `ijson` names places: `images.item` is each entry of `images`.
    name : str
        What to call the file in an error.

    Raises
    ------
    InputError
        If the file is not JSON.
    """
    try:
        yield from ijson.items(file, place, use_float=True)
    except ijson.JSONError as error:
        # Where the bytes are no UTF-8, the message is bytes too.
        (told,) = error.args
        told = told.decode(errors="replace") if isinstance(told, bytes) else str(told)
        reason = told.partition("\n")[0]
        raise InputError(
            f"{name} is not valid JSON ({reason}): make or download it again."
        ) from None
