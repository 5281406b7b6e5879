import numpy as np
import pytest

from recap.partial_rows import HEADER_BYTES, PartialRows

COLUMNS, BLOCK = 3, 4
ROW = np.dtype([("numbers", "<f4", COLUMNS)])


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
        (HEADER_BYTES + 47, 0),
        (HEADER_BYTES + 48, 4),
        (HEADER_BYTES + 95, 4),
        (HEADER_BYTES + 96, 8),
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
