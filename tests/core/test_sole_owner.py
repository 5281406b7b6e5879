"""Processes that make one file, on one host or on several: one waits for the other."""

import io
import json
import multiprocessing
import os
import signal
import socket
import sys
import threading
import time
import zipfile
from pathlib import Path

import pytest
from downloads import CONTENT, fetch, remote
from PIL import Image

from recap.captioners.recipe import Recipe
from recap.core import sole_owner as module
from recap.core.errors import InputError
from recap.core.sole_owner import sole_owner
from recap.features.extract import extract_features
from recap.features.extractor import FeatureExtractor
from recap.training.train import CHECKPOINT, train_captioner

FORK = multiprocessing.get_context("fork")
ROUNDS = 5


@pytest.fixture
def quick(monkeypatch):
    """Let an owner be dead after two seconds without a sign of life."""
    monkeypatch.setattr(module, "HEARTBEAT_SECONDS", 0.1)
    monkeypatch.setattr(module, "SILENT_SECONDS", 2)
    monkeypatch.setattr(module, "POLL_SECONDS", 0.02)


def call_the_host(name):
    """Let this process seem to run on another host."""
    socket.gethostname = lambda: name


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def begin_in_process(function, *words):
    """Start a process, and return it with what it tells once it has begun."""
    told, tell = FORK.Pipe()
    process = FORK.Process(target=function, args=(*words, tell))
    process.start()
    return process, told.recv()


def own_with_a_child(path, tell):
    with sole_owner(path):
        if not (child := os.fork()):
            time.sleep(60)
        tell.send(child)
        time.sleep(60)


def test_a_killed_owner_is_waited_for_no_longer_though_its_child_lives(tmp_path):
    owner, child = begin_in_process(own_with_a_child, tmp_path / "rows.part")
    owner.kill()
    owner.join()
    with sole_owner(tmp_path / "rows.part"):
        os.kill(child, signal.SIGKILL)
    assert names(tmp_path) == []


def own_on(host, path, tell):
    call_the_host(host)
    with sole_owner(path):
        tell.send(True)
        time.sleep(60)


def test_an_owner_that_lives_on_another_host_is_waited_for(tmp_path, quick, capfd):
    path = tmp_path / "rows.part"
    owner, _ = begin_in_process(own_on, "n1.cluster", path)
    waiter = threading.Thread(target=lambda: sole_owner(path).__enter__(), daemon=True)
    waiter.start()
    waiter.join(4)
    assert waiter.is_alive()
    said = f"Another process ({owner.pid} on host n1.cluster) is making {path}: waiting until it"
    assert said in capfd.readouterr().out
    owner.kill()
    owner.join()
    waiter.join(60)
    assert not waiter.is_alive()


def test_the_job_of_the_owner_is_told(tmp_path, monkeypatch, capfd):
    monkeypatch.setenv("SLURM_JOB_ID", "71")
    owner, _ = begin_in_process(own_on, "n1", tmp_path / "rows")
    waiter = threading.Thread(target=lambda: sole_owner(tmp_path / "rows").__enter__(), daemon=True)
    waiter.start()
    waiter.join(0.5)
    owner.kill()
    assert f"({owner.pid} on host n1, job 71)" in capfd.readouterr().out


def follow(host, path):
    call_the_host(host)
    with sole_owner(path):
        # Fails where another has it.
        taken = path.with_name("taken")
        taken.touch(exist_ok=False)
        time.sleep(0.05)
        taken.unlink()


@pytest.mark.parametrize("hosts", [["n0"] * 4, ["n1", "n2", "n3", "n4"]], ids=["same", "others"])
def test_a_dead_owner_is_followed_by_one_at_a_time(tmp_path, quick, hosts):
    for _ in range(3):
        owner, _ = begin_in_process(own_on, "n0", tmp_path / "rows")
        owner.kill()
        owner.join()
        heirs = [FORK.Process(target=follow, args=(host, tmp_path / "rows")) for host in hosts]
        for heir in heirs:
            heir.start()
        for heir in heirs:
            heir.join()
        assert [heir.exitcode for heir in heirs] == [0] * 4
        assert names(tmp_path) == []


def test_who_comes_late_to_a_dead_owner_leaves_who_has_followed(tmp_path, monkeypatch):
    owner, _ = begin_in_process(own_on, socket.gethostname(), tmp_path / "rows")
    owner.kill()
    owner.join()
    lock = tmp_path / "rows.lock"
    late, other = module._Claim(lock), module._Claim(lock)
    write = late._write

    def write_late(file):
        # It knows by now that the owner is dead.
        assert file == lock or other.take()
        return write(file)

    monkeypatch.setattr(late, "_write", write_late)
    assert not late.take()
    assert lock.read_bytes() == other.record
    assert names(tmp_path) == ["rows.lock"]


def test_of_two_that_follow_one_waits_for_the_other(tmp_path):
    owner, _ = begin_in_process(own_on, socket.gethostname(), tmp_path / "rows")
    owner.kill()
    owner.join()
    lock = tmp_path / "rows.lock"
    record = lock.read_bytes()
    first, second = module._Claim(lock), module._Claim(lock)
    heir = tmp_path / f"rows.lock.{json.loads(record)['token']}"
    heir.write_bytes(first.record)
    assert not second.take()
    assert lock.read_bytes() == record
    assert heir.read_bytes() == first.record


def test_a_process_of_another_host_is_not_looked_for_here(tmp_path):
    ended = FORK.Process(target=os.getpid)
    ended.start()
    ended.join()
    lock = tmp_path / "rows.lock"
    lock.write_text(json.dumps({"host": "n1", "process": ended.pid, "token": "n1s"}))
    assert not module._Claim(lock).take()


def test_who_was_followed_and_ends_leaves_the_file_of_who_followed(tmp_path):
    lock = tmp_path / "rows.lock"
    with sole_owner(tmp_path / "rows"):
        lock.write_text("another's")
    assert lock.read_text() == "another's"


def test_a_dead_heir_is_followed_too(tmp_path, quick):
    """It died between the file that lets it follow and its following."""
    path = tmp_path / "rows"
    owner, _ = begin_in_process(own_on, "n1", path)
    owner.kill()
    owner.join()
    record = (tmp_path / "rows.lock").read_bytes()
    heir = tmp_path / f"rows.lock.{json.loads(record)['token']}"
    heir.write_bytes(json.dumps(json.loads(record) | {"token": "heirs"}).encode())
    with sole_owner(path):
        assert names(tmp_path) == ["rows.lock"]
    assert names(tmp_path) == []


@pytest.mark.parametrize("content", ["", '{"host": "n1", "pro'])
def test_a_file_that_tells_no_owner_holds_nobody_up_for_ever(tmp_path, quick, content):
    (tmp_path / "rows.lock").write_text(content)
    with sole_owner(tmp_path / "rows"):
        pass
    assert names(tmp_path) == []


def own_and_write(path, tell):
    sys.stderr = open(path.with_name("told"), "w")  # noqa: SIM115
    with sole_owner(path):
        path.touch()
        tell.send(True)
        while True:
            with open(path, "a") as file:
                file.write("first\n")
            time.sleep(0.01)


def test_a_suspended_owner_that_was_followed_ends_when_it_goes_on(tmp_path, quick):
    path = tmp_path / "rows"
    owner, _ = begin_in_process(own_and_write, path)
    os.kill(owner.pid, signal.SIGSTOP)
    with sole_owner(path):
        os.kill(owner.pid, signal.SIGCONT)
        owner.join(60)
        assert owner.exitcode == 1
        assert f"error: {path}.lock is no longer this process's" in (tmp_path / "told").read_text()
        assert (tmp_path / "rows.lock").exists()
        length = path.stat().st_size
        time.sleep(0.1)
        assert path.stat().st_size == length


def test_an_owner_that_was_suspended_for_a_while_goes_on(tmp_path, quick):
    owner, _ = begin_in_process(own_and_write, tmp_path / "rows")
    os.kill(owner.pid, signal.SIGSTOP)
    time.sleep(2.5)
    os.kill(owner.pid, signal.SIGCONT)
    time.sleep(0.5)
    assert owner.is_alive()
    owner.kill()


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
    assert names(tmp_path) == []


def test_a_folder_that_may_not_be_written_to_is_told(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "access", lambda *words: False)  # Root may write anywhere.
    with pytest.raises(InputError, match="may not be written to"), sole_owner(tmp_path / "rows"):
        pass


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
        for number in range(16):
            archive.writestr(f"{number}.png", buffer.getvalue())
    images = [{"id": number, "file_name": f"{number}.png"} for number in range(16)]
    record = {"images": images, "annotations": []}
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
        assert f" is making {owned}: " in said
        assert names(owned.parent) == [f"{owned.name}.lock", f"{owned.name}.next.lock"]
    thread.join()
    made = {path.name for path in owned.parent.iterdir()}
    assert made >= ({"model.safetensors", "config.json"} if work == "training" else {"made"})
    assert not [name for name in made if name.endswith((".lock", ".part"))]


def test_rows_that_were_computed_while_another_waited_are_not_computed_again(
    begin, monkeypatch, capfd
):
    make, output = begin["extraction"]
    launch = FeatureExtractor.launch

    def begin_and_wait(tell):
        def launch_later(*words):
            tell.send(True)
            tell.recv()
            return launch(*words)

        monkeypatch.setattr(FeatureExtractor, "launch", launch_later)
        make()

    told, tell = FORK.Pipe()
    first = FORK.Process(target=begin_and_wait, args=(tell,))
    first.start()
    assert told.recv()
    monkeypatch.delattr(FeatureExtractor, "launch")
    second = threading.Thread(target=make)
    second.start()
    while "waiting until it ends" not in capfd.readouterr().out:
        assert second.is_alive()
        time.sleep(0.01)
    told.send(True)
    first.join()
    assert first.exitcode == 0
    second.join()
    assert names(output.parent) == [output.name]


def test_a_download_that_came_while_another_waited_is_not_made_again(begin, server, capfd):
    make, output = begin["download"]
    with sole_owner(output):
        waiter = threading.Thread(target=make)
        waiter.start()
        while "waiting until it ends" not in capfd.readouterr().out:
            assert waiter.is_alive()
            time.sleep(0.01)
        output.write_bytes(CONTENT)
    waiter.join()
    assert output.read_bytes() == CONTENT
    assert server.requests == []
