"""Rows that a killed job leaves behind, for the next one to continue."""

import json
import zlib
from contextlib import AbstractContextManager
from pathlib import Path

import numpy as np

from recap.core.files import name_full_disk

# The first bytes of the file say what it holds; rows begin behind them.
HEADER_BYTES = 4096


class PartialRows(AbstractContextManager):
    """Rows in a file that is written block by block, and continued after SIGKILL.

    The file begins with a description of the rows as JSON. One that describes other rows is
    started anew. A block that was being written when the job was killed is cut off. Behind each row
    lies a digest of it, so that a row is known which is damaged, or was half written over.

    Parameters
    ----------
    path : Path
        File to continue or to start.
    dtype : numpy.dtype
        Type of a row, with its fields.
    block : int
        Rows that are written together, and that a continued file is cut to.
    description : dict
        All that the rows depend on, as JSON writes it.

    Attributes
    ----------
    count : int
        Rows that are there.
    whole : array of shape (n,), bool
        For each row that was there at the opening, whether it is as it was written.
    """

    def __init__(self, path: Path, dtype: np.dtype, block: int, description: dict):
        self.path = path
        self.dtype = dtype
        self._stored = np.dtype([("row", dtype), ("digest", "<u4")])
        about = {"stored": str(self._stored), **description}
        header = json.dumps(about, sort_keys=True).encode().ljust(HEADER_BYTES)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
        self._file = open(path, "r+b")  # noqa: SIM115
        if self._file.read(len(header)) != header:
            self._file.truncate(0)
            self._file.seek(0)
            with name_full_disk(path):
                self._file.write(header)
                self._file.flush()
        rows = (path.stat().st_size - len(header)) // self._stored.itemsize
        self.count = rows // block * block
        self._offset = len(header)
        self._file.truncate(len(header) + self.count * self._stored.itemsize)
        self._file.seek(len(header))
        self.whole = np.zeros(self.count, dtype=bool)
        for start in range(0, self.count, block):
            stored = np.fromfile(self._file, self._stored, block)
            self.whole[start : start + block] = _digests(stored["row"]) == stored["digest"]

    def __exit__(self, *exception: object) -> None:
        """Close the file, and leave it where it is."""
        with name_full_disk(self.path):
            self._file.close()

    def write(self, first: int, rows: np.ndarray) -> None:
        """Write a block behind the others, or over one of them.

        A kill may leave a row that is new in its first bytes and old in its last: not a whole one.

        Parameters
        ----------
        first : int
            Number of the block's first row, at most `count`.
        rows : array of shape (n,)
            Of the file's type.
        """
        stored = np.empty(len(rows), dtype=self._stored)
        stored["row"], stored["digest"] = rows, _digests(rows)
        with name_full_disk(self.path):
            self._file.seek(self._offset + first * self._stored.itemsize)
            self._file.write(stored)
            self._file.flush()
        self.count = max(self.count, first + len(rows))

    def read(self) -> np.ndarray:
        """Return all rows as a read-only array of shape (count,) that stays on disk."""
        if not self.count:
            return np.empty(0, dtype=self.dtype)
        stored = np.memmap(self.path, self._stored, "r", offset=self._offset, shape=(self.count,))
        return stored["row"]

    def remove(self) -> None:
        """Delete the file, when its rows lie elsewhere."""
        self._file.close()
        self.path.unlink()


def _digests(rows: np.ndarray) -> np.ndarray:
    """Return the CRC-32 of each row's bytes."""
    return np.array([zlib.crc32(row.tobytes()) for row in rows], dtype="<u4")
