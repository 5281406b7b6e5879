"""A study's files against the digests of when they were made."""

import shutil

import pytest
from places import SCENES

from recap.captioners.recipe import Recipe
from recap.core.errors import InputError
from recap.core.files import atomic_path, digest_record
from recap.core.json_files import write_json
from recap.evaluation.generate import generate_captions
from recap.evaluation.perplexity import measure_perplexity
from recap.evaluation.scoring.score import score_captions
from recap.evaluation.scoring.submission import write_submission
from recap.features.gather import gather_features
from recap.report.captioning.record import record_provenance
from recap.report.verify_study import verify_study
from recap.training.train import train_captioner


@pytest.fixture
def study(tmp_path):
    for name in ("features/a.h5", "scores/lstm/seed0/greedy.json"):
        with atomic_path(tmp_path / name, record_digest=True) as scratch:
            scratch.write_bytes(bytes(range(256)) * 10)
    write_json(tmp_path / "captions/b.json", [1], record_digest=True)
    for name in ("report/index.html", "logs/train/a.log", "benchmarks/a.tsv"):
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).write_text("not checked")
    return tmp_path


@pytest.fixture
def finished(shapes_study, tmp_path):
    """Return a study's folder that every stage wrote into, but for the report."""
    study = tmp_path / "shapes"
    shutil.copytree(shapes_study / "results/shapes", study)
    captioning, run = study / "coco_captioning", "lstm/seed0"
    # The fixture has them as `extract_features` leaves them, which are a shard.
    for shard in captioning.glob("*_fc7.h5"):
        gather_features(shapes_study / "results/shapes/coco_captioning" / shard.name, output=shard)
    resources = shapes_study / SCENES
    annotations = resources / "annotations/captions_val.json"
    train_captioner(
        captioning / "train2014_vgg16_fc7_pca.h5",
        captioning / "coco2014_captions.h5",
        captioning / "coco2014_vocab.json",
        output=study / "models" / run,
        recipe=Recipe(epochs=1, hidden_dim=8, wordvec_dim=4),
        device="cpu",
        threads=1,
    )
    files = captioning / "val2014_vgg16_fc7_pca.h5", annotations
    where = {"model": [study / "models" / run], "device": "cpu", "threads": 1}
    captions = study / "captions" / run
    results = captions / "greedy.json"
    generate_captions(
        *files,
        output=results,
        words_output=captions / "greedy.words.json",
        decoder="greedy",
        **where,
    )
    measure_perplexity(*files, output=captions / "perplexity.json", **where)
    scores = study / "scores" / run / "greedy.json"
    score_captions(results, annotations, output=scores, meteor=False)
    write_submission(
        results, annotations, algorithm="lstm", output=study / "submissions/captions.zip"
    )
    record_provenance(study, images=resources / "val2014.zip", annotations=annotations, threads=1)
    return study


def lines(capsys):
    return capsys.readouterr().out.splitlines()


def test_a_study_as_it_was_made(study, capsys):
    verify_study(study)
    assert lines(capsys) == [
        "ok       captions/b.json",
        "ok       features/a.h5",
        "ok       scores/lstm/seed0/greedy.json",
        "3 ok, 0 FAILED, 0 unknown",
    ]


def test_damage_that_keeps_the_size(study, capsys):
    path = study / "features/a.h5"
    data = bytearray(path.read_bytes())
    for damage in (data[:-100] + bytes(100), bytes([data[0] ^ 1]) + data[1:]):
        path.write_bytes(damage)
        with pytest.raises(InputError, match=r"1 files of .* are not as they were made"):
            verify_study(study)
        assert "FAILED   features/a.h5: has changed since it was made" in lines(capsys)


def test_one_bit_of_any_file_of_a_finished_study(finished, capsys):
    verify_study(finished)
    *told, summary = lines(capsys)
    names = [line.removeprefix("ok       ") for line in told]
    assert summary == f"{len(names)} ok, 0 FAILED, 0 unknown"
    assert names == sorted(
        str(path.relative_to(finished))
        for path in finished.rglob("*")
        if path.is_file() and not path.name.startswith(".") and "tensorboard" not in path.parts
    )
    assert len(names) == 21
    for name in names:
        path = finished / name
        whole = path.read_bytes()
        path.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
        with pytest.raises(InputError, match="1 files of"):
            verify_study(finished)
        assert f"FAILED   {name}: has changed since it was made" in lines(capsys)
        path.write_bytes(whole)


def test_every_fault_is_a_line(study, capsys):
    (study / "captions/b.json").unlink()
    digest_record(study / "features/a.h5").write_bytes(b"\xff")
    (study / "features/more.h5").write_text("made by another program")
    with pytest.raises(InputError, match="2 files"):
        verify_study(study)
    assert lines(capsys) == [
        "FAILED   captions/b.json: is missing",
        "FAILED   features/a.h5: its record .a.h5.recap-sha256 cannot be read",
        "unknown  features/more.h5",
        "ok       scores/lstm/seed0/greedy.json",
        "1 ok, 2 FAILED, 1 unknown",
    ]


def test_a_file_that_is_made_again_has_a_new_digest(study, capsys):
    write_json(study / "captions/b.json", [2], record_digest=True)
    verify_study(study)


def test_a_failed_making_leaves_file_and_digest(study):
    with pytest.raises(TypeError):
        write_json(study / "captions/b.json", {1}, record_digest=True)
    verify_study(study)


def test_what_is_no_study(tmp_path):
    with pytest.raises(InputError, match="is not a folder"):
        verify_study(tmp_path / "none")
    with pytest.raises(InputError, match="has no file with a digest"):
        verify_study(tmp_path)
