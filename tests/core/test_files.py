import errno
import hashlib
import os
import socket
import stat
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from recap.core.errors import InputError
from recap.core.files import (
    atomic_path,
    check_different,
    check_output,
    check_output_folder,
    file_hash,
)
from recap.core.json_files import read_json, write_json


def names(folder):
    return [path.name for path in folder.iterdir()]


def test_the_file_appears_when_the_block_ends(tmp_path):
    path = tmp_path / "deep" / "folder" / "out.h5"
    with atomic_path(path) as scratch:
        scratch.write_text("new")
        assert not path.exists()
        assert scratch.parent == path.parent
        assert scratch.name.startswith(".")
    assert path.read_text() == "new"
    assert names(path.parent) == ["out.h5"]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_a_failed_block_leaves_what_was_there(tmp_path, error):
    path = tmp_path / "out.txt"
    path.write_text("old")
    with pytest.raises(error), atomic_path(path) as scratch:
        scratch.write_text("half")
        raise error
    assert path.read_text() == "old"
    assert names(tmp_path) == ["out.txt"]


def test_a_block_that_fails_before_it_writes(tmp_path):
    with pytest.raises(ValueError), atomic_path(tmp_path / "out.txt"):
        raise ValueError
    assert names(tmp_path) == []


def test_outputs_that_differ_in_their_suffix_alone_have_scratch_files_of_their_own(tmp_path):
    with atomic_path(tmp_path / "a.txt") as one, atomic_path(tmp_path / "a.csv") as other:
        assert one != other
        one.write_text("1")
        other.write_text("2")
    assert (tmp_path / "a.txt").read_text() + (tmp_path / "a.csv").read_text() == "12"


# The digests of "abc" from FIPS 180 and RFC 1321.
@pytest.mark.parametrize(
    ("algorithm", "digest"),
    [
        ("sha256", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
        ("md5", "900150983cd24fb0d6963f7d28e17f72"),
    ],
)
def test_digests(tmp_path, algorithm, digest):
    (tmp_path / "abc").write_bytes(b"abc")
    assert file_hash(tmp_path / "abc", algorithm) == digest


def test_digest_of_a_file_longer_than_any_buffer(tmp_path):
    content = bytes(range(256)) * 20_000
    (tmp_path / "long").write_bytes(content)
    assert file_hash(tmp_path / "long") == hashlib.sha256(content).hexdigest()


def test_what_a_killed_process_left_is_removed_and_what_runs_is_left_alone(tmp_path):
    path = tmp_path / "features[1].h5"
    process = subprocess.Popen(["true"])
    process.wait()
    with atomic_path(path) as scratch:
        scratch.write_text("whole")
    here = scratch.name.removesuffix(f"-{os.getpid()}")
    dead, running = (tmp_path / f"{here}-{number}" for number in (process.pid, os.getppid()))
    elsewhere = tmp_path / f".features[1].h5.recap-01234567-{process.pid}"
    for file in (dead, running, elsewhere):
        file.write_text("half")
    with atomic_path(path) as scratch:
        scratch.write_text("whole")
    assert sorted(tmp_path.iterdir()) == sorted([path, running, elsewhere])


@pytest.mark.parametrize("output", ["env", "scores.json"])
def test_a_users_hidden_files_stay(tmp_path, output):
    process = subprocess.Popen(["true"])
    process.wait()
    with atomic_path(tmp_path / "file") as scratch:
        here = scratch.name.removeprefix(".file.").removesuffix(f"-{os.getpid()}")
        scratch.touch()
    (tmp_path / "file").unlink()
    others = [
        ".env.local",
        f".env.{process.pid}",
        ".scores.backup.json",
        f".scores.{process.pid}.json",
        f".scores.json.{here}-{process.pid}.old",
        f".other.json.{here}-{process.pid}",
        f".scores.json.{here}-",
    ]
    for name in others:
        (tmp_path / name).write_text("mine")
    write_json(tmp_path / output, 1)
    assert sorted(names(tmp_path)) == sorted([*others, output])


# --- where outputs go ---------------------------------------------------------------------------


def make_pipe(path):
    os.mkfifo(path)


def make_device(path):
    """Make a node of our own with the numbers of the null device."""
    try:
        os.mknod(path, stat.S_IFCHR | 0o600, os.makedev(1, 3))
    except PermissionError:
        pytest.skip("only root makes devices")


def make_socket(path):
    with socket.socket(socket.AF_UNIX) as bound:
        bound.bind(str(path))


def make_loop(path):
    path.symlink_to(path)


@pytest.mark.parametrize("make", [make_pipe, make_device, make_socket, make_loop])
@pytest.mark.parametrize("linked", [False, True])
def test_what_is_no_regular_file_is_refused_and_stays(tmp_path, monkeypatch, make, linked):
    monkeypatch.chdir(tmp_path)  # The path of a socket must be short.
    path = Path("node")
    make(path)
    kind = os.lstat(path).st_mode
    output = path
    if linked:
        output = Path("link")
        output.symlink_to("node")
    with pytest.raises(InputError, match=f"output {output} is a device, a pipe or a link to"):
        write_json(output, 1)
    assert os.lstat(path).st_mode == kind
    assert output.is_symlink() == (linked or make is make_loop)
    assert sorted(names(tmp_path)) == sorted({"node", output.name})


def test_a_descriptor_of_what_has_no_path_is_refused(tmp_path):
    ours, theirs = os.pipe()
    with tempfile.TemporaryFile(dir=tmp_path) as nameless, os.fdopen(ours), os.fdopen(theirs, "w"):
        for number in (theirs, nameless.fileno()):
            output = Path(f"/dev/fd/{number}")
            with pytest.raises(InputError, match=f"output {output} is a device, a pipe or a link"):
                write_json(output, 1)
        assert names(tmp_path) == []


@pytest.mark.parametrize("exists", [False, True])
def test_the_target_of_a_link_is_written(tmp_path, exists):
    target, link = tmp_path / "elsewhere/target.json", tmp_path / "link.json"
    target.parent.mkdir()
    link.symlink_to("elsewhere/target.json")
    if exists:
        target.write_text("old")
    write_json(link, 1)
    assert str(link.readlink()) == "elsewhere/target.json"
    assert target.read_text() == "1"
    assert names(target.parent) == ["target.json"]


def test_one_file_for_two_outputs(tmp_path):
    one = tmp_path / "one"
    (tmp_path / "link").symlink_to("one")
    check_different(one, None, tmp_path / "two", None)
    for other in (one, tmp_path / "link", tmp_path / "none/../one"):
        with pytest.raises(InputError, match=r"^Of the outputs .*/two and .*, two are one file: "):
            check_different(one, tmp_path / "two", other)


def test_places_where_no_file_can_be(tmp_path):
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").touch()
    for output, reason in {
        "folder": "folder is a folder: name a file",
        "file/x.json": "lies in .*file, which is a file: name a folder",
        "file/deep/x.json": "lies in .*file, which is a file: name a folder",
        "x" * 260: "too long a name: shorten it",
        "x" * 250: "too long a name: shorten it",
        "new/" + "x" * 260 + "/x.json": "too long a name: shorten it",
        "/".join(["x" * 200] * 30): "too long a name: shorten it",
    }.items():
        with pytest.raises(InputError, match=reason):
            check_output(tmp_path / output)
        with pytest.raises(InputError, match=reason), atomic_path(tmp_path / output):
            raise AssertionError("the work began")
    for output, reason in {
        "file": "lies in .*file, which is a file: name a folder",
        "file/deep": "lies in .*file, which is a file: name a folder",
        "x" * 260: "too long a name: shorten it",
    }.items():
        with pytest.raises(InputError, match=reason):
            check_output_folder(tmp_path / output)
    assert sorted(names(tmp_path)) == ["file", "folder"]


def test_places_where_a_file_can_be(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for output in ("a.json", "new/deep/a.json", "é" * 100, "x" * 210, str(tmp_path / "b.json")):
        check_output(Path(output))
        check_output_folder(Path(output))
        write_json(Path(output), 1)
        write_json(Path(output), 2)
        assert read_json(Path(output)) == 2
    check_output_folder(tmp_path)


def test_a_folder_or_file_that_may_not_be_written_to():
    """As another user: nothing is forbidden to root, whose own temporary folders are closed."""
    code = (
        "import os, sys; from pathlib import Path; from recap.core.files import check_output;"
        "from recap.core.errors import InputError\n"
        "if os.geteuid() == 0: os.setuid(65534)\n"
        "try: check_output(Path(sys.argv[1]))\n"
        "except InputError as error: print(error)"
    )

    def check(path):
        return subprocess.check_output([sys.executable, "-c", code, str(path)], text=True)

    with tempfile.TemporaryDirectory(dir="/tmp") as name:
        folder = Path(name)
        folder.chmod(0o777)
        (folder / "locked").mkdir(mode=0o555)
        (folder / "a.json").touch(mode=0o444)
        assert "may not be written to: name another folder" in check(folder / "locked/new/a.json")
        assert "a.json is write-protected: name another file" in check(folder / "a.json")
        assert check(folder / "b.json") == ""


@pytest.mark.parametrize("mask", [0o022, 0o077, 0o002])
def test_permissions_are_those_that_open_gives(tmp_path, mask):
    before = os.umask(mask)
    try:
        (tmp_path / "opened").write_text("1")
        write_json(tmp_path / "new", 1)
    finally:
        os.umask(before)
    assert (tmp_path / "new").stat().st_mode == (tmp_path / "opened").stat().st_mode


@pytest.mark.parametrize("mode", [0o600, 0o666, 0o755])
def test_a_file_that_is_replaced_keeps_its_permissions(tmp_path, mode):
    path = tmp_path / "a.json"
    path.touch()
    path.chmod(mode)
    with atomic_path(path) as scratch:
        scratch.write_text("secret")
        assert stat.S_IMODE(scratch.stat().st_mode) == mode
    assert stat.S_IMODE(path.stat().st_mode) == mode


def test_a_file_that_is_replaced_keeps_its_owner(tmp_path):
    path = tmp_path / "a.json"
    path.touch()
    try:
        os.chown(path, 65534, 65534)
    except PermissionError:
        pytest.skip("only root gives files away")
    write_json(path, 1)
    assert (path.stat().st_uid, path.stat().st_gid) == (65534, 65534)


# --- the disk -----------------------------------------------------------------------------------


def test_a_file_is_on_the_disk_before_it_bears_its_name(tmp_path, monkeypatch):
    done = []
    sync, replace = os.fsync, os.replace

    def note_sync(descriptor):
        done.append(os.fstat(descriptor).st_ino)
        sync(descriptor)

    def note_replace(scratch, path):
        done.append("renamed")
        replace(scratch, path)

    monkeypatch.setattr(os, "fsync", note_sync)
    monkeypatch.setattr(os, "replace", note_replace)
    write_json(tmp_path / "a.json", 1)
    assert done == [(tmp_path / "a.json").stat().st_ino, "renamed", tmp_path.stat().st_ino]


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG])
def test_a_full_disk_is_told_with_the_file(tmp_path, number):
    path = tmp_path / "a.json"
    path.write_text("old")
    told = rf"a\.json could not be written \({os.strerror(number)}\): make room"
    with pytest.raises(InputError, match=told), atomic_path(path):
        raise OSError(number, os.strerror(number))
    assert path.read_text() == "old"
    assert names(tmp_path) == ["a.json"]


def test_a_disk_that_shows_to_be_full_only_when_it_is_synced(tmp_path, monkeypatch):
    def full(descriptor):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(InputError, match=r"a\.json could not be written"):
        write_json(tmp_path / "a.json", 1)
    assert names(tmp_path) == []


def test_other_trouble_is_not_taken_for_a_full_disk(tmp_path):
    with pytest.raises(FileNotFoundError), atomic_path(tmp_path / "a.json"):
        (tmp_path / "input").read_text()
