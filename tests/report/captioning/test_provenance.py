import hashlib
import json

import numpy as np
import pytest

from recap.core.errors import InputError
from recap.features.files import create_features
from recap.report.captioning.record import read_record, record_provenance


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
