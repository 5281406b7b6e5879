import numpy as np
import pytest

from recap.partial_rows import HEADER_BYTES, PartialRows

COLUMNS, BLOCK = 3, 4


def open_rows(path, **description):
    return PartialRows(path, COLUMNS, BLOCK, {"what": "test", **description})


def numbers(first, count):
    return np.arange(first * COLUMNS, (first + count) * COLUMNS, dtype=np.float32).reshape(
        count, COLUMNS
    )


def test_rows_are_continued(tmp_path):
    path = tmp_path / "deep" / "rows.part"
    with open_rows(path) as rows:
        assert rows.count == 0
        assert rows.read().shape == (0, COLUMNS)
        rows.append(numbers(0, 4))
        rows.append(numbers(4, 4))
    with open_rows(path) as rows:
        assert rows.count == 8
        rows.append(numbers(8, 2))
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
        rows.append(numbers(0, 4))
        rows.append(numbers(4, 4))
    path.write_bytes(path.read_bytes()[:length])
    with open_rows(path) as rows:
        assert rows.count == left
        rows.append(numbers(left, 8 - left))
        assert (rows.read() == numbers(0, 8)).all()


def test_other_rows_are_begun_anew(tmp_path):
    path = tmp_path / "rows.part"
    with open_rows(path) as rows:
        rows.append(numbers(0, 4))
    with open_rows(path, weights="others") as rows:
        assert rows.count == 0
    with open_rows(path, weights="others") as rows:
        assert rows.count == 0


def test_rows_of_an_interrupted_job_stay(tmp_path):
    path = tmp_path / "rows.part"
    with pytest.raises(KeyboardInterrupt), open_rows(path) as rows:
        rows.append(numbers(0, 4))
        raise KeyboardInterrupt
    with open_rows(path) as rows:
        assert rows.count == 4
