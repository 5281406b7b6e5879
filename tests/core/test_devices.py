import multiprocessing
import tempfile
import time

import pytest
import torch

from recap.core.devices import (
    _take_gpu,
    choose_device,
    choose_precision,
    has_amx,
    use_threads,
)
from recap.core.errors import InputError


def set_available(monkeypatch, cuda=False, mps=False):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: mps)


@pytest.mark.parametrize(
    ("available", "chosen"),
    [({}, "cpu"), ({"mps": True}, "mps"), ({"cuda": True, "mps": True}, "cuda")],
)
def test_auto_takes_the_fastest_device_that_is_there(monkeypatch, available, chosen):
    set_available(monkeypatch, **available)
    assert choose_device("auto").type == chosen
    assert choose_device("cpu").type == "cpu"


@pytest.mark.parametrize("device", ["cuda", "mps"])
def test_a_device_that_is_not_there(monkeypatch, device):
    set_available(monkeypatch)
    with pytest.raises(InputError, match=f"no {device} device .*set `device` to auto"):
        choose_device(device)


@pytest.mark.parametrize(
    ("capabilities", "precision"),
    [
        ({}, torch.float32),
        ({"avx512_f": True, "amx_bf16": False}, torch.float32),
        ({"avx512_bf16": True}, torch.bfloat16),
        ({"amx_bf16": True}, torch.bfloat16),
    ],
)
def test_bfloat16_where_the_processor_has_instructions_for_it(monkeypatch, capabilities, precision):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: capabilities)
    assert choose_precision(torch.device("cpu")) == precision


def test_tiles_are_the_processors(monkeypatch):
    for there in (True, False):
        monkeypatch.setattr(torch.cpu, "get_capabilities", lambda there=there: {"amx_bf16": there})
        assert has_amx(torch.device("cpu")) == there
        assert not has_amx(torch.device("cuda"))


@pytest.fixture
def threads():
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


@pytest.mark.usefixtures("threads")
def test_no_more_threads_than_given_or_there(monkeypatch):
    monkeypatch.setattr("recap.core.threads.cpu_count", lambda: 4)
    assert [use_threads(count) for count in (None, 1, 3, 4, 64)] == [4, 1, 3, 4, 4]
    use_threads(3)
    assert torch.get_num_threads() == 3


# --- several GPUs -------------------------------------------------------------------------------


class FakeGPU:
    def __init__(self, number):
        self.uuid = f"GPU-{number}"


def take(folder, found):
    """Take a GPU of two, in a process of its own, and hold it until the process is killed."""
    _take_gpu.cache_clear()
    tempfile.tempdir = str(folder)
    torch.cuda.device_count = lambda: 2
    torch.cuda.get_device_properties = FakeGPU
    found.put((_take_gpu(), _take_gpu()))
    time.sleep(120)


def test_processes_take_different_gpus(tmp_path):
    context = multiprocessing.get_context("fork")
    found = context.SimpleQueue()

    def start():
        process = context.Process(target=take, args=(tmp_path, found))
        process.start()
        return process, found.get()

    first, one = start()
    second, two = start()
    third, none = start()
    # The same process keeps its own; where all are taken, the first is shared.
    assert (one, two, none) == ((0, 0), (1, 1), (0, 0))
    second.kill()
    second.join()
    fourth, again = start()
    assert again == (1, 1)
    for process in (first, third, fourth):
        process.kill()
        process.join()
