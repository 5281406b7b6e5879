import hashlib
import json
import re
import subprocess
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from recap.cli import make_app
from recap.core.errors import InputError
from recap.features.files import create_features
from recap.report import provenance
from recap.report.captioning.crate import read_run
from recap.report.captioning.record import read_record, record_provenance
from recap.report.provenance import source_code


def annotate(path, images, captions):
    content = {
        "images": [{"id": key, "file_name": f"{key}.jpg"} for key in range(images)],
        "annotations": [{"id": key, "image_id": 0, "caption": "x"} for key in range(captions)],
    }
    path.write_text(json.dumps(content))
    return path


@pytest.fixture
def study(tmp_path):
    folder = tmp_path / "results" / "discs"
    for name in (
        *("coco_captioning/captions.h5", "features/pca.h5", "report/index.html"),
        *("models/rnn/seed0/model.safetensors", "models/rnn/seed0/checkpoint.pt"),
        *("models/lstm/seed0/config.json", "models/lstm/seed1/config.json"),
        *("captions/lstm/seed0/greedy.json", "captions/lstm/seed0/beam3.json"),
        *("captions/lstm/seed0/perplexity.json", "captions/lstm/ensemble/beam3.json"),
        *("captions/lstm/seed0/beam3.words.json", "scores/lstm/seed0/.beam3.99.json"),
    ):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    photos = tmp_path / "photos"
    (photos / "more").mkdir(parents=True)
    (photos / "1.jpg").write_bytes(b"one")
    (photos / "more/2.jpg").write_bytes(b"two")
    return folder


def record(study, tmp_path, **options):
    record_provenance(
        study,
        images=tmp_path / "photos",
        annotations=annotate(tmp_path / "val.json", 2, 10),
        **options,
    )
    return read_record(study)


def names(files, folder):
    return [file.path.removeprefix(f"{folder}/") for file in files]


def test_what_went_in_and_came_out(study, tmp_path):
    weights = tmp_path / "weights.pth"
    weights.write_bytes(b"weights")
    train = annotate(tmp_path / "train.json", 3, 15)
    made = record(
        study,
        tmp_path,
        train_annotations=train,
        inputs=[weights, tmp_path / "val.json"],
        settings={"dataset": "discs"},
    )
    assert names(made.inputs, tmp_path) == ["val.json", "train.json", "weights.pth"]
    assert made.inputs[2].sha256 == hashlib.sha256(b"weights").hexdigest()
    assert made.inputs[2].bytes == 7
    assert names(made.outputs, study) == [
        "captions/lstm/ensemble/beam3.json",
        "captions/lstm/seed0/beam3.json",
        "captions/lstm/seed0/beam3.words.json",
        "captions/lstm/seed0/greedy.json",
        "captions/lstm/seed0/perplexity.json",
        "coco_captioning/captions.h5",
        "features/pca.h5",
        "models/lstm/seed0/config.json",
        "models/lstm/seed1/config.json",
        "models/rnn/seed0/model.safetensors",
    ]
    assert made.sizes == {"images": 2, "captions": 10, "train_images": 3, "train_captions": 15}
    assert made.settings == {"dataset": "discs"}
    assert made.versions["python"].count(".") == 2
    assert int(made.machine["threads"]) >= 1
    assert (made.images, made.train_annotations) == (tmp_path / "photos", train)
    assert made.categories is None


def test_the_run_is_told_in_terms_of_ro_crate(study, tmp_path):
    settings = {"seeds": [0, 1], "meteor": True, "vocabulary": {"size": 10}, "pca_components": 8}
    record(study, tmp_path, settings=settings, command="snakemake --config 'a=b c'")
    written = (study / "provenance.json").read_bytes()
    crate = json.loads((study / "ro-crate-metadata.json").read_text())
    entities = {entity["@id"]: entity for entity in crate["@graph"]}
    assert len(entities) == len(crate["@graph"])

    def references(value):
        """Yield the ids that an entity refers to."""
        for part in value if isinstance(value, list) else value.values():
            if isinstance(part, dict | list):
                yield from references(part)
        if isinstance(value, dict) and list(value) == ["@id"]:
            yield value["@id"]

    known = {*entities, "https://w3id.org/ro/crate/1.1"}
    assert {name for entity in crate["@graph"] for name in references(entity)} <= known
    action = entities["#run"]
    assert action["@type"] == "CreateAction"
    assert action["description"] == "snakemake --config 'a=b c'"
    told = [entities[entry["@id"]] for entry in action["object"]]
    values = {entity["name"]: entity.get("value") for entity in told}
    assert values["seeds"] == [0, 1] and values["meteor"] is True
    assert values["vocabulary.size"] == 10 and values["pca_components"] == 8
    result = entities["captions/lstm/seed0/greedy.json"]
    assert {"@id": result["@id"]} in action["result"]
    assert (study / result["@id"]).stat().st_size == int(result["contentSize"])
    digest = hashlib.sha256((study / result["@id"]).read_bytes()).hexdigest()
    assert result["sha256"] == digest
    run = read_run(study)
    made = datetime.fromisoformat(run["recorded"])
    assert abs(datetime.now(UTC) - made) < timedelta(minutes=5)
    assert re.fullmatch(r"[0-9a-f]{16}", run["code digest"])
    # What differs from run to run is told there alone.
    record(study, tmp_path, settings=settings, command="another")
    assert (study / "provenance.json").read_bytes() == written
    assert read_run(study)["command"] == "another"


def test_the_commit_is_told_of_a_clone_alone(tmp_path, monkeypatch):
    def git(*words):
        options = ["-c", "user.name=a", "-c", "user.email=a@b"]
        subprocess.run(["git", *options, *words], cwd=tmp_path, check=True, capture_output=True)

    monkeypatch.setattr(provenance, "PACKAGE", tmp_path)
    (tmp_path / "__init__.py").write_text("")
    git("init")
    assert list(source_code()) == ["code digest"]
    git("add", ".")
    git("commit", "-m", "first")
    assert re.fullmatch(r"[0-9a-f]{40}", source_code()["git commit"])
    assert source_code()["git state"] == "clean"
    (tmp_path / "more").write_text("untracked")
    assert source_code()["git state"] == "clean"
    (tmp_path / "__init__.py").write_text("1")
    assert source_code()["git state"] == "changed since"
    monkeypatch.setenv("PATH", "")
    assert list(source_code()) == ["code digest"]


def test_photos_and_weights_are_recorded_as_they_were_read(study, tmp_path):
    """What the feature files tell is copied, and today's files are not hashed in its place."""
    weights, archive = tmp_path / "weights.pth", tmp_path / "more.zip"
    weights.write_bytes(b"others by now")
    archive.write_bytes(b"archive")
    for split, digest in (("train", "aa"), ("val", "bb")):
        path = study / f"coco_captioning/{split}2014_vgg16_fc7_pca.h5"
        attributes = {"images_sha256": digest, "images_bytes": 7}
        attributes |= {"weights": "weights.pth", "weights_sha256": "cc"}
        with create_features(path, (1, 1), attributes, np.array([])):
            pass
    made = record(study, tmp_path, inputs=[archive, weights])
    told = {file.path.removeprefix(f"{tmp_path}/"): file for file in made.inputs}
    assert list(told) == ["photos of train", "photos of val", "val.json", "more.zip", "weights.pth"]
    assert told["photos of train"].sha256 == "aa"
    assert (told["photos of val"].sha256, told["photos of val"].bytes) == ("bb", 7)
    assert told["weights.pth"].sha256 == "cc"
    assert told["more.zip"].sha256 == hashlib.sha256(b"archive").hexdigest()


def test_a_folder_of_photos_is_never_hashed(study, tmp_path):
    assert names(record(study, tmp_path).inputs, tmp_path) == ["val.json"]
    assert record(study, tmp_path).images == tmp_path / "photos"


def test_only_what_was_chosen_is_recorded(study, tmp_path):
    choice = {"models": ["lstm"], "seeds": [0], "decoders": ["beam3"]}
    made = record(study, tmp_path, **choice)
    assert names(made.outputs, study)[0] == "captions/lstm/ensemble/beam3.json"
    made = record(study, tmp_path, **choice, ensembles=False)
    assert names(made.outputs, study) == [
        "captions/lstm/seed0/beam3.json",
        "captions/lstm/seed0/beam3.words.json",
        "captions/lstm/seed0/perplexity.json",
        "coco_captioning/captions.h5",
        "features/pca.h5",
        "models/lstm/seed0/config.json",
    ]


def test_a_study_may_move_with_what_it_is_made_from(study, tmp_path):
    record(study, tmp_path)
    moved = tmp_path.with_name(f"{tmp_path.name}-moved")
    tmp_path.rename(moved)
    found = read_record(moved / "results/discs")
    assert found.images == moved / "photos"
    assert found.annotations.exists()


def test_a_missing_file_is_named_and_nothing_is_written(study, tmp_path):
    with pytest.raises(InputError, match=r"gone\.zip does not exist"):
        record(study, tmp_path, inputs=[tmp_path / "gone.zip"])
    assert not (study / "provenance.json").exists()


def test_a_record_that_is_missing_or_not_whole_is_told(study, tmp_path):
    with pytest.raises(InputError, match=r"provenance\.json is missing"):
        read_record(study)
    record(study, tmp_path)
    content = json.loads((study / "provenance.json").read_text())
    for change in ({"more": 1}, {"inputs": [{"path": "x"}]}, {"outputs": None}):
        (study / "provenance.json").write_text(json.dumps(content | change))
        with pytest.raises(InputError, match="not a whole record"):
            read_record(study)
    del content["images"]
    (study / "provenance.json").write_text(json.dumps(content))
    with pytest.raises(InputError, match="not a whole record"):
        read_record(study)


def test_settings_on_the_command_line_keep_their_types():
    settings = {"seeds": [0], "meteor": True, "vocabulary": {"size": 10}, "study": "2024_01"}
    words = ["record-provenance", "--study=x", "--annotations=y"]
    _, given, _ = make_app().parse_args([*words, f"--settings={json.dumps(settings)}"])
    assert given.arguments["settings"] == settings
    with pytest.raises(SystemExit):
        make_app().parse_args([*words, "--settings={no"])
