"""The training's course as TensorBoard events, with and without that package."""

import errno
import sys
from types import SimpleNamespace

import pytest

from recap.core.errors import InputError
from recap.training.state import HistoryRow
from recap.training.tensorboard import open_events

HISTORY = [
    HistoryRow(step=10, epoch=1, loss=30.0, learning_rate=0.001, captions_per_second=1000.0),
    HistoryRow(
        step=20,
        epoch=1,
        loss=25.0,
        learning_rate=0.002,
        captions_per_second=1100.0,
        validation_loss=24.0,
    ),
    HistoryRow(step=30, epoch=2, loss=20.0, learning_rate=0.001, captions_per_second=1200.0),
]


def test_without_the_package_nothing_is_written(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    open_events(tmp_path / "events")(HISTORY)
    assert list(tmp_path.iterdir()) == []


def test_each_row_is_written_once(tmp_path, monkeypatch):
    class Writer:
        def __init__(self, folder):
            self.folder = folder

        def add_scalar(self, name, value, step):
            written.append((name, value, step))

        def flush(self):
            written.append("flushed")

    written = []
    stand_in = SimpleNamespace(SummaryWriter=Writer)
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", stand_in)
    (tmp_path / "events").mkdir()
    (tmp_path / "events/of-an-earlier-training").touch()
    write = open_events(tmp_path / "events")
    write(HISTORY[:1])
    assert written == [
        ("epoch", 1, 10),
        ("loss", 30.0, 10),
        ("learning_rate", 0.001, 10),
        ("captions_per_second", 1000.0, 10),
        "flushed",
    ]
    written.clear()
    write(HISTORY)
    write(HISTORY)
    assert [entry for entry in written if entry != "flushed"] == [
        ("epoch", 1, 20),
        ("loss", 25.0, 20),
        ("learning_rate", 0.002, 20),
        ("captions_per_second", 1100.0, 20),
        ("validation_loss", 24.0, 20),
        ("epoch", 2, 30),
        ("loss", 20.0, 30),
        ("learning_rate", 0.001, 30),
        ("captions_per_second", 1200.0, 30),
    ]
    assert not (tmp_path / "events/of-an-earlier-training").exists()


@pytest.mark.parametrize("full", ["__init__", "add_scalar", "flush"])
def test_a_full_disk_is_told_with_the_folder(tmp_path, monkeypatch, full):
    class Writer:
        def __init__(self, folder):
            self.meet("__init__")

        def add_scalar(self, name, value, step):
            self.meet("add_scalar")

        def flush(self):
            self.meet("flush")

        def meet(self, name):
            if name == full:
                raise OSError(errno.ENOSPC, "No space left on device")

    stand_in = SimpleNamespace(SummaryWriter=Writer)
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", stand_in)
    with pytest.raises(InputError, match="events could not be written"):
        open_events(tmp_path / "events")(HISTORY)


def test_tensorboard_reads_it(tmp_path):
    pytest.importorskip("tensorboard", reason="TensorBoard is not installed")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    open_events(tmp_path / "events")(HISTORY)
    events = EventAccumulator(str(tmp_path / "events"))
    events.Reload()
    curve = [(event.step, event.value) for event in events.Scalars("loss")]
    assert curve == [(10, 30.0), (20, 25.0), (30, 20.0)]
    assert [event.step for event in events.Scalars("validation_loss")] == [20]
