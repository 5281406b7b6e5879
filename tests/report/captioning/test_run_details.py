import json
import shutil
from dataclasses import replace

import pytest

import recap
from recap.captions.words import SPECIAL_WORDS
from recap.cli import COMMANDS
from recap.core.errors import InputError
from recap.report.captioning.record import record_provenance
from recap.report.captioning.run_details import (
    FEATURES,
    GROWS_WITH,
    PCA,
    STAGES_OF_A_CAPTIONER,
    file_attributes,
    machine_rows,
    recipe_rows,
    seconds_on_coco,
    stages_of,
    study_rows,
    training_rows,
    version_rows,
)
from recap.report.captioning.selection import Selection
from recap.report.captioning.study import read_study


def test_attributes_of_features_and_components(fake):
    assert file_attributes(fake.folder / FEATURES)["weights"] == "random"
    pca = file_attributes(fake.folder / PCA)
    assert pca["components"] == "512"
    assert pca["explained variance"] == "76.8%"
    assert file_attributes(fake.folder / "absent.h5") == {}


def test_a_damaged_feature_file_is_named(fake):
    (fake.folder / PCA).write_bytes(b"not HDF5")
    with pytest.raises(InputError, match=r"pca\.h5"):
        file_attributes(fake.folder / PCA)


def test_recipes_side_by_side_tell_what_differs(fake):
    path = fake.folder / "models/rnn/seed0/config.json"
    config = json.loads(path.read_text())
    config["recipe"]["dropout"] = 0.5
    path.write_text(json.dumps(config))
    rows = {row.name: row for row in recipe_rows(fake.compared())}
    assert rows["architecture"].values == ["lstm", "rnn"]
    assert rows["learning_rate"].values == ["0.005", "0.001"]
    assert rows["dropout"].values == ["–", "0.5"]
    assert {name for name, row in rows.items() if row.differs} == {
        "architecture",
        "learning_rate",
        "dropout",
    }


def test_trainings_and_versions(fake):
    comparison = fake.compared()
    rows = {row.name: row.values for row in training_rows(comparison)}
    assert rows["seeds"] == ["0, 1", "0, 1"]
    assert rows["epochs"] == ["3, 3", "3, 3"]
    assert rows["kept epoch"] == ["2, 2", "2, 2"]
    assert rows["captions/s, median"] == ["2,500", "2,500"]
    comparison.models["rnn"][1].config["versions"]["torch"] = "2.14"
    versions = {row.name: row for row in version_rows(comparison)}
    assert versions["torch"].values == ["2.13", "2.13, 2.14"]
    assert versions["torch"].differs


def test_a_configuration_of_the_least(fake):
    for path in fake.folder.glob("models/*/seed*/config.json"):
        path.write_text(json.dumps({"recipe": {}, "feature_dim": 1, "idx_to_word": SPECIAL_WORDS}))
    rows = {row.name: row.values for row in recipe_rows(fake.compared())}
    assert rows == {
        "architecture": ["–", "–"],
        "feature dimensions": ["1", "1"],
        "vocabulary words": ["4", "4"],
    }
    assert version_rows(fake.compared()) == []


def test_stages_add_up_and_the_longest_is_first(fake):
    study = read_study(fake.folder)
    stages = stages_of(study)
    assert [stage.rule for stage in stages] == ["train_captioner", "encode_captions"]
    training = stages[0]
    assert (training.jobs, training.seconds, training.cpu_seconds) == (2, 150.5, 280.0)
    assert training.peak_mb == 1234.5
    assert stages[1].peak_mb == 0.0
    shutil.rmtree(fake.folder / "benchmarks")
    assert stages_of(study) == []


def test_trainings_without_a_history_tell_their_seeds(fake):
    (fake.folder / "models/rnn/seed1/history.csv").unlink()
    rows = {row.name: row.values for row in training_rows(fake.compared())}
    assert rows["seeds"] == ["0, 1", "0, 1"]
    assert rows["epochs"] == ["3, 3", "–"]


def test_settings_and_machines_side_by_side(fake):
    study = read_study(fake.folder)
    other = replace(study, record=replace(study.record, settings={"dataset": "rings"}))
    rows = {row.name: row for row in study_rows([study, other])}
    assert rows["dataset"].values == ["discs", "rings"]
    assert rows["dataset"].differs
    assert rows["vocabulary"].values == ['{"size": 10}', "–"]
    machines = {row.name: row.values for row in machine_rows([study, other])}
    assert machines["recap"] == [recap.__version__] * 2
    assert machines["processor"][0]


def write_logs(fake, logs):
    for place, text in logs.items():
        path = fake.folder / "logs" / f"{place}.log"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def test_what_the_stages_would_take_on_coco(fake):
    for name in ("extract_features/val.tsv", "draw_shapes.tsv"):
        path = fake.folder / "benchmarks" / name
        path.parent.mkdir(exist_ok=True)
        shutil.copy(fake.folder / "benchmarks/train_captioner/rnn-seed0.tsv", path)
    rewarded = "self-critical: 2 captions in 4.00 s"
    write_logs(
        fake,
        {
            "train_captioner/rnn-seed0": f"rnn: 24 captions in 50.00 s\n{rewarded}\n",
            "train_captioner/lstm-seed0": "lstm: 24 captions in 80.50 s\nkept epoch: 3\n",
            "extract_features/val": "images: 20/20 [00:58<00:00]\nimages: 20 images in 58.00 s\n",
            "draw_shapes": "draw shapes, val: 20 scenes in 60.00 s\n",
        },
    )
    study = read_study(fake.folder)
    # 1 image and 2 captions were learnt from, 20 images with 100 captions scored. Stages that tell
    # nothing of their captions, or do not grow with them, are left out.
    assert seconds_on_coco(stages_of(study), study) == {
        "train_captioner": pytest.approx(16 + 134.5 * 414_113 / 2),
        "extract_features": pytest.approx(2 + 58 * 123_287 / 21),
    }
    (fake.folder / "logs/train_captioner/rnn-seed0.log").write_text("")
    assert "train_captioner" not in seconds_on_coco(stages_of(study), study)
    coco = replace(study, record=replace(study.record, settings={"dataset": "coco2014"}))
    assert seconds_on_coco(stages_of(coco), coco) == {}


def test_stages_of_captioners_that_are_not_compared_do_not_count(fake):
    benchmarks = fake.folder / "benchmarks"
    line = (benchmarks / "train_captioner/rnn-seed0.tsv").read_text()
    for name in [
        "train_captioner/gru-seed0",
        "train_captioner/lstm-seed7",
        "generate_captions/lstm-seed0-beam3",
        "generate_captions/lstm-seed0-beam9",
        "score_captions/lstm-seed0-beam3",
        "score_captions/rnn-seed0-beam3",
        "extract_features/val",
        "compare_captioners",
    ]:
        path = benchmarks / f"{name}.tsv"
        path.parent.mkdir(exist_ok=True)
        path.write_text(line)
    study = read_study(fake.folder, Selection(models=["lstm"], decoders=["beam3"]))
    assert {stage.rule: stage.jobs for stage in stages_of(study)} == {
        "train_captioner": 1,
        "generate_captions": 1,
        "score_captions": 1,
        "extract_features": 1,
        "encode_captions": 1,
        "compare_captioners": 1,
    }


def test_jobs_that_several_studies_need_count_for_each(fake):
    shared = fake.folder.parent / "resources/benchmarks/extract_features"
    for key, place in (("mine", "train/1-of-2"), ("mine", "train/2-of-2"), ("other", "val/1-of-1")):
        path = shared / key / f"{place}.tsv"
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(fake.folder / "benchmarks/train_captioner/rnn-seed0.tsv", path)
    log = fake.folder.parent / "resources/logs/extract_features/mine/train/1-of-2.log"
    log.parent.mkdir(parents=True)
    log.write_text("images: 20 images in 58.00 s\n")
    shutil.copy(log, log.with_name("2-of-2.log"))
    record_provenance(
        fake.folder,
        images=fake.images,
        annotations=fake.annotations,
        shared_jobs=[shared / "mine", shared.parent / "draw_shapes/never.tsv"],
    )

    def stages():
        return {stage.rule: stage for stage in stages_of(read_study(fake.folder))}

    extraction = stages()["extract_features"]
    assert (extraction.jobs, extraction.seconds, extraction.growing) == (2, 120, 116)
    shutil.rmtree(fake.folder.parent / "resources")
    assert stages().keys() == {"train_captioner", "encode_captions"}


def test_a_file_that_is_no_benchmark_is_named(fake):
    path = fake.folder / "benchmarks/odd/file.tsv"
    path.parent.mkdir()
    path.write_text("a\tb\n1\t2\n")
    with pytest.raises(InputError, match=r"file\.tsv"):
        stages_of(read_study(fake.folder))


def test_stages_bear_the_names_of_commands():
    assert {*GROWS_WITH, *STAGES_OF_A_CAPTIONER} <= {path.split(":")[1] for path in COMMANDS}
