"""METEOR 1.5, which needs Java."""

import subprocess
import tempfile
import threading
from contextlib import suppress
from pathlib import Path

from pycocoevalcap.meteor import meteor

from recap.core.progress import progress
from recap.evaluation.scoring.java import OPTIONS, JavaProblem, find_java, in_words, java_process

TIME_LIMIT = 1800  # seconds, well above what 40,000 captions should take


class MeteorProcess(meteor.Meteor):
    """pycocoevalcap's METEOR with another Java process and lock.

    The package's own process takes its locale from the machine, and its error stream is never
    read, so that it fills up and blocks; its lock is waited for forever once a caption has failed.

    Parameters
    ----------
    process : Popen
        METEOR's program, which reads and writes pipes.
    """

    def __init__(self, process: subprocess.Popen):
        self.lock = threading.RLock()
        self.meteor_p = process

    def compute_score(self, gts: dict, res: dict) -> tuple[float, list[float]]:
        """Score captions as the package does, with progress from the first one on."""
        # The first answer waits for the program's tables, which takes as long for any captions.
        super()._stat("a", ["a"])
        with progress(desc="METEOR", total=len(gts), unit="caption") as self.bar:
            return super().compute_score(gts, res)

    def _stat(self, hypothesis_str: str, reference_list: list[str]) -> str:
        self.bar.update()
        return super()._stat(hypothesis_str, reference_list)

    def __del__(self) -> None:
        """Do nothing: who started the process ends it."""


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
    command = [find_java(), "-Xmx2G", *OPTIONS, "-jar", meteor.METEOR_JAR, "-", "-", "-stdio"]
    command += ["-l", "en", "-norm"]
    with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as errors:
        try:
            with java_process(
                command,
                TIME_LIMIT,
                cwd=Path(meteor.__file__).parent,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
            ) as process:
                try:
                    return MeteorProcess(process).compute_score(references, captions)
                except (OSError, ValueError):
                    # Its last words may come after its end of the pipe has closed.
                    with suppress(subprocess.TimeoutExpired):
                        process.wait(10)
                    raise
        except subprocess.TimeoutExpired as error:
            raise JavaProblem(in_words(error)) from None
        except (OSError, ValueError) as error:
            errors.seek(0)
            error.stderr = errors.read()
            raise JavaProblem(f"its Java program failed ({in_words(error)})") from None
