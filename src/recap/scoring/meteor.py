"""METEOR 1.5, the one score that needs Java."""

import shutil
import subprocess
import threading
from pathlib import Path

from pycocoevalcap.meteor import meteor

TIME_LIMIT = 1800  # seconds, well above what 40,000 captions should take


class MeteorProcess(meteor.Meteor):
    """pycocoevalcap's METEOR with a Java process that cannot hang.

    The package's own lets the machine's locale decide how numbers and letters are read and
    written, never reads the error stream, which fills up and blocks, has no time limit, and waits
    forever for its own lock once a caption has failed. Use it in a `with` block.

    Parameters
    ----------
    java : str
        Path of the `java` program.
    """

    def __init__(self, java: str):
        self.lock = threading.RLock()
        self.meteor_p = subprocess.Popen(
            [java, "-Xmx2G", "-Duser.language=en", "-Duser.country=US", "-Dfile.encoding=UTF-8"]
            + ["-jar", meteor.METEOR_JAR, "-", "-", "-stdio", "-l", "en", "-norm"],
            cwd=Path(meteor.__file__).parent,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        self._watchdog = threading.Timer(TIME_LIMIT, self.meteor_p.kill)
        self._watchdog.daemon = True
        self._watchdog.start()

    def __enter__(self) -> "MeteorProcess":
        return self

    def __exit__(self, *error: object) -> None:
        self._watchdog.cancel()
        self.meteor_p.kill()
        self.meteor_p.communicate()

    def __del__(self) -> None:
        """Do nothing: `__exit__` has ended the process."""


def meteor_scores(
    references: dict[int, list[str]], captions: dict[int, list[str]]
) -> tuple[float, list[float]] | str:
    """Return METEOR of a corpus and of each caption, or why there is none.

    Parameters
    ----------
    references : dict of int to list of str
        Reference captions by image id, tokens joined by spaces.
    captions : dict of int to list of str
        A list of the one caption of each of these images, in the same order.

    Returns
    -------
    tuple of (float, list of float), or str
        The corpus's score and the images', fractions; or one sentence where no Java works.
    """
    java = shutil.which("java")
    if java is None:
        return "METEOR was not computed, because there is no `java` on the PATH."
    try:
        subprocess.run([java, "-version"], capture_output=True, check=True, timeout=60)
        with MeteorProcess(java) as process:
            return process.compute_score(references, captions)
    except (OSError, ValueError, subprocess.SubprocessError) as error:
        return f"METEOR was not computed, because {java} failed ({type(error).__name__})."
