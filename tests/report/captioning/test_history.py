import pytest

from recap.core.errors import InputError
from recap.report.captioning.history import read_history


def test_history_without_a_column_or_rows_is_named(tmp_path):
    path = tmp_path / "history.csv"
    path.write_text("step,epoch,loss\n1,1,2.0\n")
    with pytest.raises(InputError, match=r"history\.csv.*validation_loss"):
        read_history(path)
    path.write_text("step,epoch,loss,learning_rate,captions_per_second,validation_loss\n")
    with pytest.raises(InputError, match="no rows"):
        read_history(path)


def test_a_history_that_was_cut_off_is_named(fake):
    path = fake.folder / "models/rnn/seed0/history.csv"
    text = path.read_text()
    assert len(read_history(path).step) == 30
    # Within the last cell, before it, between rows, and within a row.
    for cut in (text[:-1], text[:-2], text.rstrip("\n").rpartition(",")[0], text[:600]):
        path.write_text(cut)
        with pytest.raises(InputError, match=r"history\.csv cannot be read as a training history"):
            read_history(path)
    path.write_text("\n".join(text.splitlines()[:-1]) + "\n")
    with pytest.raises(InputError, match="its end is missing"):
        read_history(path)
    for cells in (",", ",0.001,0.001,"):
        path.write_text(text.replace(",0.001,", cells, 1))
        with pytest.raises(InputError, match="more or fewer cells than the first"):
            read_history(path)
