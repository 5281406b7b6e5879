import hashlib
import os
import subprocess

import pytest

from recap.files import atomic_path, file_hash


def names(folder):
    return [path.name for path in folder.iterdir()]


def test_the_file_appears_when_the_block_ends(tmp_path):
    path = tmp_path / "deep" / "folder" / "out.h5"
    with atomic_path(path) as scratch:
        scratch.write_text("new")
        assert not path.exists()
        assert scratch.parent == path.parent
        assert scratch.suffix == ".h5"
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
    path = tmp_path / "features.h5"
    process = subprocess.Popen(["true"])
    process.wait()
    dead = tmp_path / f".features.{process.pid}.h5"
    running = tmp_path / f".features.{os.getppid()}.h5"
    for file in (dead, running):
        file.write_text("half")
    with atomic_path(path) as scratch:
        scratch.write_text("whole")
    assert sorted(tmp_path.iterdir()) == sorted([path, running])
