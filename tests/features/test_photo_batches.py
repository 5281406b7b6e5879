import hashlib
import io
import os
import shutil
import signal
import subprocess
import sys
import zipfile
from collections import namedtuple

import numpy as np
import pytest
import torch
from PIL import Image
from torch.multiprocessing.reductions import shared_cache

from recap.backbones.preprocessing import Preprocessing
from recap.features import photo_batches as module
from recap.features.photo_batches import UNIT, read_units

COUNT = 2 * UNIT + 3
PREPROCESSING = Preprocessing(resize=8, crop=8)


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    """Return an archive of photos of one colour each, with one that is broken."""
    path = tmp_path_factory.mktemp("photos") / "photos.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for number in range(COUNT):
            buffer = io.BytesIO()
            Image.new("RGB", (20, 10), (number, 0, 200)).save(buffer, "png")
            archive.writestr(f"{number}.png", b"" if number == UNIT + 1 else buffer.getvalue())
    return path


def units(photos, processes, count=COUNT):
    names = [f"{number}.png" for number in range(count)]
    device = torch.device("cpu")
    return list(read_units([photos], names, PREPROCESSING, device, processes))


@pytest.mark.parametrize("processes", [0, 1, 3])
def test_photos_are_in_order_and_filled_up_with_zeros(photos, processes):
    found = units(photos, processes)
    assert len(found) == 3
    pixels = np.concatenate([unit.numpy() for unit, _, _ in found])
    assert pixels.shape == (3 * UNIT, 8, 8, 3)
    assert pixels.dtype == np.uint8
    expected = np.arange(COUNT)
    expected[UNIT + 1] = 0
    assert (pixels[:COUNT, ..., 0] == expected[:, None, None]).all()
    assert not pixels[COUNT:].any()
    assert [list(broken) for _, broken, _ in found] == [[], [1], []]
    assert f"{UNIT + 1}.png in" in found[1][1][1]
    read = np.concatenate([read for _, _, read in found])
    with zipfile.ZipFile(photos) as archive:
        content = [archive.read(f"{number}.png") for number in range(COUNT)]
    for photo, data in zip(read, content, strict=False):
        assert photo["sha256"].tobytes() == hashlib.sha256(data).digest()
    assert read["bytes"].tolist() == [*map(len, content), *[0] * (3 * UNIT - COUNT)]


def test_what_is_done_with_is_forgotten(photos):
    """Else PyTorch's notes of it make the memory of an extraction grow by megabytes a batch."""
    names = [f"{number % COUNT}.png" for number in range(20 * UNIT)]
    noted = [
        len(shared_cache)
        for _ in read_units([photos], names, PREPROCESSING, torch.device("cpu"), 2)
    ]
    assert len(noted) == 20
    assert noted[-1] <= noted[0] + 3


def test_small_shared_memory_takes_fewer_processes(photos, tmp_path, monkeypatch):
    used = []

    class Loader(module.DataLoader):
        def __init__(self, *arguments, **options):
            used.append(options["num_workers"])
            super().__init__(*arguments, **options)

    monkeypatch.setattr(module, "DataLoader", Loader)
    monkeypatch.setattr(module, "SHARED_MEMORY", tmp_path)
    unit_bytes = UNIT * 8 * 8 * 3
    for free, processes in ((10**9, 2), (7 * unit_bytes, 2), (5 * unit_bytes, 1), (0, 0)):
        usage = namedtuple("usage", ["free"])(free)
        monkeypatch.setattr(shutil, "disk_usage", lambda _, usage=usage: usage)
        assert len(units(photos, 2)) == 3
        assert used[-1] == processes


def test_no_photos(photos):
    assert units(photos, 2, count=0) == []


def test_a_folder_for_temporary_files_with_a_long_path(photos, tmp_path):
    """PyTorch's processes hand photos over through sockets in it, whose names are limited."""
    code = (
        "import sys; from pathlib import Path; import torch;"
        "from recap.backbones.preprocessing import Preprocessing;"
        "from recap.features.photo_batches import read_units;"
        "options = Preprocessing(resize=8, crop=8), torch.device('cpu'), 1\n"
        "print(len(list(read_units([Path(sys.argv[1])], ['0.png'] * 40, *options))))"
    )
    folder = tmp_path / ("x" * 100)
    folder.mkdir()
    done = subprocess.run(
        [sys.executable, "-c", code, str(photos)],
        env={**os.environ, "TMPDIR": str(folder)},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert (done.returncode, done.stdout) == (0, "3\n")


@pytest.mark.parametrize("moment", ["starting", "decoding"])
def test_ctrl_c_while_photos_are_decoded(photos, moment):
    """Every process of the terminal gets it; only the first one has anything to say."""
    code = (
        # What runs in a shell's background ignores Ctrl-C.
        "import signal; signal.signal(signal.SIGINT, signal.default_int_handler);"
        "import os, sys, time; from pathlib import Path; import torch; from PIL import Image;"
        "from recap import cli; from recap.backbones.preprocessing import Preprocessing;"
        "from recap.features import photo_batches\n"
        "def tell(what):\n"
        "    print(what * (what == sys.argv[2]), flush=True)\n"
        "    time.sleep(0.1)\n"
        "os.register_at_fork(after_in_child=lambda: tell('starting'))\n"
        "photo = Image.new('RGB', (8, 8))\n"
        "photo_batches.decode_image = lambda *_: tell('decoding') or photo\n"
        "options = Preprocessing(resize=8, crop=8), torch.device('cpu'), 2\n"
        "def read():\n"
        "    list(photo_batches.read_units([Path(sys.argv[1])], ['0.png'] * 40, *options))\n"
        "cli.run_command = read\n"
        "cli.main()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, str(photos), moment],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        assert f"{moment}\n" in iter(process.stdout.readline, "")
        os.killpg(process.pid, signal.SIGINT)
        _, errors = process.communicate(timeout=120)
    assert (process.returncode, errors) == (128 + signal.SIGINT, "")
