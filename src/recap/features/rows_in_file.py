"""Rows of a feature file that is larger than the memory which is given to them."""

from pathlib import Path

import numpy as np

from recap.features.files import FEATURES, open_features

PIECE_BYTES = 4_000_000  # read at once: enough that a disk gives them about as quickly as any


class RowsInFile:
    """A table of features that stays in its file; some of its rows are held in memory.

    Rows are read in pieces that lie together. A piece that finds no room takes the place of the one
    that was used the longest time ago.

    Parameters
    ----------
    path : Path
        Feature file.
    most_bytes : int
        How many bytes of rows to hold; at least a piece is.

    Attributes
    ----------
    shape : tuple of int
        Rows and columns of the table.
    """

    def __init__(self, path: Path, most_bytes: int):
        self._path = path
        with open_features(path) as file:
            self.shape, kind = file[FEATURES].shape, file[FEATURES].dtype
        row_bytes = self.shape[1] * kind.itemsize
        self._rows = max(1, PIECE_BYTES // row_bytes)
        self._pieces = -(-len(self) // self._rows)
        count = min(self._pieces, max(1, most_bytes // (self._rows * row_bytes)))
        self._held = np.empty((count, self._rows, self.shape[1]), kind)
        self._piece_at = np.full(count, -1)
        self._place_of = np.full(self._pieces, -1)
        self._used, self._requests = np.zeros(count, np.int64), 0

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows: np.ndarray) -> np.ndarray:
        """Return a copy of rows by their numbers, an array of shape (N,)."""
        pieces = rows // self._rows
        needed = np.unique(pieces)
        if len(needed) > len(self._held):
            half = len(rows) // 2
            return np.concatenate([self[rows[:half]], self[rows[half:]]])
        self._requests += 1
        is_there = self._place_of[needed] >= 0
        self._used[self._place_of[needed[is_there]]] = self._requests
        if not is_there.all():
            self._read(needed[~is_there])
        return self._held[self._place_of[pieces], rows % self._rows]

    def parts(self, rows: np.ndarray, generator: np.random.Generator) -> list[np.ndarray]:
        """Part rows so that those of a part can be held together, each part of pieces drawn anew.

        Parameters
        ----------
        rows : array of shape (N,)
            Their numbers, in any order.
        generator : numpy.random.Generator
            Draws which pieces make a part.

        Returns
        -------
        list of arrays of int
            Places in `rows`, each in one of them.
        """
        count = -(-self._pieces // len(self._held))
        part_of = generator.permutation(self._pieces) * count // self._pieces
        parts = part_of[rows // self._rows]
        return [np.flatnonzero(parts == part) for part in range(count)]

    def _read(self, pieces: np.ndarray) -> None:
        places = np.argsort(self._used, kind="stable")[: len(pieces)]
        with open_features(self._path) as file:
            for piece, place in zip(pieces, places, strict=True):
                if self._piece_at[place] >= 0:
                    self._place_of[self._piece_at[place]] = -1
                rows = file[FEATURES][piece * self._rows : (piece + 1) * self._rows]
                self._held[place, : len(rows)] = rows
                self._piece_at[place], self._place_of[piece] = piece, place
                self._used[place] = self._requests
