"""Processes that work for another: in order, and no side outlives the other."""

import itertools
import multiprocessing.util
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest
from places import SCENES

from recap.core.errors import InputError
from recap.core.workers import WORKER_DIED, keep_socket_names_short, map_in_order

WAIT = 60  # seconds until a test fails; what it waits for comes at once


def test_values_come_in_order_from_any_number_of_processes():
    for processes in (1, 3, 20):
        assert list(map_in_order(str, range(10), processes)) == [str(n) for n in range(10)]
    assert list(map_in_order(str, [], 2)) == []


def test_a_reader_that_stops_ends_the_processes():
    # Other tests may have left processes that serve multiprocessing until the end.
    others = psutil.Process().children()
    values = map_in_order(str, range(10**9), 2)
    assert list(itertools.islice(values, 3)) == ["0", "1", "2"]
    workers = [worker for worker in psutil.Process().children() if worker not in others]
    values.close()
    assert len(workers) == 2
    assert not any(worker.is_running() for worker in workers)


@contextmanager
def at_work(*words):
    """Start a command with two processes that work for it; give it and them."""
    with subprocess.Popen(
        [sys.executable, "-m", "recap", *words, "--threads=2"],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        try:
            while len(workers := psutil.Process(process.pid).children()) < 2:
                assert process.poll() is None
                time.sleep(0.05)
            yield process, workers
        finally:
            process.kill()


@pytest.fixture
def drawing(tmp_path):
    """`draw-shapes` at work on more scenes than it can draw in time."""
    files = [
        f"--{name}={tmp_path / name}" for name in ("train-images", "val-images", "annotations")
    ]
    with at_work("draw-shapes", *files, "--train-scenes=100000") as started:
        yield started


def test_processes_end_when_the_one_that_started_them_is_killed(drawing):
    process, workers = drawing
    process.kill()
    # The end of the output, which `tee` waits for, comes when nobody can write to it.
    process.communicate(timeout=WAIT)
    assert len(workers) == 2
    assert psutil.wait_procs(workers, timeout=WAIT)[1] == []


def test_a_process_that_is_killed_ends_the_command_with_a_sentence(drawing, tmp_path):
    process, workers = drawing
    workers[1].kill()
    output, _ = process.communicate(timeout=WAIT)
    assert process.returncode == 1
    assert output.splitlines()[-1] == f"error: {WORKER_DIED}"
    assert "Traceback" not in output
    assert list(tmp_path.iterdir()) == []


# --- sockets ------------------------------------------------------------------------------------


def socket_folder(monkeypatch, folder):
    """Return where a process that starts now would put its sockets."""
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    settings = multiprocessing.current_process()._config
    monkeypatch.delitem(settings, "tempdir", raising=False)
    # It would be removed when Python ends, but is before.
    monkeypatch.setattr(multiprocessing.util, "Finalize", lambda *_, **__: None)
    keep_socket_names_short()
    assert tempfile.gettempdir() == str(folder)
    found = Path(multiprocessing.util.get_temp_dir())
    # Not by monkeypatch, which would put the folder that is gone back for the tests that follow.
    del settings["tempdir"]
    found.rmdir()
    return found.parent


@pytest.mark.parametrize("length", [30, 71, 72, 76, 200])
def test_the_names_of_sockets_are_short_enough(monkeypatch, length):
    with tempfile.TemporaryDirectory(dir="/tmp") as name:
        folder = Path(name) / ("x" * (length - len(name) - 1))
        folder.mkdir()
        found = socket_folder(monkeypatch, folder)
    assert found == (folder if length <= 71 else Path("/tmp"))


def test_no_folder_for_sockets(monkeypatch, tmp_path):
    monkeypatch.setattr("recap.core.workers.SHORT_FOLDER", str(tmp_path / "none"))
    with pytest.raises(InputError, match=r"TMPDIR, .*, has too long a path .*: set TMPDIR to a"):
        socket_folder(monkeypatch, tmp_path / ("x" * 100))


def test_a_killed_process_that_decodes_ends_the_extraction_with_a_sentence(shapes_study, tmp_path):
    resources = shapes_study / SCENES
    files = [resources / "train2014.zip", resources / "annotations/captions_train.json"]
    with at_work("extract-features", *files, "--output", tmp_path / "features.h5") as started:
        process, workers = started
        workers[0].kill()
        output, _ = process.communicate(timeout=WAIT)
    assert process.returncode == 1
    assert output.splitlines()[-1] == f"error: {WORKER_DIED}"
    assert "Traceback" not in output
