"""Stanford's tokenizer as coco-caption calls it: the reference of the tests that have Java."""

import subprocess
from pathlib import Path

import pytest
from pycocoevalcap.tokenizer import ptbtokenizer

from recap.evaluation.scoring.java import JavaProblem, find_java

try:
    JAVA = find_java()
except JavaProblem as problem:
    JAVA, REASON = "", f"the reference is a Java program, and {problem}"
else:
    REASON = ""

needs_java = pytest.mark.skipif(not JAVA, reason=REASON)


def tokenize_with_java(captions: list[str], folder: Path) -> list[list[str]]:
    """Return the tokens of captions that are handed over together, punctuation left out."""
    text = folder / "captions.txt"
    text.write_text("\n".join(captions), "utf-8", newline="\n")
    jar = Path(ptbtokenizer.__file__).with_name(ptbtokenizer.STANFORD_CORENLP_3_4_1_JAR)
    command = [JAVA, "-Xmx1G", "-Dfile.encoding=UTF-8", "-cp", jar]
    output = subprocess.run(
        [*command, "edu.stanford.nlp.process.PTBTokenizer", "-preserveLines", "-lowerCase", text],
        capture_output=True,
        check=True,
    )
    lines = output.stdout.decode("utf-8").split("\n")
    assert len(lines) == len(captions)
    return [
        [token for token in line.split(" ") if token and token not in ptbtokenizer.PUNCTUATIONS]
        for line in lines
    ]
