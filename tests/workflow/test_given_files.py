"""Studies that begin with files which others made: no download, no photos, no extraction."""

import json
import os

import pytest
from miniatures import IDS, course

pytestmark = pytest.mark.slow

LATER = {"generate_captions", "measure_perplexity", "score_captions", "record_provenance"}
STUDY = {"all", "train_captioner", "compare_captioners", *LATER}

GIVEN = """
models:
  reference: {architecture: rnn, backend: numpy, wordvec_dim: 8, hidden_dim: 16, epochs: 2}
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
        "sum_features",
        "fit_pca",
        "apply_pca",
        "gather_features",
    }


def test_own_features_take_the_place_of_photos(workflow, given):
    course(given, [""])
    lines = [GIVEN.split("dataset:")[0], "dataset: own", "study: mine", "pca_components: 4", "own:"]
    for split, ids in IDS.items():
        content = {
            "images": [{"id": n, "file_name": f"{n}.jpg"} for n in ids],
            "annotations": [{"image_id": n, "caption": f"a dog {n % 2}"} for n in ids],
        }
        (given / f"{split}.json").write_text(json.dumps(content))
        features = f"{given}/{split}2014_vgg16_fc7.h5"
        lines.append(f"  {split}: {{annotations: {given}/{split}.json, features: {features}}}")
    (workflow.folder / "mine.yaml").write_text("\n".join(lines))
    encoded = {"list_images", "build_vocabulary", "encode_captions"}
    reduced = {"take_features", "sum_features", "fit_pca", "apply_pca", "gather_features"}
    assert workflow.planned(config="mine.yaml") == STUDY | encoded | reduced
    workflow.run("--cores", "2", config="mine.yaml")
    assert (workflow.folder / "results/mine/report/index.html").exists()
    assert workflow.planned(config="mine.yaml") == set()


def test_a_folder_without_the_files_is_refused_in_a_sentence(workflow, given):
    course(given, ["_pca"])
    (given / "val2014_urls.txt").unlink()
    words = workflow.run("--cores", "2", config="given.yaml", fails=True).splitlines()
    assert [line for line in words if line.startswith("error:")] == [
        "error: Configuration: given has no val2014_urls.txt: give CS231n's folder coco_captioning,"
        " or its zip archive."
    ]
    assert "Traceback" not in "".join(words)
