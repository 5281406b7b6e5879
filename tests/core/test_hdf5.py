import errno
import multiprocessing
import subprocess
import sys

import h5py
import numpy as np
import pytest

from recap.core.errors import InputError
from recap.core.hdf5 import open_hdf5, read_attributes, read_table


@pytest.fixture
def table(tmp_path):
    """Return a file with a table `a` of 3 by 4 numbers."""
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["a"] = np.arange(12, dtype=np.float32).reshape(3, 4)
    return tmp_path / "a.h5"


def opening(path):
    """Return what is said of a file that cannot be opened."""
    with pytest.raises(InputError) as raised, open_hdf5(path):
        pass
    said = str(raised.value)
    assert str(path) in said and "delete" not in said and "0x" not in said
    return said


def test_a_file_that_is_not_there(tmp_path):
    assert "does not exist" in opening(tmp_path / "none.h5")
    (tmp_path / "link.h5").symlink_to("link.h5")
    assert "Too many levels of symbolic links" in opening(tmp_path / "link.h5")


def test_what_is_no_file(tmp_path):
    assert "Is a directory" in opening(tmp_path)


@pytest.mark.parametrize("content", [b"", b"not HDF5" * 100])
def test_another_kind_of_file(tmp_path, content):
    (tmp_path / "a.h5").write_bytes(content)
    assert "is not a whole HDF5 file (file signature not found)" in opening(tmp_path / "a.h5")


def test_a_file_that_is_cut(table):
    table.write_bytes(table.read_bytes()[:1500])
    assert "is not a whole HDF5 file (truncated file" in opening(table)


def test_a_file_that_another_program_writes(table):
    code = f"import h5py; f = h5py.File({str(table)!r}, 'r+'); print(flush=True); input()"
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as writer:
        writer.stdout.readline()
        said = opening(table)
        writer.communicate(b"\n")
    assert "open in another program that writes it" in said
    with open_hdf5(table) as file:
        assert file["a"].shape == (3, 4)


@pytest.mark.parametrize(
    ("number", "said"),
    [
        (errno.EACCES, "cannot be read (Permission denied)"),
        (errno.ENOLCK, "without locks (No locks available): set .*HDF5_USE_FILE_LOCKING=FALSE"),
        (errno.EOPNOTSUPP, "without locks .*HDF5_USE_FILE_LOCKING=FALSE"),
    ],
)
def test_reasons_of_the_system(table, monkeypatch, number, said):
    lock = "unable to lock file, " if number != errno.EACCES else "unable to open file: "

    def fail(*_):
        raise OSError(number, f"Unable to synchronously open file ({lock}errno = {number})")

    monkeypatch.setattr(h5py, "File", fail)
    with (
        pytest.raises(InputError, match=said.replace("(", r"\(").replace(")", r"\)")),
        open_hdf5(table),
    ):
        pass


def test_damage_that_shows_as_the_file_is_read(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("a", data=np.zeros((50, 50)), chunks=(5, 50), compression="gzip")
    data = bytearray((tmp_path / "a.h5").read_bytes())
    found = data.rfind(b"\x78\x5e")
    data[found : found + 16] = bytes(16)
    (tmp_path / "a.h5").write_bytes(data)
    with (
        pytest.raises(InputError, match=r"a\.h5 is damaged .*make it again"),
        open_hdf5(tmp_path / "a.h5") as file,
    ):
        file["a"][:]


def test_attributes_that_are_damaged(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w", libver=("v108", "v108")) as file:
        file.attrs.update(first="a name", second=1.5)
    data = (tmp_path / "a.h5").read_bytes()
    said = []
    for place in range(data.find(b"second"), data.find(b"second") + 40):
        (tmp_path / "a.h5").write_bytes(data[:place] + b"\x0f" + data[place + 1 :])
        try:
            with open_hdf5(tmp_path / "a.h5") as file:
                read_attributes(file)
        except InputError as error:
            said.append(str(error))
    assert any("is damaged" in one for one in said)


def read_damaged(path, damages, tell):
    for place, change in damages:
        data = path.read_bytes()
        damaged = path.with_name("damaged.h5")
        damaged.write_bytes(data[:place] + change + data[place + len(change) :])
        try:
            with open_hdf5(damaged) as file:
                tell.send(str(read_attributes(file)))
        except InputError as error:
            tell.send(str(error))
    tell.close()


def assert_refused(path, damages, reason):
    """Read in a process of its own: HDF5 may crash, and only a kill ends its search."""
    told, tell = multiprocessing.Pipe(duplex=False)
    reader = multiprocessing.get_context("fork").Process(
        target=read_damaged, args=(path, damages, tell)
    )
    reader.start()
    tell.close()
    try:
        for damage in damages:
            assert told.poll(20), damage
            assert f"damaged.h5 is damaged ({reason}): make it again." in told.recv()
    finally:
        reader.kill()
        reader.join()


def test_a_heap_of_texts_that_is_damaged_does_not_hang(tmp_path):
    """HDF5 goes from text to text by their sizes, and never ends where one is zero."""
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.attrs.update(first="a name", second="another")
    heap = (tmp_path / "a.h5").read_bytes().find(b"GCOL")
    sizes = [heap + 24, heap + 48, heap + 72]  # of the texts, and of what is free behind them
    changes = [bytes(8), b"\xff" * 8, (2**64 - 16).to_bytes(8, "little"), b"\x13\0"]
    damages = [(place, change) for place in sizes for change in changes]
    assert_refused(tmp_path / "a.h5", [*damages, (heap + 64, b"\1\0")], "a heap of its texts")


def test_a_text_that_became_a_list_does_not_crash(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.attrs["first"] = "a name"
    # Class and version, the kind of variable length, padding and encoding.
    text = (tmp_path / "a.h5").read_bytes().find(b"\x19\x01\x01\x00")
    assert text > 0
    damages = [(text + 1, kind) for kind in (b"\0", b"\5")]
    assert_refused(tmp_path / "a.h5", damages, "an attribute's type")


@pytest.mark.parametrize(
    ("found", "shift", "change", "said"),
    [
        (b"second", 0, b"\xff\xfe", "is damaged (an attribute's name)"),
        (b"\x89HDF", 48, b"\x7f" * 8, "is damaged (place "),
    ],
)
def test_names_and_places_that_none_can_have(tmp_path, found, shift, change, said):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.attrs.update(first="a name", second=1.5)
    data = (tmp_path / "a.h5").read_bytes()
    place = data.find(found) + shift
    (tmp_path / "a.h5").write_bytes(data[:place] + change + data[place + len(change) :])
    with pytest.raises(InputError) as raised, open_hdf5(tmp_path / "a.h5") as file:
        read_attributes(file)
    assert said in str(raised.value)


def test_attributes(tmp_path):
    """They are as they were written, in heaps of several sizes, of the file and of a table."""
    rows = np.arange(20_000)
    written = {
        "empty": "",
        "long": "ü" * 9000,
        "number": 7,
        **{f"a{n}": "x" * n for n in range(400)},
    }
    for version in ("v108", "earliest"):
        with h5py.File(tmp_path / "a.h5", "w", libver=(version, "v108")) as file:
            file["a"] = np.zeros(3)
            file.attrs.update(written)
            if version == "v108":
                file["a"].attrs["rows"] = rows
        with open_hdf5(tmp_path / "a.h5") as file:
            assert read_attributes(file) == written
            if version == "v108":
                np.testing.assert_array_equal(read_attributes(file["a"])["rows"], rows)


def test_numbers_that_numpy_does_not_have(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["a"] = np.zeros(3)
    data = (tmp_path / "a.h5").read_bytes()
    # How HDF5 describes float64: places of the parts, then the exponent's bias.
    places, bias = bytes([0, 0, 64, 0, 52, 11, 0, 52]), bytes([255, 3, 0, 0])
    assert places + bias in data
    (tmp_path / "a.h5").write_bytes(data.replace(places + bias, places + bytes([255, 3, 0, 64])))
    with (
        pytest.raises(InputError, match=r"a\.h5 is damaged"),
        open_hdf5(tmp_path / "a.h5") as file,
    ):
        read_table(file, "a", 1, "f")


def test_other_errors_pass(table):
    with pytest.raises(OSError, match="No space"), open_hdf5(table):
        raise OSError(errno.ENOSPC, "No space left on device")
    with pytest.raises(RuntimeError, match="of its own"), open_hdf5(table):
        raise RuntimeError("of its own")


def test_tables(table):
    with h5py.File(table, "r+") as file:
        file["group/b"] = 1
        file["loop"] = h5py.SoftLink("/loop")
        file["lost"] = h5py.ExternalLink("none.h5", "/a")
    with open_hdf5(table) as file:
        assert read_table(file, "a", 2, "f").shape == (3, 4)
        for name in ("group", "b", "loop", "lost"):
            with pytest.raises(InputError, match=f"`{name}`.*: (check the path|make .*)\\.$"):
                read_table(file, name, 2, "f")
        for dimensions, kind in ((1, "f"), (2, "i")):
            with pytest.raises(
                InputError, match=r"has 2 dimensions of float32, .*: check the path\.$"
            ):
                read_table(file, "a", dimensions, kind)
