import json
import shutil

import numpy as np
import pytest

from recap.core.errors import InputError
from recap.evaluation.decoders import decoder_order
from recap.report.captioning.selection import Selection
from recap.report.captioning.study import read_study


def edit_json(path, change):
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))


def test_reads_models_seeds_and_decoders_in_order(fake):
    study = read_study(fake.folder)
    assert list(study.models) == ["lstm", "rnn"]
    assert [run.seed for run in study.models["rnn"]] == [0, 1]
    assert study.decoder_names == ["greedy", "beam3"]
    assert study.name == "discs"
    assert study.record.settings["dataset"] == "discs"
    assert [list(run.decodings) for run in study.models["rnn"]] == [["greedy", "beam3"]] * 2


def test_aligns_images_that_a_file_lists_in_another_order(fake):
    before = read_study(fake.folder)
    path = fake.folder / "scores/lstm/seed1/beam3.json"

    def reverse(content):
        for values in content["per_image"].values():
            values.reverse()

    edit_json(path, reverse)
    after = read_study(fake.folder)
    for model in before.models:
        old, new = (study.models[model][1].decodings["beam3"] for study in (before, after))
        assert np.array_equal(old.cider, new.cider)
        assert old.captions == new.captions


def test_only_what_was_scored_is_read(fake):
    scores = fake.folder / "scores/lstm/seed1/beam3.json"
    scores.rename(scores.with_name(".beam3.4711.json"))
    for path in (fake.folder / "scores/rnn").rglob("*.json"):
        path.unlink()
    study = read_study(fake.folder)
    assert list(study.models) == ["lstm"]
    assert [list(run.decodings) for run in study.models["lstm"]] == [
        ["greedy", "beam3"],
        ["greedy"],
    ]


def test_only_what_is_asked_for_is_read_in_that_order(fake):
    (fake.folder / "scores/rnn/seed9").mkdir()
    (fake.folder / "scores/rnn/seed9/beam3.json").write_text("stale")
    (fake.folder / "scores/rnn/seed0/beam9.json").write_text("stale")
    (fake.folder / "scores/dropped/seed0").mkdir(parents=True)
    (fake.folder / "scores/dropped/seed0/beam3.json").write_text("stale")
    study = read_study(
        fake.folder, Selection(["rnn", "lstm"], seeds=[1, 0], decoders=["beam3", "greedy"])
    )
    assert list(study.models) == ["rnn", "lstm"]
    assert [run.seed for run in study.models["lstm"]] == [1, 0]
    assert study.decoder_names == ["beam3", "greedy"]
    assert all(len(run.decodings) == 2 for runs in study.models.values() for run in runs)


@pytest.mark.parametrize(
    ("choice", "missing"),
    [
        ({"models": ["rnn", "gru"]}, "gru"),
        ({"seeds": [0, 7]}, "seed7"),
        ({"decoders": ["greedy", "beam9"]}, "beam9"),
        ({"models": ["rnn", "lstm"], "seeds": [2]}, "rnn"),
    ],
)
def test_what_is_asked_for_but_was_not_scored_is_named(fake, choice, missing):
    (fake.folder / "scores/lstm/seed0").rename(fake.folder / "scores/lstm/seed2")
    with pytest.raises(InputError, match=f"holds no scores of {missing} "):
        read_study(fake.folder, Selection(**choice))


def test_nothing_scored_names_the_folder_and_the_command(tmp_path):
    with pytest.raises(InputError, match=r"empty.*snakemake evaluation"):
        read_study(tmp_path / "empty")


@pytest.mark.parametrize(
    ("file", "change", "message"),
    [
        ("scores/lstm/seed0/beam3.json", lambda c: c.pop("per_image"), "not a whole score file"),
        ("scores/lstm/seed0/beam3.json", lambda c: c["scores"].pop("METEOR"), "METEOR"),
        (
            "scores/lstm/seed0/beam3.json",
            lambda c: c["per_image"]["CIDEr-D"].pop(),
            "not a whole score file",
        ),
        (
            "scores/lstm/seed0/beam3.json",
            lambda c: c["per_image"]["image_id"].__setitem__(0, 9999),
            "other images",
        ),
        ("captions/lstm/seed0/beam3.json", lambda c: c.pop(), "caption of every image"),
        ("captions/lstm/seed0/beam3.json", lambda c: c[0].pop("caption"), "caption of every image"),
    ],
)
def test_broken_files_are_named(fake, file, change, message):
    edit_json(fake.folder / file, change)
    with pytest.raises(InputError, match=message) as error:
        read_study(fake.folder)
    assert "beam3.json" in str(error.value)


def test_a_folder_that_is_no_seed_is_named(fake):
    (fake.folder / "scores/rnn/seed1").rename(fake.folder / "scores/rnn/seed_one")
    with pytest.raises(InputError, match="seed_one"):
        read_study(fake.folder)


def test_epochs_and_the_kept_row(fake):
    run = read_study(fake.folder).models["rnn"][0]
    epochs = run.history.epochs_done()
    assert epochs[[0, 9, 14, 29]] == pytest.approx([0.1, 1.0, 1.5, 3.0])
    assert run.kept_row() == 19
    run.config["best_epoch"] = 3
    assert run.kept_row() == 29
    del run.config["best_epoch"]
    assert run.kept_row() == 19
    run.history.validation_loss[:] = np.nan
    assert run.kept_row() is None


def test_decoders_are_sorted_by_width():
    names = ["beam10", "greedy", "beam3"]
    assert sorted(names, key=decoder_order) == ["greedy", "beam3", "beam10"]


def test_what_a_study_can_do_without_is_not_asked_for(fake):
    for name in ("config.json", "history.csv"):
        (fake.folder / "models/rnn/seed0" / name).unlink()
    run = read_study(fake.folder).models["rnn"][0]
    assert (run.config, run.history, run.kept_row()) == ({}, None, None)


def test_a_folder_without_its_record_is_told(fake):
    (fake.folder / "provenance.json").unlink()
    with pytest.raises(InputError, match=r"discs/provenance\.json is missing.*record-provenance"):
        read_study(fake.folder)


def test_an_ensemble_is_a_model_of_its_own(fake):
    for part in ("scores", "captions"):
        shutil.copytree(fake.folder / part / "rnn/seed0", fake.folder / part / "rnn/ensemble")
    study = read_study(fake.folder, Selection(models=["rnn", "lstm"], seeds=[1, 0]))
    assert list(study.models) == ["rnn", "lstm", "rnn ensemble"]
    (run,) = study.models["rnn ensemble"]
    assert (run.seed, run.config, run.history) == (None, {}, None)
    assert list(run.decodings) == ["greedy", "beam3"]
    assert list(read_study(fake.folder, Selection(ensembles=False)).models) == ["lstm", "rnn"]
    assert list(read_study(fake.folder, Selection(models=["lstm"])).models) == ["lstm"]
    chosen = read_study(fake.folder, Selection(decoders=["greedy"])).models["rnn ensemble"]
    assert list(chosen[0].decodings) == ["greedy"]


def test_perplexity_is_read_where_it_was_measured(fake):
    path = fake.folder / "captions/rnn/seed1/perplexity.json"
    path.write_text('{"perplexity": 12.5}')
    runs = read_study(fake.folder).models["rnn"]
    assert [run.perplexity for run in runs] == [None, 12.5]
    path.write_text('{"perplexity": null}')
    with pytest.raises(InputError, match=r"perplexity\.json does not hold a perplexity"):
        read_study(fake.folder)


def test_scores_that_are_computed_now_and_then_are_read_where_they_are(fake):
    def add_spice(content):
        content["scores"]["SPICE"] = 0.2
        content["per_image"]["SPICE"] = [0.2] * len(content["per_image"]["image_id"])

    edit_json(fake.folder / "scores/lstm/seed0/beam3.json", add_spice)
    decodings = [run.decodings["beam3"] for run in read_study(fake.folder).models["lstm"]]
    assert decodings[0].scores["SPICE"] == 0.2
    assert decodings[0].per_image["SPICE"].mean() == pytest.approx(0.2)
    assert "SPICE" not in decodings[1].scores


def test_an_ensemble_whose_seeds_were_not_scored_by_a_decoder_is_left_out(fake):
    for part in ("scores", "captions"):
        shutil.copytree(fake.folder / part / "rnn/seed0", fake.folder / part / "rnn/ensemble")
    for path in fake.folder.glob("scores/rnn/seed*/beam3.json"):
        path.unlink()
    (run,) = read_study(fake.folder).models["rnn ensemble"]
    assert list(run.decodings) == ["greedy"]


@pytest.mark.parametrize(
    ("selection", "kept"),
    [
        (Selection(), 4),
        (Selection(models=["rnn"]), 3),
        (Selection(seeds=[1]), 2),
        (Selection(seeds=[1], ensembles=False), 1),
        (Selection(decoders=["greedy"]), 3),
        (Selection(decoders=[]), 1),
    ],
)
def test_a_selection_holds_runs_and_decoders(selection, kept):
    asked = [
        ("rnn", "seed0", "greedy"),
        ("rnn", "ensemble", "greedy"),
        ("rnn", "seed1", None),
        ("lstm", "seed0", "beam3"),
    ]
    assert sum(selection.holds(*one) for one in asked) == kept
