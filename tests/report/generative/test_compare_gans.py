"""The page that compares GANs, of made-up trainings."""

import json
import re

import numpy as np
import pytest
from PIL import Image

from recap.core.errors import InputError
from recap.report.generative.compare import compare_gans

STEPS = np.arange(11) * 10


def write_training(study, gan, seed, distance, *, classes=10, lost=False, loss="cross_entropy"):
    generator = np.random.default_rng(seed)
    folder, scores = study / "gans" / gan / f"seed{seed}", study / "scores" / gan
    folder.mkdir(parents=True)
    scores.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(
        json.dumps({"recipe": {"loss": loss}, "seed": seed, "lost": lost})
    )
    rows = "".join(f"{step},1,{1.3 + step / 1000},0.7\n" for step in range(1, 101))
    (folder / "history.csv").write_text(f"step,epoch,discriminator_loss,generator_loss\n{rows}")
    stages = generator.integers(0, 256, (11, 64, 28, 28), np.uint8)
    np.savez(folder / "samples.npz", steps=STEPS, images=stages)
    shares = [1 / classes] * classes + [0] * (10 - classes)
    measured = {
        "frechet_distance": distance,
        "precision": 0.8,
        "recall": 0.6,
        "class_shares": shares,
        "classes_made": classes,
        "collapsed": classes == 1,
    }
    content = {
        "samples": 1000,
        "floor_images": 900,
        "test_images": 500,
        "along_floor": 8.5,
        "gan": {**measured, "copies": 0.01},
        "floor": {**measured, "frechet_distance": 5.6, "class_shares": [0.1] * 10},
        "along": [{"step": int(step), "frechet_distance": 500 / (1 + step)} for step in STEPS],
    }
    (scores / f"seed{seed}.json").write_text(json.dumps(content))
    pictures = generator.integers(0, 256, (100, 28, 28), np.uint8)
    np.savez(
        scores / f"seed{seed}.npz",
        samples=pictures,
        interpolation=pictures[:54].reshape(6, 9, 28, 28),
        neighbours=pictures[:12].reshape(6, 2, 28, 28),
    )


@pytest.fixture
def study(tmp_path):
    folder = tmp_path / "gan-made"
    (folder / "classifier").mkdir(parents=True)
    (folder / "classifier" / "config.json").write_text(
        json.dumps({"accuracy": 0.991, "features": "its 128 numbers"})
    )
    return folder


def compare(study, **options):
    compare_gans(study, output=study / "report", **options)
    page = (study / "report" / "index.html").read_text(encoding="utf-8")
    return page, (study / "report" / "summary.txt").read_text(encoding="utf-8")


def heading(page):
    return re.search(r"<h1>(.*?)</h1>", page)[1]


def test_one_training_each_is_called_a_training(study):
    write_training(study, "vanilla", 0, 421.0)
    write_training(study, "convolutional", 0, 45.2)
    page, summary = compare(study)
    assert heading(page) == "This training of convolutional makes the pictures nearest to real ones"
    assert "One seed tells nothing" in " ".join(summary.split())
    assert "<b>45.2</b>" in page
    assert "421.0" in page
    assert "900 training images in place of samples come to 5.6" in " ".join(summary.split())


def test_several_seeds_are_tested(study):
    for seed, (far, near) in enumerate([(421, 45), (430, 44), (415, 47)]):
        write_training(study, "vanilla", seed, far)
        write_training(study, "convolutional", seed, near)
    page, summary = compare(study)
    assert heading(page) == "convolutional makes the pictures nearest to real ones"
    assert "45.3 ± 1.5" in summary


def test_far_seeds_may_differ_by_more(study):
    """Three GANs' distances on MNIST: the difference is clear in ratios, not in differences."""
    measured = {"vanilla": (280, 224, 247), "convolutional": (31, 20.5, 26), "near": (7.2, 8, 7.9)}
    for name, found in measured.items():
        for seed, distance in enumerate(found):
            write_training(study, name, seed, distance)
    page, _ = compare(study)
    assert heading(page) == "near makes the pictures nearest to real ones"
    assert "of the logarithms, adjusted for 2 comparisons: p = 0.0" in page


def test_seeds_that_overlap_have_no_winner(study):
    for seed, (one, other) in enumerate([(40, 45), (50, 44), (45, 47)]):
        write_training(study, "one", seed, one)
        write_training(study, "other", seed, other)
    assert heading(compare(study)[0]) == "No GAN leads beyond what seeds differ by"


@pytest.mark.parametrize("failure", [{"classes": 1}, {"lost": True}])
def test_a_gan_that_has_failed_wins_nothing(study, failure):
    write_training(study, "broken", 0, 3.0, **failure)
    write_training(study, "sound", 0, 50.0)
    page, _ = compare(study)
    assert heading(page) == "sound comes to a Fréchet distance of 50.0"
    assert "broken has failed" in page
    assert "<b>50.0</b>" in page
    assert "<b>3.0</b>" not in page


def test_failures_alone_have_no_winner(study):
    write_training(study, "broken", 0, 3.0, classes=1)
    page, _ = compare(study)
    assert heading(page) == "All GANs have failed"
    assert "<b>" not in page


def test_losses_have_their_equilibrium(study):
    write_training(study, "one", 0, 50.0)
    write_training(study, "squares", 0, 40.0, loss="least_squares")
    page, _ = compare(study)
    # Text in figures is drawn as paths; labels are for readers of screens.
    assert "Losses of one by step; dotted lines at 1.39 and 0.693" in page
    assert "Losses of squares by step; dotted lines at 0.25 and 0.125" in page


def test_an_animation_of_each_gan_is_made(study):
    write_training(study, "one", 0, 50.0)
    compare(study)
    with Image.open(study / "report" / "one.gif") as animation:
        assert animation.n_frames == 11


def test_only_what_is_chosen_is_compared(study):
    for seed in (0, 1):
        for gan in ("one", "two"):
            write_training(study, gan, seed, 50.0 + seed)
    page, summary = compare(study, gans=["two"], seeds=[1])
    assert "one" not in summary.split("\n")[2]
    assert heading(page) == "two comes to a Fréchet distance of 51.0"


def test_names_are_escaped_and_nothing_is_loaded(study):
    write_training(study, "a<b>&c", 0, 50.0)
    page, _ = compare(study)
    assert "a<b>&c" not in page
    assert "a&lt;b&gt;&amp;c" in page
    assert not re.search(r'(src|href)="(?!data:|#)', page)


def test_the_page_has_the_same_bytes_each_time(study):
    write_training(study, "one", 0, 50.0)
    assert compare(study) == compare(study)


def test_what_is_missing_is_told(study):
    with pytest.raises(InputError, match="has no scores of GANs"):
        compare(study)
    write_training(study, "one", 0, 50.0)
    with pytest.raises(InputError, match="has no scores of two"):
        compare(study, gans=["two"])
    with pytest.raises(InputError, match=r"seed7"):
        compare(study, seeds=[7])
    (study / "gans" / "one" / "seed0" / "history.csv").write_text("")
    with pytest.raises(InputError, match=r"history\.csv is not whole"):
        compare(study)
