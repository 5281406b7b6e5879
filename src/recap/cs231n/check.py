"""Check a student's own files of the course, each function in a process of its own."""

import importlib
import multiprocessing
import os
import resource
import sys
import traceback
from multiprocessing.connection import Connection
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from recap.core.checks import require
from recap.core.errors import InputError
from recap.core.workers import hold_ctrl_c
from recap.cs231n.check_parts import PARTS, takes_tensors
from recap.cs231n.check_student import Student, WrongError

TOLERANCE = 1e-5  # largest relative error of what is right
MEMORY = 4 << 30  # bytes that a function may ask for
LONGEST_REASON = 200  # characters

RIGHT, WRONG, MISSING = "right", "wrong", "not implemented"
CRASHED, TIMED_OUT, UNCHECKED = "crashed", "timed out", "not checked"
NOT_THIS_YEAR = "not of this year"


def check(folder: Path, *, seconds: float = 20) -> None:
    """Check a student's own files of the course.

    Prints a line a function: whether it is right, and the largest relative error of each output or
    gradient. Values are held against recap's on the arrays of the course's notebooks and on random
    ones, backward passes against the gradients that the student's own forward pass has by central
    differences. What is right is not shown.

    Each function runs in a process of its own, whose prints go nowhere. That is no sandbox: it may
    do what you may.

    Parameters
    ----------
    folder : Path
        The assignment's folder, or `cs231n` in it: `rnn_layers.py`, `classifiers/rnn.py`,
        `layers.py` and `optim.py` are checked if they are there, and `rnn_layers_pytorch.py`,
        `classifiers/rnn_pytorch.py`, `transformer_layers.py` and `classifiers/transformer.py` of
        later years.
    seconds : float
        How long each function may take.

    Raises
    ------
    InputError
        If there is no such file, or a function is not right.
    """
    require(seconds > 0, "seconds", "more than 0", seconds)
    package = folder / "cs231n" if (folder / "cs231n").is_dir() else folder
    files = [file for file in PARTS if (package / file).is_file()]
    if not files:
        raise InputError(
            f"{folder} has none of {', '.join(PARTS)}: give the assignment's folder, or the folder"
            " cs231n in it."
        )
    if any(map(takes_tensors, files)):
        # The processes that start now have it already.
        importlib.import_module("torch")
    tally: list[str] = []
    statuses: dict[str, str] = {}
    for file in files:
        print(file)
        status, reason = _judge_apart(package, file, None, seconds)
        if status != RIGHT:
            tally.append(status)
            _print_line("the file", status, reason)
            continue
        for name, function in PARTS[file].items():
            if statuses.get(function.forward) in (MISSING, CRASHED, TIMED_OUT):
                status, reason = UNCHECKED, ""
            else:
                status, reason = _judge_apart(package, file, name, seconds)
            if status == NOT_THIS_YEAR:
                continue
            statuses[name] = status
            tally.append(status)
            broken = [need for need in function.needs if statuses.get(need, RIGHT) != RIGHT]
            if broken and status != RIGHT:
                reason = "; ".join(filter(None, [reason, f"first mend {broken[0]}"]))
            _print_line(name, status, reason)
    right = tally.count(RIGHT)
    print(
        f"{right} of {len(tally)} right; the numbers are largest relative errors, of which"
        f" {TOLERANCE} is allowed."
    )
    if right < len(tally):
        raise InputError(f"{len(tally) - right} of {folder} not right: see the lines above.")


def _print_line(name: str, status: str, reason: str) -> None:
    print(f"  {name:27}  {status:15}  {reason}".rstrip(), flush=True)


def _judge_apart(package: Path, file: str, name: str | None, seconds: float) -> tuple[str, str]:
    """Return what becomes of a function, or of the import of its file, in a process of its own."""
    receiver, sender = multiprocessing.Pipe(duplex=False)
    process = multiprocessing.Process(
        target=_send_judgement, args=(sender, package.resolve(), file, name), daemon=True
    )
    with hold_ctrl_c():
        process.start()
    sender.close()
    try:
        if not receiver.poll(seconds):
            return TIMED_OUT, f"it had not ended after {seconds:g} seconds"
        return receiver.recv()
    except (EOFError, OSError):
        process.join()
        return CRASHED, f"it ended its process, with exit status {process.exitcode}"
    finally:
        receiver.close()
        process.kill()
        process.join()


def _send_judgement(sender: Connection, package: Path, file: str, name: str | None) -> None:
    with Path(os.devnull).open("r+") as nowhere:
        for stream in range(3):
            os.dup2(nowhere.fileno(), stream)
        # In a notebook, and in tests, these are no files.
        sys.stdin = sys.stdout = sys.stderr = nowhere
        _limit_memory()
        if takes_tensors(file):
            # PyTorch's other threads, if there were any, are not in a forked process.
            importlib.import_module("torch").set_num_threads(1)
        # The notebooks run there.
        os.chdir(package.parent)
        try:
            judgement = _judge(package, file, name)
        except NotImplementedError:
            judgement = MISSING, ""
        except WrongError as error:
            judgement = WRONG, str(error)
        # Of a student's code anything can come, SystemExit too.
        except BaseException as error:
            judgement = CRASHED, _reason_of(error, package)
        sender.send(judgement)


def _limit_memory() -> None:
    """Refuse this process more memory than `MEMORY` beyond what it has, where the system can."""
    if sys.platform == "linux":
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
        _, most = resource.getrlimit(resource.RLIMIT_AS)
        wanted = pages * resource.getpagesize() + MEMORY
        resource.setrlimit(resource.RLIMIT_AS, (wanted if most < 0 else min(wanted, most), most))


def _judge(package: Path, file: str, name: str | None) -> tuple[str, str]:
    """Return a function's status and errors; of no function, that the file can be imported."""
    student = Student(_import(package, file), tensors=takes_tensors(file))
    if name is None:
        return RIGHT, ""
    function = PARTS[file][name]
    if not function.of_every_year and not hasattr(student.module, name):
        return NOT_THIS_YEAR, ""
    errors: dict[str, float] = {}
    for output, value, wanted in function.check(student):
        errors[output] = max(errors.get(output, 0), _relative_error(output, value, wanted))
    wrong = {output: error for output, error in errors.items() if error > TOLERANCE}
    right = {output: error for output, error in errors.items() if output not in wrong}
    told = [
        title + ", ".join(f"{output} {error:.1e}" for output, error in group.items())
        for title, group in (("", wrong), ("right: " if wrong else "", right))
        if group
    ]
    if student.changed:
        told.append(f"it changes its input {', '.join(student.changed)}")
    return WRONG if wrong else RIGHT, "; ".join(told)


def _import(package: Path, file: str) -> ModuleType:
    """Import a student's file as a module of `cs231n`, whatever its folder's name."""
    sys.dont_write_bytecode = True
    sys.path.insert(0, str(package.parent))
    for name in list(sys.modules):
        if name.partition(".")[0] == "cs231n":
            del sys.modules[name]
    cs231n = ModuleType("cs231n")
    cs231n.__path__ = [str(package)]
    sys.modules["cs231n"] = cs231n
    return importlib.import_module("cs231n." + file.removesuffix(".py").replace("/", "."))


def _relative_error(output: str, value: Any, wanted: np.ndarray | float) -> float:
    """Return the largest relative error as the course defines it; of NaN it is infinite."""
    if value is None:
        raise WrongError(f"{output} is None")
    try:
        value = np.asarray(value, dtype=float)
    except (TypeError, ValueError):
        raise WrongError(f"{output} is no array of numbers") from None
    if value.shape != np.shape(wanted):
        raise WrongError(f"{output} has the shape {value.shape}, not {np.shape(wanted)}")
    errors = np.abs(value - wanted) / np.maximum(1e-8, np.abs(value) + np.abs(wanted))
    return float(np.nan_to_num(errors, nan=np.inf).max())


def _reason_of(error: BaseException, package: Path) -> str:
    """Return an error's words, after the last line of the student's code that it came through."""
    frames = [(frame.filename, frame.lineno) for frame in traceback.extract_tb(error.__traceback__)]
    if isinstance(error, SyntaxError):
        frames.append((error.filename or "", error.lineno))
    places = [
        f"{Path(name).relative_to(package)}, line {line}: "
        for name, line in frames
        if Path(name).is_relative_to(package)
    ]
    kind = type(error).__name__.lstrip("_")
    words = " ".join(f"{kind}: {error}".split()).rstrip(":")[:LONGEST_REASON]
    if isinstance(error, ModuleNotFoundError) and str(error.name).startswith("cs231n."):
        words += "; put that file of the course into the folder"
    return "".join(places[-1:]) + words
