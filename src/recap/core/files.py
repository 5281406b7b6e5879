"""Files that are either whole or absent, and their checksums."""

import errno
import hashlib
import os
import re
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from recap.core.errors import NO_ROOM, InputError
from recap.core.hosts import is_running, this_host

DIGEST_ENDING = ".recap-sha256"

# The longest that is put around an output's name, for its digest's scratch file.
LONGEST_ENDING = f"{DIGEST_ENDING}.recap-01234567-0123456789"


@contextmanager
def atomic_path(path: Path, *, record_digest: bool = False) -> Iterator[Path]:
    """Give a scratch path beside `path` that becomes `path` if the block succeeds.

    A reader never sees a half-written file: the scratch file is renamed over `path` at the
    end of the block, once it is on the disk, and removed if the block raises. What a killed
    process left is removed by the next that makes the same file on its host. Where `path` is a
    link, its target is made. Owner and permissions are those that a plain `open` would give.

    Parameters
    ----------
    path : Path
        File to make. Missing parent folders are made.
    record_digest : bool
        Whether to write the file's digest beside it, which `recap verify-study` holds it against.

    Yields
    ------
    Path
        Scratch file in the same folder.

    Raises
    ------
    InputError
        If no file can be made at `path`, or its disk is full.
    """
    check_output(path)
    path = Path(os.path.realpath(path))
    with name_full_disk(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        # Whether a process of another host still runs is not known here.
        host = hashlib.sha256(this_host().encode()).hexdigest()[:8]
        scratch_name = re.compile(rf"\.{re.escape(path.name)}\.recap-{host}-(\d+)")
        for left in path.parent.iterdir():
            if (match := scratch_name.fullmatch(left.name)) and not is_running(int(match[1])):
                left.unlink(missing_ok=True)
        scratch = path.with_name(f".{path.name}.recap-{host}-{os.getpid()}")
        try:
            if path.exists():
                scratch.touch()
                _copy_permissions(path, scratch)
            yield scratch
            _sync(scratch)
            if record_digest:
                # First, so that a file without its own digest never stands.
                with atomic_path(digest_record(path)) as record:
                    record.write_text(f"{file_hash(scratch)}  {path.name}\n", encoding="utf-8")
            os.replace(scratch, path)
            with suppress(OSError):  # Not every file system can do it with a folder.
                _sync(path.parent)
        finally:
            scratch.unlink(missing_ok=True)


@contextmanager
def name_full_disk(path: Path) -> Iterator[None]:
    """Tell which file it was that a full disk, or a quota, has no room for.

    Parameters
    ----------
    path : Path
        File that the block writes.

    Raises
    ------
    InputError
        If there is no room.
    """
    try:
        yield
    except OSError as error:
        if error.errno not in NO_ROOM:
            raise
        raise InputError(
            f"{path} could not be written ({error.strerror}): make room on its disk, then run the"
            " same command again."
        ) from None


def check_output(path: Path) -> None:
    """Refuse a path at which no file can be made.

    Parameters
    ----------
    path : Path
        File to write. Neither it nor its folders need exist.

    Raises
    ------
    InputError
        If it is a folder, a device, a pipe, or write-protected; if it lies in a file, or in a
        folder that may not be written to; or if its name is too long.
    """
    # Unlike those of `Path`, these tests are false where the name is too long.
    real = Path(os.path.realpath(path))
    if os.path.isdir(path):  # noqa: PTH112
        raise InputError(f"The output {path} is a folder: name a file.")
    # A descriptor of this process (/dev/fd/3) may lead to what has no path of its own.
    if (os.path.lexists(real) or os.path.exists(path)) and not os.path.isfile(real):  # noqa: PTH110, PTH113
        raise InputError(f"The output {path} is a device, a pipe or a link to itself: name a file.")
    if os.path.lexists(real) and not os.access(path, os.W_OK):
        raise InputError(f"The output {path} is write-protected: name another file.")
    _check_place(real.with_name(f".{real.name}{LONGEST_ENDING}"), path)


def check_output_folder(path: Path) -> None:
    """Refuse a path at which no folder can be made, or none to write into.

    Parameters
    ----------
    path : Path
        Folder to write into. Neither it nor the folders above it need exist.

    Raises
    ------
    InputError
        If it is a file, lies in a file, or in a folder that may not be written to; or if its name
        is too long.
    """
    _check_place(path / "file", path)


def check_different(*outputs: Path | None) -> None:
    """Refuse one path for several outputs: the last one would replace the others.

    Parameters
    ----------
    *outputs : Path or None
        Files to write; None for one that is not asked for.

    Raises
    ------
    InputError
        If two are the same file.
    """
    given = [output for output in outputs if output is not None]
    if len({os.path.realpath(output) for output in given}) < len(given):
        named = " and ".join(map(str, given))
        raise InputError(f"Of the outputs {named}, two are one file: name a file for each.")


def _check_place(path: Path, named: Path) -> None:
    """Refuse a path whose folders cannot be made; an error calls it by another name."""
    folder = path.parent
    while not os.path.lexists(folder):
        folder = folder.parent
    if not folder.is_dir():
        raise InputError(f"The output {named} lies in {folder}, which is a file: name a folder.")
    for place in (path, *(folder / part for part in path.relative_to(folder).parts)):
        try:
            os.lstat(place)
        except OSError as error:
            if error.errno == errno.ENAMETOOLONG:
                raise InputError(f"The output {named} has too long a name: shorten it.") from None
    if not os.access(folder, os.W_OK | os.X_OK):
        raise InputError(
            f"The output {named} cannot be made, because {folder} may not be written to: name"
            " another folder, or change its permissions."
        )


def _copy_permissions(old: Path, new: Path) -> None:
    state = old.stat()
    with suppress(PermissionError):
        os.chown(new, state.st_uid, state.st_gid)
    with suppress(PermissionError):
        new.chmod(stat.S_IMODE(state.st_mode))


def _sync(path: Path) -> None:
    """Wait until a file or folder is on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def digest_record(path: Path) -> Path:
    """Return the file in which the digest of a file is recorded when it is made.

    Parameters
    ----------
    path : Path
        The file that is recorded.
    """
    return path.with_name(f".{path.name}{DIGEST_ENDING}")


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
