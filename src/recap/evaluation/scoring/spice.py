"""SPICE 1.0, which needs Java and the models of Stanford CoreNLP."""

import json
import math
import os
import shutil
import subprocess
import tempfile
import zipfile
import zlib
from pathlib import Path, PurePosixPath

from pycocoevalcap.spice import spice

from recap.evaluation.scoring.java import OPTIONS, JavaProblem, find_java, in_words, run_java

TIME_LIMIT = 6 * 3600  # seconds, well above what parsing the references of 40,000 images takes
NEWEST_JAVA = 15  # what it keeps references with reaches into Java, which refuses it since
MAIN_CLASS = "edu.anu.spice.SpiceScorer"
JARS = ("stanford-corenlp-3.6.0.jar", "stanford-corenlp-3.6.0-models.jar")


def spice_scores(
    references: dict[int, list[str]], captions: dict[int, list[str]], corenlp: Path
) -> tuple[float, list[float | None]]:
    """Return SPICE of a corpus and of each caption, fractions.

    P. Anderson et al., ECCV 2016. pycocoevalcap's class downloads when it is made and writes into
    its own folder; this runs the same program in a folder of its own.

    Parameters
    ----------
    references : dict of int to list of str
        Reference captions by image id, tokens joined by spaces.
    captions : dict of int to list of str
        A list of the one caption of each of these images.
    corenlp : Path
        Archive of Stanford CoreNLP 3.6.0.

    Returns
    -------
    float
        Mean over the captions that have a score.
    list of float or None
        Score of each caption in the order of `captions`; None where it is not defined.

    Raises
    ------
    JavaProblem
        If no Java of a version that will do works, or the archive lacks the parser.
    """
    java = find_java(NEWEST_JAVA)
    entries = [
        {"image_id": row, "test": captions[image][0], "refs": references[image]}
        for row, image in enumerate(captions)
    ]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        source, output = folder / "captions.json", folder / "scores.json"
        source.write_text(json.dumps(entries), encoding="utf-8")
        cache = folder / "cache"
        cache.mkdir()
        _unpack(corenlp, folder)
        program = Path(spice.__file__).parent
        jars = [program / spice.SPICE_JAR, program / "lib" / "*", *(folder / jar for jar in JARS)]
        command = [java, "-Xmx8G", *OPTIONS, "-cp", os.pathsep.join(map(str, jars)), MAIN_CLASS]
        command += [str(source), "-cache", str(cache), "-out", str(output), "-subset", "-silent"]
        try:
            run_java(command, TIME_LIMIT)
            found = {
                entry["image_id"]: float(entry["scores"]["All"]["f"])
                for entry in json.loads(output.read_text(encoding="utf-8"))
            }
            scores = [found[row] for row in range(len(entries))]
        except (OSError, subprocess.SubprocessError, ValueError, KeyError, TypeError) as error:
            raise JavaProblem(f"its Java program failed ({in_words(error)})") from None
    defined = [score for score in scores if not math.isnan(score)]
    if not defined:
        raise JavaProblem("it is not defined for any of the captions")
    mean = sum(defined) / len(defined)
    return mean, [None if math.isnan(score) else score for score in scores]


def _unpack(corenlp: Path, folder: Path) -> None:
    """Put the jars of the parser and of its models into a folder."""
    try:
        with zipfile.ZipFile(corenlp) as archive:
            members = {PurePosixPath(name).name: name for name in archive.namelist()}
            for jar in JARS:
                with archive.open(members[jar]) as packed, open(folder / jar, "wb") as file:
                    shutil.copyfileobj(packed, file)
    except (OSError, zipfile.BadZipFile, zlib.error, EOFError) as error:
        raise JavaProblem(f"{corenlp} cannot be read ({error}): download it again") from None
    except KeyError as error:
        raise JavaProblem(f"{corenlp} holds no {error.args[0]}: download it again") from None
