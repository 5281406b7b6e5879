"""METEOR 1.5, which needs Java."""

import subprocess
import tempfile
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import IO

from pycocoevalcap.meteor import meteor

from recap.scoring.java import OPTIONS, JavaProblem, find_java, in_words

TIME_LIMIT = 1800  # seconds, well above what 40,000 captions should take


class MeteorProcess(meteor.Meteor):
    """pycocoevalcap's METEOR with another Java process and lock.

    The package's own process takes its locale from the machine, and its error stream is never
    read, so that it fills up and blocks; its lock is waited for forever once a caption has failed.

    Parameters
    ----------
    java : str
        Path of the `java` program.
    errors : file
        What takes the error stream.
    """

    def __init__(self, java: str, errors: IO):
        self.lock = threading.RLock()
        self.meteor_p = subprocess.Popen(
            [java, "-Xmx2G", *OPTIONS, "-jar", meteor.METEOR_JAR, "-", "-", "-stdio"]
            + ["-l", "en", "-norm"],
            cwd=Path(meteor.__file__).parent,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
        )

    def end(self) -> None:
        """End the process."""
        self.meteor_p.kill()
        self.meteor_p.communicate()

    def __del__(self) -> None:
        """Do nothing: `end` has ended the process."""


def meteor_scores(
    references: dict[int, list[str]], captions: dict[int, list[str]]
) -> tuple[float, list[float]]:
    """Return METEOR of a corpus and of each caption, fractions.

    M. Denkowski and A. Lavie, WMT 2014.

    Parameters
    ----------
    references : dict of int to list of str
        Reference captions by image id, tokens joined by spaces.
    captions : dict of int to list of str
        A list of the one caption of each of these images, in the same order.

    Raises
    ------
    JavaProblem
        If no Java works.
    """
    java = find_java()
    with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as errors:
        try:
            process = MeteorProcess(java, errors)
        except OSError as error:
            raise JavaProblem(f"{java} does not start ({error.strerror})") from None
        watchdog = threading.Timer(TIME_LIMIT, process.meteor_p.kill)
        watchdog.daemon = True
        watchdog.start()
        start = time.monotonic()
        try:
            return process.compute_score(references, captions)
        except (OSError, ValueError) as error:
            if time.monotonic() - start >= TIME_LIMIT:
                raise JavaProblem(f"it took longer than {TIME_LIMIT} s") from None
            with suppress(subprocess.TimeoutExpired):
                process.meteor_p.wait(10)
            errors.seek(0)
            error.stderr = errors.read()
            raise JavaProblem(f"its Java program failed ({in_words(error)})") from None
        finally:
            watchdog.cancel()
            process.end()
