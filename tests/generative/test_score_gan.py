"""The judge, samples and scores of a small GAN."""

import json

import numpy as np
import pytest
from PIL import Image

from recap.core.errors import InputError
from recap.datasets.digits.idx import Digits, read_digits, write_digits
from recap.generative import train as training
from recap.generative.classifier import judge, load_classifier, train_digit_classifier
from recap.generative.folder import load_generator
from recap.generative.recipe import GAN
from recap.generative.sample import lay_grid, sample_gan
from recap.generative.score import score_gan
from recap.generative.train import train_gan
from recap.generative.trainer import draw_samples, sampling_noise, uniform_noise

SAMPLES = 1_000


@pytest.fixture(scope="module")
def classifier(digits, tmp_path_factory):
    folder = tmp_path_factory.mktemp("classifier")
    train_digit_classifier(**digits, output=folder, epochs=3, threads=1)
    return folder


@pytest.fixture(scope="module")
def gan(digits, tmp_path_factory):
    folder = tmp_path_factory.mktemp("gan")
    recipe = GAN(networks="fully_connected", noise_dim=8, epochs=2, batch_size=50)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(training, "SAMPLES_A_STAGE", 200)
        train_gan(digits["train_images"], output=folder, recipe=recipe, threads=1)
    return folder


def score(digits, classifier, gan, folder):
    score_gan(
        gan,
        classifier=classifier,
        train_images=digits["train_images"],
        test_images=digits["test_images"],
        output=folder / "scores.json",
        pictures=folder / "pictures.npz",
        samples=SAMPLES,
        threads=1,
    )
    return json.loads((folder / "scores.json").read_text()), np.load(folder / "pictures.npz")


def test_the_judge_tells_digits_apart(digits, classifier):
    config = json.loads((classifier / "config.json").read_text())
    test = read_digits(digits["test_images"], digits["test_labels"])
    features, classes = judge(load_classifier(classifier), test.images)
    assert features.shape == (1000, 128)
    assert config["accuracy"] == (classes == test.labels).mean()
    assert config["accuracy"] > 0.9


def test_the_judge_is_the_same_for_the_same_seed(digits, classifier, tmp_path):
    train_digit_classifier(**digits, output=tmp_path, epochs=3, threads=1)
    for name in ("classifier.safetensors", "config.json"):
        assert (tmp_path / name).read_bytes() == (classifier / name).read_bytes()


@pytest.mark.parametrize(("bound", "told"), [(0.0, False), (1.1, True)])
def test_what_is_seldom_right_is_warned_of(digits, tmp_path, monkeypatch, capsys, bound, told):
    monkeypatch.setattr("recap.generative.classifier.UNSURE", bound)
    train_digit_classifier(**digits, output=tmp_path, epochs=1, threads=1)
    assert ("says little of GANs" in capsys.readouterr().out) == told


def test_few_pictures_to_test_on_are_refused(digits, classifier, gan, tmp_path):
    few = {**digits, "test_images": tmp_path / "images.gz", "test_labels": tmp_path / "labels.gz"}
    test = read_digits(digits["test_images"], digits["test_labels"])
    write_digits(
        few["test_images"], few["test_labels"], Digits(test.images[:128], test.labels[:128])
    )
    with pytest.raises(InputError, match=r"images\.gz has 128 pictures"):
        train_digit_classifier(**few, output=tmp_path / "classifier")
    with pytest.raises(InputError, match=r"images\.gz has 128 pictures"):
        score(few, classifier, gan, tmp_path)


def test_an_untrained_gan_is_far_and_training_images_are_near(digits, classifier, gan, tmp_path):
    scores, pictures = score(digits, classifier, gan, tmp_path)
    made, floor = scores["gan"], scores["floor"]
    assert made["frechet_distance"] > 10 * floor["frechet_distance"] > 0
    assert floor["precision"] > 0.7
    assert floor["recall"] > 0.7
    assert floor["classes_made"] == 10
    assert scores["floor_images"] == SAMPLES
    assert scores["along_floor"] > floor["frechet_distance"]
    assert made["precision"] < 0.5
    assert sum(made["class_shares"]) == pytest.approx(1)
    assert len(scores["along"]) == 11
    assert scores["along"][-1]["step"] == 60
    assert pictures["samples"].shape == (100, 28, 28)
    assert pictures["neighbours"].shape == (6, 2, 28, 28)


def test_scores_have_the_same_bytes_each_time(digits, classifier, gan, tmp_path):
    for name in ("one", "two"):
        score(digits, classifier, gan, tmp_path / name)
    for name in ("scores.json", "pictures.npz"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()


def test_rows_of_interpolation_lead_from_one_sample_to_another(digits, classifier, gan, tmp_path):
    _, pictures = score(digits, classifier, gan, tmp_path)
    ends = pictures["interpolation"][:, [0, -1]].reshape(12, 28, 28).astype(int)
    assert np.abs(ends - pictures["samples"][:12]).max() <= 1


def test_copies_of_training_pictures_are_counted(
    digits, classifier, gan, tmp_path, monkeypatch, capsys
):
    train = read_digits(digits["train_images"], digits["train_labels"])
    zeros = train.images[train.labels == 0]

    def copied(generator, noise):
        return zeros[np.arange(len(noise)) % len(zeros)]

    monkeypatch.setattr("recap.generative.score.draw_samples", copied)
    monkeypatch.setattr("recap.generative.score.COLLAPSED", 0.7)
    monkeypatch.setattr("recap.generative.score._interpolate", lambda *_: zeros[:1])
    scores, _ = score(digits, classifier, gan, tmp_path)
    assert scores["gan"]["copies"] == 1
    assert max(scores["gan"]["class_shares"]) == scores["gan"]["class_shares"][0] > 0.7
    assert "of the samples look like the class 0: the training has collapsed" in (
        capsys.readouterr().out
    )


def test_few_samples_are_refused(digits, classifier, gan, tmp_path):
    with pytest.raises(InputError, match="`samples` must be at least 1000"):
        score_gan(
            gan,
            classifier=classifier,
            train_images=digits["train_images"],
            test_images=digits["test_images"],
            output=tmp_path / "scores.json",
            pictures=tmp_path / "pictures.npz",
            samples=999,
        )


def test_a_grid_of_samples_is_drawn(gan, tmp_path):
    sample_gan(gan, output=tmp_path / "grid.png", images=10, seed=3)
    generator, recipe, _ = load_generator(gan)
    noise = uniform_noise(10, recipe.noise_dim, sampling_noise(3))
    grid = np.asarray(Image.open(tmp_path / "grid.png"))
    assert grid.shape == (3 * 30 - 2, 4 * 30 - 2)
    np.testing.assert_array_equal(grid[30:58, 60:88], draw_samples(generator, noise)[6])
    assert (grid[60:, 60:] == 0).all()


def test_a_grid_may_have_so_many_columns():
    assert lay_grid(np.zeros((7, 28, 28), np.uint8), columns=7).size == (7 * 30 - 2, 28)


def test_the_samples_of_a_training_are_those_of_its_generator(gan):
    generator, recipe, seed = load_generator(gan)
    noise = uniform_noise(200, recipe.noise_dim, sampling_noise(seed))
    last = np.load(gan / "samples.npz")["images"][-1].astype(int)
    assert np.abs(draw_samples(generator, noise).astype(int) - last).max() <= 1


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        (lambda folder: (folder / "config.json").unlink(), "holds no trained GAN"),
        (lambda folder: (folder / "config.json").write_text("[]"), "lacks recipe, seed"),
        (
            lambda folder: (folder / "config.json").write_text('{"recipe": {"x": 1}, "seed": 0}'),
            "no GAN that recap has trained",
        ),
        (
            lambda folder: (folder / "config.json").write_text('{"recipe": {}, "seed": "0"}'),
            "no GAN that recap has trained",
        ),
        (
            lambda folder: (folder / "config.json").write_text(
                '{"recipe": {"epochs": 0}, "seed": 0}'
            ),
            "config.json: `epochs` must be",
        ),
        (lambda folder: (folder / "generator.safetensors").unlink(), "training has not ended"),
        (
            lambda folder: (folder / "generator.safetensors").write_bytes(b"0" * 20),
            "does not hold the weights",
        ),
        (
            lambda folder: (folder / "generator.safetensors").write_bytes(
                (folder / "discriminator.safetensors").read_bytes()
            ),
            "does not hold the weights",
        ),
    ],
)
def test_damaged_folders_are_told(gan, tmp_path, damage, told):
    for path in gan.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    damage(tmp_path)
    with pytest.raises(InputError, match=told):
        sample_gan(tmp_path, output=tmp_path / "grid.png")


@pytest.mark.parametrize("length", [0, 30, 300])
def test_a_cut_archive_of_samples_is_told(digits, classifier, gan, tmp_path, length):
    for path in gan.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    (tmp_path / "samples.npz").write_bytes((gan / "samples.npz").read_bytes()[:length])
    with pytest.raises(InputError, match=r"samples\.npz is not a whole NumPy archive"):
        score(digits, classifier, tmp_path, tmp_path / "scores")
