"""Training: what it learns, that it repeats to the bit, and what it refuses."""

import csv
import itertools
import json
import math
import random
import re
import subprocess
import sys
import time

import h5py
import numpy as np
import pytest
import torch
from safetensors import safe_open

from recap.captioners.folder import load_captioner, save_captioner
from recap.captioners.recipe import Recipe
from recap.captioners.torch import Captioner
from recap.captions.words import SPECIAL_WORDS
from recap.core.errors import InputError
from recap.features.rows_in_file import RowsInFile
from recap.report.verify_study import verify_study
from recap.training.batches import CaptionedImages, draw_batches, hold_out
from recap.training.numpy_trainer import NumpyTrainer
from recap.training.torch_trainer import TorchTrainer
from recap.training.train import CHECKPOINT, train_captioner

WORDS = [*SPECIAL_WORDS, *"abcdefgh"]
IMAGES, LENGTH, FEATURE_DIM = 30, 9, 10


def made_captions(generator, count):
    captions = np.zeros((count, LENGTH), np.int32)
    for row in captions:
        words = generator.integers(4, len(WORDS), generator.integers(1, LENGTH - 1))
        row[: len(words) + 2] = [1, *words, 2]
    return captions


@pytest.fixture
def study(tmp_path, monkeypatch):
    # Nearly all of the few images are to learn from.
    monkeypatch.setattr("recap.training.batches.FEWEST_DEV", 1)
    generator = np.random.default_rng(0)
    features = 50 * generator.normal(size=(IMAGES, FEATURE_DIM)).astype(np.float32)
    captions = made_captions(generator, IMAGES)
    for split in ("train", "dev"):
        with h5py.File(tmp_path / f"{split}_features.h5", "w") as file:
            file["features"] = features
        with h5py.File(tmp_path / f"{split}_captions.h5", "w") as file:
            file[f"{split}_captions"] = captions
            file[f"{split}_image_idxs"] = np.arange(IMAGES, dtype=np.int32)
    word_to_idx = {word: number for number, word in enumerate(WORDS)}
    vocabulary = {"idx_to_word": WORDS, "word_to_idx": word_to_idx}
    (tmp_path / "vocabulary.json").write_text(json.dumps(vocabulary))
    return tmp_path


def train(
    study,
    name="model",
    dev=False,
    architecture="lstm",
    seed=0,
    precision="auto",
    feature_memory=10_000,
    **recipe,
):
    settings = {"wordvec_dim": 16, "hidden_dim": 32, "epochs": 2, "batch_size": 8, **recipe}
    dev_files = {f"dev_{part}": study / f"dev_{part}.h5" for part in ("features", "captions")}
    train_captioner(
        study / "train_features.h5",
        study / "train_captions.h5",
        study / "vocabulary.json",
        output=study / name,
        recipe=Recipe(architecture=architecture, **settings),
        seed=seed,
        dev_share=0.1,
        dataset="letters",
        precision=precision,
        feature_memory=feature_memory,
        threads=1,
        **(dev_files if dev else {}),
    )
    return study / name


def history(folder):
    with (folder / "history.csv").open() as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize("cell", ["rnn", "lstm"])
def test_captions_are_learnt_by_heart(study, cell):
    """Thirty captions from thirty feature vectors, of a scale far from 1."""
    folder = train(
        study, dev=True, architecture=cell, epochs=120, learning_rate=0.01, hidden_dim=64
    )
    facts = load_captioner(folder).facts
    assert facts["best_validation_loss"] < 0.3
    assert facts["validation"] == "the dev split: 30 captions"
    assert facts["dataset"] == "letters"


def loss_of_the_dev_split(study, folder):
    """Return the loss, without dropout, of the captioner in a folder."""
    trained = load_captioner(folder)
    captioner = Captioner(trained.recipe, FEATURE_DIM, len(WORDS), 0).eval()
    captioner.load_course_parameters(trained.parameters)
    with h5py.File(study / "dev_features.h5") as file:
        features = torch.from_numpy(file["features"][:])
    with h5py.File(study / "dev_captions.h5") as file:
        captions = file["dev_captions"][:]
    return captioner(features, captions).item()


def test_parameters_are_for_features_as_they_lie_in_the_file(study):
    folder = train(study, dev=True, epochs=30, learning_rate=0.01)
    loss = loss_of_the_dev_split(study, folder)
    assert loss == pytest.approx(load_captioner(folder).facts["best_validation_loss"], rel=5e-3)


@pytest.mark.parametrize("cell", ["rnn", "lstm"])
def test_the_same_seed_gives_the_same_bytes(study, cell):
    folders = [train(study, name, architecture=cell, dropout=0.3) for name in ("one", "two")]
    for name in ("model.safetensors", "config.json"):
        one, two = ((folder / name).read_bytes() for folder in folders)
        assert one == two
    for one, two in zip(*map(history, folders), strict=True):
        one.pop("captions_per_second")
        two.pop("captions_per_second")
        assert one == two
    other = train(study, "other", architecture=cell, dropout=0.3, seed=1)
    name = "model.safetensors"
    assert (other / name).read_bytes() != (folders[0] / name).read_bytes()


def test_a_handful_of_captions_to_choose_an_epoch_on_is_told(study, capsys, monkeypatch):
    (warning,) = load_captioner(train(study)).facts["warnings"]
    assert warning.startswith("the epoch to keep is chosen on 3 captions")
    assert f"warning: {warning}" in capsys.readouterr().out
    monkeypatch.setattr("recap.training.train.FEW_CAPTIONS", 3)
    assert load_captioner(train(study, "enough")).facts["warnings"] == []
    assert "is chosen on" not in capsys.readouterr().out


def test_training_images_that_could_not_be_read_are_told(study, monkeypatch, capsys):
    monkeypatch.setattr("recap.training.train.FEW_CAPTIONS", 3)
    with h5py.File(study / "train_features.h5", "r+") as file:
        file["features"].attrs["skipped"] = [4, 7]
    facts = load_captioner(train(study)).facts
    assert facts["warnings"] == [
        "2 of the 30 training images could not be read and were left out; the log of"
        " extract_features names them"
    ]
    assert f"warning: {facts['warnings'][0]}" in capsys.readouterr().out
    assert facts["validation"] == "3 of the 28 training images, drawn by seed: 3 captions"


def test_the_history_has_a_validation_loss_at_the_end_of_each_epoch(study):
    rows = history(train(study, epochs=3))
    assert [int(row["step"]) for row in rows] == sorted({int(row["step"]) for row in rows})
    for row, following in zip(rows, [*rows[1:], {"epoch": None}], strict=True):
        assert bool(row["validation_loss"]) == (row["epoch"] != following["epoch"])
    losses = {int(row["epoch"]): float(row["validation_loss"] or "inf") for row in rows}
    facts = load_captioner(study / "model").facts
    assert facts["best_epoch"] == min(losses, key=losses.get)
    assert facts["best_validation_loss"] == min(losses.values())


def test_the_parameters_of_the_best_epoch_are_kept(study):
    """At an absurd learning rate the loss of other captions rises after the first epochs."""
    with h5py.File(study / "dev_captions.h5", "a") as file:
        file["dev_captions"][:] = made_captions(np.random.default_rng(1), IMAGES)
    settings = {"dev": True, "epochs": 20, "learning_rate": 0.05, "schedule": "constant"}
    folder = train(study, dropout=0.5, precision="float32", **settings)
    facts = load_captioner(folder).facts
    losses = [float(row["validation_loss"] or "inf") for row in history(folder)]
    assert facts["best_epoch"] < 20
    assert facts["best_validation_loss"] == min(losses) < 0.9 * losses[-1]
    assert facts["best_validation_loss"] == pytest.approx(
        loss_of_the_dev_split(study, folder), rel=1e-4
    )


def held_out_images(study, monkeypatch, seed):
    def note(trainer, recipe, train, dev, *others):
        noted.append((set(train.image_idxs), set(dev.image_idxs)))
        raise Interrupted

    noted = []
    with monkeypatch.context() as patch:
        patch.setattr("recap.training.train.run_epochs", note)
        with pytest.raises(Interrupted):
            train(study, f"seed{seed}", seed=seed)
    ((learnt, held_out),) = noted
    assert learnt | held_out == set(range(IMAGES))
    return held_out


def test_the_seed_draws_the_images_that_are_held_out(study, monkeypatch):
    drawn = [held_out_images(study, monkeypatch, seed) for seed in (0, 0, 1, 2)]
    assert drawn[0] == drawn[1]
    assert len(set(map(frozenset, drawn))) == 3


def test_a_loss_that_is_not_finite_stops_with_advice(study):
    with pytest.raises(InputError, match=r"loss is nan at step \d+ .* lower `learning_rate`"):
        train(study, learning_rate=1e30, gradient_clip=1e30, schedule="constant", epochs=20)
    assert not (study / "model" / "model.safetensors").exists()


def test_captions_of_another_vocabulary_are_refused(study):
    vocabulary = {"idx_to_word": WORDS[:6], "word_to_idx": {w: i for i, w in enumerate(WORDS[:6])}}
    (study / "vocabulary.json").write_text(json.dumps(vocabulary))
    with pytest.raises(InputError, match="encoded with another vocabulary"):
        train(study)


def test_captions_of_more_images_than_features_are_refused(study):
    with h5py.File(study / "train_features.h5", "a") as file:
        del file["features"]
        file["features"] = np.ones((5, FEATURE_DIM), np.float32)
    with pytest.raises(InputError, match=r"speaks of image 5 but .* has 5 rows"):
        train(study)


def test_skipped_images_are_not_trained_on(study):
    with h5py.File(study / "train_features.h5", "a") as file:
        file["features"][3] = np.nan
        file["features"].attrs["skipped"] = np.array([3])
    assert math.isfinite(load_captioner(train(study)).facts["best_validation_loss"])


@pytest.fixture
def small_pieces(monkeypatch):
    """Have features read from their file three rows at a time, of which two pieces are held."""
    monkeypatch.setattr("recap.features.rows_in_file.PIECE_BYTES", 3 * 4 * FEATURE_DIM)
    read = RowsInFile.__init__
    monkeypatch.setattr(
        RowsInFile, "__init__", lambda self, path, _: read(self, path, 2 * 3 * 4 * FEATURE_DIM)
    )
    monkeypatch.setattr("recap.training.train.MEGABYTE", 1)


@pytest.mark.usefixtures("small_pieces")
@pytest.mark.parametrize("self_critical_epochs", [0, 1])
def test_features_that_stay_in_their_file_are_learnt_from(study, self_critical_epochs):
    settings = {"feature_memory": 1, "self_critical_epochs": self_critical_epochs, "epochs": 3}
    one, two = (train(study, name, **settings) for name in ("one", "two"))
    assert (one / "model.safetensors").read_bytes() == (two / "model.safetensors").read_bytes()
    other = train(study, "other", seed=1, **settings)
    assert (one / "model.safetensors").read_bytes() != (other / "model.safetensors").read_bytes()
    # The same loss at the first step's parameters, whichever way features come.
    whole = train(study, "whole", **(settings | {"feature_memory": 100}))
    losses = [load_captioner(folder).facts["best_validation_loss"] for folder in (one, whole)]
    assert losses[0] == pytest.approx(losses[1], rel=0.1)


@pytest.mark.usefixtures("small_pieces")
def test_captions_of_a_file_are_learnt(study):
    settings = {"learning_rate": 0.02, "hidden_dim": 64, "feature_memory": 1}
    folder = train(study, dev=True, epochs=25, **settings)
    first = float(history(folder)[0]["loss"])
    assert load_captioner(folder).facts["best_validation_loss"] < 0.5 * first


def made_images(count=50, images=20):
    generator = np.random.default_rng(1)
    return CaptionedImages(
        generator.normal(size=(images, 4)).astype(np.float32),
        made_captions(generator, count),
        generator.integers(0, images, count).astype(np.int32),
    )


def test_held_out_captions_are_of_other_images():
    everything = made_images()
    train, dev = hold_out(everything, 0.6, np.random.default_rng(0))
    assert not set(train.image_idxs) & set(dev.image_idxs)
    assert len(train) + len(dev) == len(everything)
    assert len(np.unique(dev.image_idxs)) == round(0.6 * len(np.unique(everything.image_idxs)))


@pytest.mark.parametrize(("images", "held"), [(20, 10), (40, 20), (90, 20), (2, 1), (3, 1)])
def test_twenty_images_or_half_of_all_are_held_out_at_least(images, held):
    everything = made_images(20 * images, images)
    _, dev = hold_out(everything, 1e-6, np.random.default_rng(0))
    assert len(np.unique(dev.image_idxs)) == held


def test_an_image_is_left_to_learn_from():
    everything = made_images()
    train, _ = hold_out(everything, 1 - 1e-6, np.random.default_rng(0))
    assert len(np.unique(train.image_idxs)) == 1


def test_a_single_image_cannot_be_held_out():
    everything = made_images()
    one = everything.take(everything.image_idxs == everything.image_idxs[0])
    with pytest.raises(InputError, match="at least two captioned images"):
        hold_out(one, 0.2, np.random.default_rng(0))


def test_batches_hold_every_caption_once():
    everything = made_images(1000)
    batches = draw_batches(everything, 7, 0, np.random.default_rng(0))
    assert sorted(np.concatenate(batches)) == list(range(1000))
    assert max(map(len, batches)) == 7
    assert sum(len(batch) < 7 for batch in batches) <= 5  # one a pool


def test_batches_hold_little_padding():
    everything = made_images(2000)
    lengths = (everything.captions != 0).sum(axis=1)
    batches = draw_batches(everything, 16, 0, np.random.default_rng(0))
    computed = sum(lengths[batch].max() * len(batch) for batch in batches)
    assert computed < 1.1 * lengths.sum()
    firsts = [lengths[batch].max() for batch in batches]
    assert firsts != sorted(firsts)


def test_a_batch_is_cut_at_its_longest_caption():
    captions = np.array([[1, 4, 2, 0, 0], [1, 4, 0, 2, 0]], np.int32)
    images = CaptionedImages(np.eye(2, dtype=np.float32), captions, np.array([1, 0], np.int32))
    features, cut = images.batch(np.array([0, 1]), 0)
    assert cut.tolist() == [[1, 4, 2, 0], [1, 4, 0, 2]]
    assert features.tolist() == [[0, 1], [1, 0]]
    assert images.batch(np.array([0]), 0)[1].tolist() == [[1, 4, 2]]


def test_a_single_step_is_learnt_from(study):
    (row,) = history(train(study, dev=True, epochs=1, batch_size=IMAGES, learning_rate=0.01))
    assert row["step"] == "1"
    # Both of the same captions, before and after the step.
    assert float(row["validation_loss"]) < 0.995 * float(row["loss"])


def test_a_captioner_returns_from_its_folder(study):
    trained = load_captioner(train(study))
    save_captioner(study / "copy", trained)
    for name in ("model.safetensors", "config.json"):
        assert (study / "copy" / name).read_bytes() == (study / "model" / name).read_bytes()


def test_each_file_of_a_captioner_has_a_digest(study, capsys):
    folder = train(study)
    capsys.readouterr()
    verify_study(folder)
    told = ["ok       config.json", "ok       history.csv", "ok       model.safetensors"]
    assert capsys.readouterr().out.splitlines() == [*told, "3 ok, 0 FAILED, 0 unknown"]


def test_a_damaged_folder_is_refused(study):
    folder = train(study)
    with pytest.raises(InputError, match="holds no trained captioner"):
        load_captioner(study / "elsewhere")
    model = folder / "model.safetensors"
    whole = model.read_bytes()
    model.write_bytes(whole[:-100])
    with pytest.raises(InputError, match="cannot be read"):
        load_captioner(folder)
    model.write_bytes(whole)
    config = json.loads((folder / "config.json").read_text())
    config["idx_to_word"].append("more")
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(InputError, match="does not fit config.json"):
        load_captioner(folder)


def test_half_a_dev_split_is_refused(study):
    with pytest.raises(InputError, match="needs both its features and its captions"):
        train_captioner(
            study / "train_features.h5",
            study / "train_captions.h5",
            study / "vocabulary.json",
            output=study / "model",
            dev_features=study / "dev_features.h5",
        )


def test_features_that_are_all_zero_are_refused(study):
    with h5py.File(study / "train_features.h5", "a") as file:
        file["features"][:] = 0
    with pytest.raises(InputError, match="all zero"):
        train(study)


@pytest.mark.parametrize(
    "setting",
    [{"epochs": 0}, {"batch_size": 0}, {"learning_rate": 0}, {"dropout": 1}, {"gradient_clip": -1}],
)
def test_a_recipe_out_of_range_is_refused(setting):
    with pytest.raises(InputError, match=f"`{next(iter(setting))}` must be"):
        Recipe(**setting)


# --- interruptions ------------------------------------------------------------------------------


class Interrupted(Exception):
    """Stands for a power cut."""


def interrupt_after(monkeypatch, steps, backend):
    """Have a checkpoint written after each step, and the training die after some."""
    trainer = {"torch": TorchTrainer, "numpy": NumpyTrainer}[backend]
    step, taken = trainer.step, 0

    def dying_step(*arguments):
        nonlocal taken
        taken += 1
        if taken > steps:
            raise Interrupted
        return step(*arguments)

    monkeypatch.setattr("recap.core.checkpoint.CHECKPOINT_SECONDS", -1)
    monkeypatch.setattr(trainer, "step", dying_step)


def without_times(folder):
    return [{**row, "captions_per_second": None} for row in history(folder)]


@pytest.mark.parametrize(
    ("steps", "backend", "cell"),
    [
        *itertools.product([1, 4, 5, 11], ["torch", "numpy"], ["lstm"]),
        *itertools.product([5], ["torch", "numpy"], ["gru"]),
        (5, "torch", "transformer"),
    ],
)
def test_an_interrupted_training_ends_in_the_same_bytes(
    study, monkeypatch, capsys, steps, backend, cell
):
    """Four steps are an epoch: the cuts lie within epochs and at their ends."""
    dropout = {"torch": 0.3, "numpy": 0.0}[backend]
    settings = {"epochs": 3, "backend": backend, "architecture": cell, "dropout": dropout}
    undisturbed = train(study, "undisturbed", **settings)
    with monkeypatch.context() as patch:
        interrupt_after(patch, steps, backend)
        with pytest.raises(Interrupted):
            train(study, "disturbed", **settings)
    capsys.readouterr()
    disturbed = train(study, "disturbed", **settings)
    assert f"goes on from step {steps}" in capsys.readouterr().out
    for name in ("model.safetensors", "config.json"):
        assert (disturbed / name).read_bytes() == (undisturbed / name).read_bytes()
    assert without_times(disturbed) == without_times(undisturbed)
    assert not (disturbed / CHECKPOINT).exists()


def leave_a_checkpoint(study, monkeypatch):
    with monkeypatch.context() as patch:
        interrupt_after(patch, 3, "torch")
        with pytest.raises(Interrupted):
            train(study)
    return study / "model" / CHECKPOINT


def change_features(study):
    with h5py.File(study / "train_features.h5", "a") as file:
        file["features"][0] += 1


def change_captions(study):
    with h5py.File(study / "train_captions.h5", "a") as file:
        file["train_captions"][0, 1] = 5


def change_vocabulary(study):
    words = [*WORDS[:-1], "other"]
    vocabulary = {"idx_to_word": words, "word_to_idx": {w: i for i, w in enumerate(words)}}
    (study / "vocabulary.json").write_text(json.dumps(vocabulary))


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (change_features, "features"),
        (change_captions, "captions"),
        (change_vocabulary, "vocabulary"),
    ],
)
def test_a_checkpoint_of_other_data_is_refused(study, monkeypatch, capsys, change, named):
    leave_a_checkpoint(study, monkeypatch)
    change(study)
    train(study)
    assert f"other {named}: training starts anew" in capsys.readouterr().out


def test_a_checkpoint_of_another_recipe_is_refused(study, monkeypatch, capsys):
    leave_a_checkpoint(study, monkeypatch)
    train(study, learning_rate=0.002)
    assert "other recipe: training starts anew" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("recap.training.train.torch.__version__", r"other torch \(.*, now 9\)"),
        ("recap.training.train.np.__version__", r"other numpy \(.*, now 9\)"),
        ("recap.training.train.use_threads", r"other threads \(1, now 9\)"),
    ],
)
def test_a_checkpoint_of_another_environment_is_refused(study, monkeypatch, capsys, name, said):
    """Going on would end in bytes that neither environment gives alone."""
    leave_a_checkpoint(study, monkeypatch)
    monkeypatch.setattr(name, (lambda _: 9) if name.endswith("threads") else "9")
    train(study)
    told = capsys.readouterr().out
    assert re.search(f"{said}: training starts anew", told)
    assert "goes on" not in told


@pytest.mark.parametrize("damage", [b"", b"\x08" * 20, b"cut"])
def test_a_damaged_checkpoint_is_refused(study, monkeypatch, capsys, damage):
    checkpoint = leave_a_checkpoint(study, monkeypatch)
    checkpoint.write_bytes(damage)
    folder = train(study)
    assert "cannot be read" in capsys.readouterr().out
    assert len(history(folder)) == 8


def test_training_ends_when_its_patience_does(study, capsys):
    folder = train(
        study, epochs=40, learning_rate=0.05, schedule="constant", patience=2, hidden_dim=64
    )
    facts = load_captioner(folder).facts
    assert int(history(folder)[-1]["epoch"]) == facts["best_epoch"] + 2
    assert "no better validation loss for 2 epochs" in capsys.readouterr().out


def test_a_rising_validation_loss_is_told(study, capsys):
    train(study, epochs=40, learning_rate=0.05, schedule="constant")
    assert "the validation loss rose to" in capsys.readouterr().out


@pytest.mark.parametrize("cell", ["rnn", "lstm"])
def test_bfloat16_ends_at_the_validation_loss_of_float32(study, cell):
    losses = []
    for precision in ("float32", "bfloat16"):
        folder = train(
            study, precision, dev=True, architecture=cell, precision=precision, epochs=20
        )
        losses.append(load_captioner(folder).facts["best_validation_loss"])
    assert losses[1] == pytest.approx(losses[0], rel=5e-3)
    assert losses[1] != losses[0]


@pytest.mark.slow
@pytest.mark.parametrize(("backend", "kills"), [("torch", 10), ("numpy", 3)])
def test_kills_at_random_moments_change_no_byte(study, backend, kills):
    settings = {"wordvec_dim": 16, "hidden_dim": 64, "epochs": 400, "batch_size": 8}
    recipe = {"architecture": "lstm", "backend": backend, **settings}
    if backend == "torch":
        recipe["dropout"] = 0.3

    def command(folder):
        files = ["train_features.h5", "train_captions.h5", "vocabulary.json"]
        words = ["train-captioner", *(str(study / file) for file in files)]
        words += ["--output", str(folder), "--recipe", json.dumps(recipe)]
        return [sys.executable, "-m", "recap", *words, "--dev-share", "0.1", "--threads", "1"]

    moments = random.Random(0)
    killed, undisturbed = study / "killed", study / "undisturbed"
    checkpoint = killed / CHECKPOINT
    steps = set()
    for _ in range(kills):
        before = checkpoint.stat().st_mtime_ns if checkpoint.exists() else None
        process = subprocess.Popen(command(killed), stderr=subprocess.DEVNULL)
        while not checkpoint.exists() or checkpoint.stat().st_mtime_ns == before:
            assert process.poll() is None, "the training ended before it could be killed"
            time.sleep(0.001)
        time.sleep(moments.uniform(0, 0.4))
        process.kill()
        process.wait()
        with safe_open(checkpoint, framework="numpy") as file:
            steps.add(json.loads(file.metadata()["facts"])["state"]["step"])
    assert len(steps) == kills
    for folder in (killed, undisturbed):
        subprocess.run(command(folder), check=True)
    for name in ("model.safetensors", "config.json"):
        assert (killed / name).read_bytes() == (undisturbed / name).read_bytes()
    assert without_times(killed) == without_times(undisturbed)
