"""Checkpoints of a training of any kind."""

from types import SimpleNamespace

import numpy as np
import pytest

from recap.core.checkpoint import environment, read_checkpoint, throttled, write_checkpoint

ARRAYS = {"generator.W": np.eye(3, dtype=np.float32), "step": np.array(7)}
FACTS = {"epoch": 2, "order": 2**100, "losses": [0.1, None]}
IDENTITY = {"images": "a digest", "seed": 1, **environment(2)}


@pytest.fixture
def checkpoint(tmp_path):
    write_checkpoint(tmp_path / "checkpoint.safetensors", IDENTITY, ARRAYS, FACTS)
    return tmp_path / "checkpoint.safetensors"


def test_arrays_and_facts_return(checkpoint, capsys):
    arrays, facts = read_checkpoint(checkpoint, dict(IDENTITY))
    assert facts == FACTS
    assert arrays.keys() == ARRAYS.keys()
    for name, array in ARRAYS.items():
        np.testing.assert_array_equal(arrays[name], array, strict=True)
    assert capsys.readouterr().out == ""


def test_there_need_be_none(tmp_path, capsys):
    assert read_checkpoint(tmp_path / "none", IDENTITY) is None
    assert capsys.readouterr().out == ""


def test_that_of_another_training_is_refused_with_all_reasons(checkpoint, capsys):
    other = {**IDENTITY, "images": "another", "threads": 4, "recipe": {}}
    assert read_checkpoint(checkpoint, other) is None
    assert capsys.readouterr().out == (
        f"{checkpoint} belongs to a training with other images, threads (2, now 4), recipe:"
        " training starts anew.\n"
    )


def test_a_file_of_another_kind_is_refused(checkpoint, capsys):
    checkpoint.write_bytes(b"{}")
    assert read_checkpoint(checkpoint, IDENTITY) is None
    assert "cannot be read" in capsys.readouterr().out


def test_it_is_written_when_half_a_minute_is_over_and_no_sooner(monkeypatch):
    clock, saved = SimpleNamespace(now=1000.0, monotonic=lambda: clock.now), []
    monkeypatch.setattr("recap.core.checkpoint.time", clock)
    save_now_and_then = throttled(lambda: saved.append(clock.now))
    for clock.now in (1000.0, 1029.5, 1030.5, 1040.0, 1060.4, 1060.6, 1091.0):
        save_now_and_then()
    assert saved == [1030.5, 1060.6, 1091.0]
