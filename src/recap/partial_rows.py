"""Rows that a killed job leaves behind, for the next one to continue."""

import json
from contextlib import AbstractContextManager
from pathlib import Path

import numpy as np

from recap.files import name_full_disk

# The first bytes of the file say what it holds; rows begin behind them.
HEADER_BYTES = 4096


class PartialRows(AbstractContextManager):
    """Rows of float32 in a file that is appended to, and continued after SIGKILL.

    The file begins with a description of the rows as JSON. One that describes other rows is
    started anew. A block that was being written when the job was killed is cut off.

    Parameters
    ----------
    path : Path
        File to continue or to start.
    columns : int
        Numbers in a row.
    block : int
        Rows that are written together, and that a continued file is cut to.
    description : dict
        All that the rows depend on, as JSON writes it.

    Attributes
    ----------
    count : int
        Rows that are there.
    """

    def __init__(self, path: Path, columns: int, block: int, description: dict):
        self.path = path
        self.columns = columns
        header = json.dumps(description, sort_keys=True).encode().ljust(HEADER_BYTES)
        row_bytes = 4 * columns
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
        self._file = open(path, "r+b")  # noqa: SIM115
        if self._file.read(len(header)) != header:
            self._file.truncate(0)
            self._file.seek(0)
            with name_full_disk(path):
                self._file.write(header)
                self._file.flush()
        rows = (path.stat().st_size - len(header)) // row_bytes
        self.count = rows // block * block
        self._offset = len(header)
        self._file.truncate(len(header) + self.count * row_bytes)
        self._file.seek(0, 2)

    def __exit__(self, *exception: object) -> None:
        """Close the file, and leave it where it is."""
        with name_full_disk(self.path):
            self._file.close()

    def append(self, rows: np.ndarray) -> None:
        """Add a block of rows.

        Parameters
        ----------
        rows : array of shape (n, columns), float32
        """
        with name_full_disk(self.path):
            self._file.write(np.ascontiguousarray(rows, dtype="<f4"))
            self._file.flush()
        self.count += len(rows)

    def read(self) -> np.ndarray:
        """Return all rows as a read-only array of shape (count, columns) that stays on disk."""
        if not self.count:
            return np.empty((0, self.columns), dtype=np.float32)
        shape = (self.count, self.columns)
        return np.memmap(self.path, "<f4", "r", offset=self._offset, shape=shape)

    def remove(self) -> None:
        """Delete the file, when its rows lie elsewhere."""
        self._file.close()
        self.path.unlink()
