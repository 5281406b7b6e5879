"""Make and open HDF5 files, and say what is wrong with one."""

import io
import os
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py

from recap.core.errors import InputError
from recap.core.files import atomic_path

# What attributes hold. HDF5 crashes where damage makes lists of a text.
ATTRIBUTE_CLASSES = {h5py.h5t.INTEGER, h5py.h5t.FLOAT, h5py.h5t.STRING}

# NumPy's kinds of numbers that serve as one.
KINDS = {"f": "f", "i": "iu"}

# Texts of attributes lie in heaps: a signature, a version, three bytes of nothing, the heap's bytes
# as 8; then objects: number, references, four bytes of nothing, bytes as 8.
HEAP, HEADER_BYTES = b"GCOL", 16


@contextmanager
def create_hdf5(path: Path, *, record_digest: bool = False, **options: Any) -> Iterator[h5py.File]:
    """Make an HDF5 file, whole or not at all.

    Parameters
    ----------
    path : Path
        File to make.
    record_digest : bool
        As in `atomic_path`.
    **options
        Passed to `h5py.File`.

    Yields
    ------
    h5py.File
        Open for writing.

    Raises
    ------
    InputError
        If its disk is full.
    """
    # Python does the writing: HDF5 itself crashes when it closes a file on a full disk.
    with (
        atomic_path(path, record_digest=record_digest) as scratch,
        open(scratch, "w+b") as raw,
        h5py.File(raw, "w", **options) as file,
    ):
        yield file


@contextmanager
def open_hdf5(path: Path) -> Iterator[h5py.File]:
    """Open an HDF5 file for reading; a context manager.

    Parameters
    ----------
    path : Path
        File to open.

    Yields
    ------
    h5py.File
        What is damaged in it may show only as it is read.

    Raises
    ------
    InputError
        If the file is missing, cannot be opened, or is damaged where it is read.
    """
    try:
        file = h5py.File(path, "r")
    except FileNotFoundError:
        raise InputError(f"{path} does not exist: check the path.") from None
    except OSError as error:
        raise InputError(_why(path, error)) from None
    with file:
        try:
            yield file
        except (OSError, RuntimeError, KeyError, TypeError, ValueError) as error:
            # The system's own errors have a number, and are not of this file alone.
            raiser = traceback.extract_tb(error.__traceback__)[-1].filename
            if getattr(error, "errno", None) or "h5py" not in Path(raiser).parts:
                raise
            raise InputError(f"{path} is damaged ({error}): make it again.") from None


def read_table(file: h5py.File, name: str, dimensions: int, kind: str) -> h5py.Dataset:
    """Return a dataset of an open file, still in the file.

    Parameters
    ----------
    file : h5py.File
        Open for reading.
    name : str
        The dataset's name.
    dimensions : int
        How many it must have.
    kind : {"f", "i"}
        What it must hold: floating point numbers, or whole ones.

    Raises
    ------
    InputError
        If there is no such dataset, or one of another form.
    """
    try:
        table = file.get(name)
    except (RuntimeError, OSError) as error:
        raise InputError(
            f"`{name}` in {file.filename} cannot be read ({error}): make the file again."
        ) from None
    if not isinstance(table, h5py.Dataset):
        raise InputError(f"{file.filename} has no table `{name}`: check the path.")
    if table.ndim != dimensions or table.dtype.kind not in KINDS[kind]:
        numbers = {"f": "floating point", "i": "whole"}[kind]
        raise InputError(
            f"`{name}` in {file.filename} has {table.ndim} dimensions of {table.dtype}, where"
            f" {dimensions} of {numbers} numbers are needed: check the path."
        )
    return table


def read_attributes(holder: h5py.File | h5py.Dataset) -> dict[str, Any]:
    """Return the attributes of an open file, or of a table in it.

    HDF5 crashes on some that are damaged, or never ends to read them: all attributes are to be read
    by this function.

    Parameters
    ----------
    holder : h5py.File or h5py.Dataset
        From `open_hdf5`, which tells of the damage.

    Returns
    -------
    dict
        Texts, numbers and arrays of numbers by their names, as h5py gives them.
    """
    with _CheckedFile(holder.file.filename) as raw, h5py.File(raw, "r") as file:
        stored = file[holder.name].attrs
        for name in stored:
            if stored.get_id(name).get_type().get_class() not in ATTRIBUTE_CLASSES:
                raise InputError(f"{raw.name} is damaged (an attribute's type): make it again.")
        attributes = dict(stored)
    # h5py gives a name that is no text as bytes.
    if not all(isinstance(name, str) for name in attributes):
        raise InputError(f"{raw.name} is damaged (an attribute's name): make it again.")
    return attributes


class _CheckedFile(io.FileIO):
    """A file that shows HDF5 no heap which it would never end to read."""

    def seek(self, place: int, whence: int = os.SEEK_SET) -> int:
        """Go to a place; one that no file has stands in a damaged one."""
        try:
            return super().seek(place, whence)
        except (OSError, OverflowError):
            raise InputError(f"{self.name} is damaged (place {place}): make it again.") from None

    def readinto(self, block: memoryview) -> int:
        """Read bytes; HDF5 reads a heap at once, from its beginning."""
        count = super().readinto(block)
        if not _is_sound(bytes(block)):
            raise InputError(f"{self.name} is damaged (a heap of its texts): make it again.")
        return count


def _is_sound(block: bytes) -> bool:
    """Return whether bytes are no heap, or one whose objects follow each other to its end."""
    if not block.startswith(HEAP):
        return True
    end = int.from_bytes(block[8:16], "little")
    place = HEADER_BYTES
    # HDF5 reads a large heap in two steps; the second shows all of it.
    while place + HEADER_BYTES <= min(end, len(block)):
        number = int.from_bytes(block[place : place + 2], "little")
        size = int.from_bytes(block[place + 8 : place + 16], "little")
        # Number 0 is what is free; its size counts its header.
        step = HEADER_BYTES + -(-size // 8) * 8 if number else size
        if not HEADER_BYTES <= step <= end - place:
            return False
        place += step
    return True


def _why(path: Path, error: OSError) -> str:
    """Return why a file cannot be opened, and what helps."""
    if "unable to lock file" in str(error):
        if isinstance(error, BlockingIOError):
            return (
                f"{path} is open in another program that writes it: wait until that has ended. If"
                " there is none, set the environment variable HDF5_USE_FILE_LOCKING=FALSE."
            )
        return (
            f"{path} lies on a file system without locks ({os.strerror(error.errno)}): set the"
            " environment variable HDF5_USE_FILE_LOCKING=FALSE."
        )
    if error.errno:
        return f"{path} cannot be read ({os.strerror(error.errno)}): check the path."
    reason = str(error).rpartition("(")[2].rstrip(")")
    return f"{path} is not a whole HDF5 file ({reason}): make it again."
