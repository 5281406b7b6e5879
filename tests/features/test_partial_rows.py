import numpy as np
import pytest

from recap.features.partial_rows import HEADER_BYTES, PartialRows

COLUMNS, BLOCK = 3, 4
ROW = np.dtype([("numbers", "<f4", COLUMNS)])
ROW_BYTES = ROW.itemsize + 4  # with the digest
BLOCK_BYTES = BLOCK * ROW_BYTES


def open_rows(path, **description):
    return PartialRows(path, ROW, BLOCK, {"what": "test", **description})


def numbers(first, count):
    return np.arange(first * COLUMNS, (first + count) * COLUMNS, dtype="<f4").view(ROW)


def test_rows_are_continued(tmp_path):
    path = tmp_path / "deep" / "rows.part"
    with open_rows(path) as rows:
        assert rows.count == 0
        assert rows.read().shape == (0,)
        rows.write(0, numbers(0, 4))
        rows.write(4, numbers(4, 4))
    with open_rows(path) as rows:
        assert rows.count == 8
        rows.write(8, numbers(8, 2))
        assert (rows.read() == numbers(0, 10)).all()
        rows.remove()
    assert not path.exists()


@pytest.mark.parametrize(
    ("length", "left"),
    [
        (0, 0),
        (10, 0),
        (HEADER_BYTES - 1, 0),
        (HEADER_BYTES, 0),
        (HEADER_BYTES + BLOCK_BYTES - 1, 0),
        (HEADER_BYTES + BLOCK_BYTES, 4),
        (HEADER_BYTES + 2 * BLOCK_BYTES - 1, 4),
        (HEADER_BYTES + 2 * BLOCK_BYTES, 8),
    ],
)
def test_a_file_cut_anywhere_is_continued_from_its_last_whole_block(tmp_path, length, left):
    path = tmp_path / "rows.part"
    with open_rows(path) as rows:
        rows.write(0, numbers(0, 4))
        rows.write(4, numbers(4, 4))
    path.write_bytes(path.read_bytes()[:length])
    with open_rows(path) as rows:
        assert rows.count == left
        assert rows.whole.tolist() == [True] * left
        rows.write(left, numbers(left, 8 - left))
        assert (rows.read() == numbers(0, 8)).all()


def test_other_rows_are_begun_anew(tmp_path):
    path = tmp_path / "rows.part"
    with open_rows(path) as rows:
        rows.write(0, numbers(0, 4))
    with open_rows(path, weights="others") as rows:
        assert rows.count == 0
    with open_rows(path, weights="others") as rows:
        assert rows.count == 0


def test_rows_of_an_interrupted_job_stay(tmp_path):
    path = tmp_path / "rows.part"
    with pytest.raises(KeyboardInterrupt), open_rows(path) as rows:
        rows.write(0, numbers(0, 4))
        raise KeyboardInterrupt
    with open_rows(path) as rows:
        assert rows.count == 4


def test_a_block_can_be_written_over(tmp_path):
    path = tmp_path / "rows.part"
    with open_rows(path) as rows:
        rows.write(0, numbers(0, 4))
        rows.write(4, numbers(4, 4))
        rows.write(0, numbers(20, 4))
        assert rows.count == 8
        rows.write(8, numbers(8, 2))
    with open_rows(path) as rows:
        assert (rows.read() == np.concatenate([numbers(20, 4), numbers(4, 4)])).all()


def damage(path, place, change):
    """Write other bytes at a place behind the header."""
    with open(path, "r+b") as file:
        file.seek(HEADER_BYTES + place)
        file.write(change)


@pytest.mark.parametrize(
    ("place", "change", "broken"),
    [
        (0, b"\1", [0]),
        (ROW_BYTES + 2, b"\x80", [1]),
        (2 * ROW_BYTES - 1, b"\x80", [1]),  # in the digest
        (3 * ROW_BYTES, bytes(5 * ROW_BYTES), [3, 4, 5, 6, 7]),
        (7 * ROW_BYTES + 8, bytes(ROW_BYTES - 8), [7]),
        (4 * ROW_BYTES, numbers(20, 1).tobytes()[:6], [4]),  # half written over
    ],
)
def test_rows_that_are_damaged_are_not_whole(tmp_path, place, change, broken):
    path = tmp_path / "rows.part"
    with open_rows(path) as rows:
        assert rows.whole.shape == (0,)
        rows.write(0, numbers(0, 4))
        rows.write(4, numbers(4, 4))
    damage(path, place, change)
    with open_rows(path) as rows:
        assert np.flatnonzero(~rows.whole).tolist() == broken
        rows.write(0, numbers(0, 4))
        rows.write(4, numbers(4, 4))
    with open_rows(path) as rows:
        assert rows.whole.all()
        assert (rows.read() == numbers(0, 8)).all()


def test_rows_of_another_type_are_begun_anew(tmp_path):
    path = tmp_path / "rows.part"
    with open_rows(path) as rows:
        rows.write(0, numbers(0, 4))
    other = np.dtype([("numbers", "<i4", COLUMNS)])
    with PartialRows(path, other, BLOCK, {"what": "test"}) as rows:
        assert rows.count == 0
