"""Rows that stay in their file: the same rows, few of them held, each read once a part."""

import h5py
import numpy as np
import pytest

from recap.core.errors import InputError
from recap.features import rows_in_file as module
from recap.features.rows_in_file import RowsInFile

ROWS, COLUMNS, PIECE = 103, 5, 4  # the last piece has three rows


@pytest.fixture
def path(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "PIECE_BYTES", PIECE * COLUMNS * 4)
    with h5py.File(tmp_path / "features.h5", "w") as file:
        file["features"] = np.random.default_rng(0).random((ROWS, COLUMNS), np.float32)
    return tmp_path / "features.h5"


@pytest.fixture
def opened(monkeypatch):
    """Return the list of pieces that are read, one after another."""
    pieces = []
    read = RowsInFile._read

    def note(self, wanted):
        pieces.extend(wanted.tolist())
        read(self, wanted)

    monkeypatch.setattr(RowsInFile, "_read", note)
    return pieces


def table(path):
    with h5py.File(path) as file:
        return file["features"][:]


@pytest.mark.parametrize("held", [1, 3, 10, 100])
def test_rows_are_those_of_the_file(path, held):
    generator = np.random.default_rng(1)
    rows = RowsInFile(path, held * PIECE * COLUMNS * 4)
    assert (len(rows), rows.shape) == (ROWS, (ROWS, COLUMNS))
    whole = table(path)
    for count in (0, 1, 7, 60, 500):
        wanted = generator.integers(0, ROWS, count).astype(np.int32)
        np.testing.assert_array_equal(rows[wanted], whole[wanted])
    taken = rows[np.array([0])]
    taken *= 0
    np.testing.assert_array_equal(rows[np.array([0])], whole[:1])
    assert len(rows._held) <= held


def test_a_piece_is_held_until_it_was_not_used_for_longest(path, opened):
    rows = RowsInFile(path, 2 * PIECE * COLUMNS * 4)
    for number in (0, 4, 0, 8, 0, 4):
        rows[np.array([number])]
    assert opened == [0, 1, 2, 1]


def test_a_part_is_read_once(path, opened):
    rows = RowsInFile(path, 6 * PIECE * COLUMNS * 4)
    generator = np.random.default_rng(2)
    images = generator.integers(0, ROWS, 400)
    parts = rows.parts(images, generator)
    assert sorted(np.concatenate(parts).tolist()) == list(range(400))
    assert len(parts) == 5
    for part in parts:
        for batch in np.array_split(generator.permutation(part), 20):
            rows[images[batch]]
    assert sorted(opened) == list(range(26))
    again = rows.parts(images, generator)
    assert set(again[0]) != set(parts[0])


def test_a_file_that_is_damaged_or_gone_is_named(path):
    rows = RowsInFile(path, 10**6)
    path.unlink()
    with pytest.raises(InputError, match=r"features\.h5 does not exist"):
        rows[np.array([3])]
