"""Studies that begin with files which others made: no download, no photos, no extraction."""

import json
import os

import pytest
from miniatures import course

pytestmark = pytest.mark.slow

LATER = {"generate_captions", "measure_perplexity", "score_captions", "record_provenance"}
STUDY = {"all", "train_captioner", "compare_captioners", *LATER}

GIVEN = """
models:
  reference: {cell: rnn, backend: numpy, wordvec_dim: 8, hidden_dim: 16, epochs: 2}
train: [reference]
decoders: [greedy]
meteor: false
dataset: course
course: given
"""


@pytest.fixture
def given(workflow):
    (workflow.folder / "given.yaml").write_text(GIVEN)
    return workflow.folder / "given/coco_captioning"


def test_a_study_of_the_course_files_from_training_to_the_report(workflow, given):
    course(given, ["_pca"])
    # Older than any rule expects.
    for number, path in enumerate(sorted(given.iterdir())):
        os.utime(path, (10**9 - number, 10**9 - number))
    assert workflow.planned(config="given.yaml") == STUDY | {"take_course_files"}
    workflow.run("--cores", "2", config="given.yaml")
    study = workflow.folder / "results/course"
    for path in given.iterdir():
        assert (study / "coco_captioning" / path.name).read_bytes() == path.read_bytes()
    record = json.loads((study / "provenance.json").read_text())
    assert record["images"] is None
    assert "backbone" not in record["settings"]
    names = {f"given/coco_captioning/{path.name}" for path in given.iterdir()}
    assert names <= {entry["path"] for entry in record["inputs"]}
    scores = json.loads((study / "scores/reference/seed0/greedy.json").read_text())
    assert (scores["images"], scores["references"]) == (6, 30)
    page = (study / "report/index.html").read_text()
    assert "coco_captioning (val; rare words are &lt;UNK&gt;)" in page
    assert "links to where the photos were found" in page
    assert not (workflow.folder / "resources").exists()
    assert workflow.planned(config="given.yaml") == set()
    # What is given anew is taken anew.
    (given / "val2014_urls.txt").write_text("http://moved\n" * 6)
    assert "take_course_files" in workflow.planned(config="given.yaml")


def test_features_that_are_not_reduced_are_reduced(workflow, given):
    course(given, [""])
    assert workflow.planned(config="given.yaml") == STUDY | {
        "take_course_files",
        "fit_pca",
        "apply_pca",
    }


def test_a_folder_without_the_files_is_refused_in_a_sentence(workflow, given):
    course(given, ["_pca"])
    (given / "val2014_urls.txt").unlink()
    words = workflow.run("--cores", "2", config="given.yaml", fails=True).splitlines()
    assert [line for line in words if line.startswith("error:")] == [
        "error: Configuration: given has no val2014_urls.txt: give CS231n's folder coco_captioning,"
        " or its zip archive."
    ]
    assert "Traceback" not in "".join(words)
