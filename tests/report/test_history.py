import pytest

from recap.errors import InputError
from recap.report.history import read_history


def test_history_without_a_column_or_rows_is_named(tmp_path):
    path = tmp_path / "history.csv"
    path.write_text("step,epoch,loss\n1,1,2.0\n")
    with pytest.raises(InputError, match=r"history\.csv.*validation_loss"):
        read_history(path)
    path.write_text("step,epoch,loss,learning_rate,captions_per_second,validation_loss\n")
    with pytest.raises(InputError, match="no rows"):
        read_history(path)
