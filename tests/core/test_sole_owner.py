"""Two processes that make one file: one waits for the other."""

import io
import json
import multiprocessing
import os
import signal
import threading
import time
import zipfile
from pathlib import Path

import pytest
from downloads import CONTENT, fetch, remote
from PIL import Image

from recap.captioners.recipe import Recipe
from recap.core.sole_owner import sole_owner
from recap.features.extract import extract_features
from recap.training.train import CHECKPOINT, train_captioner

FORK = multiprocessing.get_context("fork")
ROUNDS = 5


def own_with_a_child(path, told):
    with sole_owner(path):
        if not (child := os.fork()):
            time.sleep(60)
        told.send(child)
        time.sleep(60)


def test_a_killed_owner_is_waited_for_no_longer_though_its_child_lives(tmp_path):
    told, tell = FORK.Pipe()
    owner = FORK.Process(target=own_with_a_child, args=(tmp_path / "rows.part", tell))
    owner.start()
    child = told.recv()
    owner.kill()
    owner.join()
    with sole_owner(tmp_path / "rows.part"):
        os.kill(child, signal.SIGKILL)
    assert list(tmp_path.iterdir()) == []


def take_turns(path):
    unlink = Path.unlink
    # Others have time to take a file that is let go before it is removed.
    Path.unlink = lambda *words, **options: (time.sleep(0.06), unlink(*words, **options))
    for _ in range(ROUNDS):
        with sole_owner(path):
            # Fails where another has it.
            taken = path.with_name("taken")
            taken.touch(exist_ok=False)
            taken.unlink()


def test_there_is_never_a_second_owner(tmp_path):
    processes = [FORK.Process(target=take_turns, args=(tmp_path / "rows",)) for _ in range(4)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0] * 4
    assert list(tmp_path.iterdir()) == []


def extract(folder, output, layer):
    extract_features(
        folder / "photos.zip",
        folder / "photos.json",
        output=output,
        backbone="squeezenet1_0",
        layer=layer,
        device="cpu",
        threads=1,
    )


@pytest.fixture
def begin(tmp_path, server, shapes_study):
    """Return a function that begins to make a file, and the file that its making owns."""
    buffer = io.BytesIO()
    Image.new("RGB", (30, 30), "red").save(buffer, "png")
    with zipfile.ZipFile(tmp_path / "photos.zip", "w") as archive:
        archive.writestr("1.png", buffer.getvalue())
    record = {"images": [{"id": 1, "file_name": "1.png"}], "annotations": []}
    (tmp_path / "photos.json").write_text(json.dumps(record))
    output = tmp_path / "out" / "made"
    course = shapes_study / "results/shapes/coco_captioning"

    def train():
        train_captioner(
            course / "train2014_vgg16_fc7_pca.h5",
            course / "coco2014_captions.h5",
            course / "coco2014_vocab.json",
            output=output,
            recipe=Recipe(wordvec_dim=4, hidden_dim=4, epochs=1),
            threads=1,
        )

    return {
        "extraction": (lambda: extract(tmp_path, output, "conv1"), output),
        "training": (train, output / CHECKPOINT),
        "download": (lambda: fetch(remote(server, size=len(CONTENT)), output), output),
    }


@pytest.mark.parametrize("work", ["extraction", "training", "download"])
def test_what_goes_on_after_a_kill_has_one_owner(begin, tmp_path, capsys, work):
    make, owned = begin[work]
    thread = threading.Thread(target=make)
    said = ""
    with sole_owner(owned):
        thread.start()
        while "waiting until it ends" not in said:
            assert thread.is_alive(), said
            said += capsys.readouterr().out
            time.sleep(0.01)
        assert f"Another process is making {owned}: " in said
        assert [path.name for path in owned.parent.iterdir()] == [f"{owned.name}.lock"]
    thread.join()
    made = {path.name for path in owned.parent.iterdir()}
    assert made >= ({"model.safetensors", "config.json"} if work == "training" else {"made"})
    assert not [name for name in made if name.endswith((".lock", ".part"))]
