"""Drawn digits: classes, looks, and the same bytes from the same seed."""

import numpy as np
import pytest

from recap.core.errors import InputError
from recap.datasets.digits.draw import draw_digit, draw_digits
from recap.datasets.digits.idx import read_digits

NAMES = ("train_images", "train_labels", "test_images", "test_labels")


def draw(folder, **options):
    paths = {name: folder / f"{name}.gz" for name in NAMES}
    draw_digits(**paths, **{"train": 40, "test": 20, **options})
    return paths


def contents(paths):
    return [path.read_bytes() for path in paths.values()]


def test_each_class_is_drawn_as_often_and_in_no_order(tmp_path):
    paths = draw(tmp_path)
    train = read_digits(paths["train_images"], paths["train_labels"])
    test = read_digits(paths["test_images"], paths["test_labels"])
    assert np.bincount(train.labels).tolist() == [4] * 10
    assert np.bincount(test.labels).tolist() == [2] * 10
    assert not (np.diff(train.labels.astype(int)) % 10 == 1).all()
    assert not (train.images[:20] == test.images).all()


def test_the_seed_decides_the_bytes(tmp_path):
    seeds = {"first": 3, "again": 3, "other": 4}
    drawn = {name: contents(draw(tmp_path / name, seed=seed)) for name, seed in seeds.items()}
    assert drawn["first"] == drawn["again"]
    assert drawn["first"][0] != drawn["other"][0]


def test_digits_stand_whole_within_the_picture():
    generator = np.random.default_rng(0)
    pictures = np.stack([draw_digit(number % 10, generator) for number in range(300)])
    edge = np.ones((28, 28), bool)
    edge[1:-1, 1:-1] = False
    assert (pictures[:, edge] == 0).mean() > 0.999
    assert (pictures.max(axis=(1, 2)) > 200).all()
    # Ink as in MNIST, whose pixels have a mean of 33.
    assert 20 < pictures.mean() < 50


def test_pictures_of_a_digit_resemble_each_other_more_than_others():
    generator = np.random.default_rng(0)
    drawn = np.stack([[draw_digit(digit, generator) for _ in range(60)] for digit in range(10)])
    flat = drawn.reshape(10, 60, -1) / 255
    means = flat[:, :30].mean(axis=1)
    nearest = ((flat[:, 30:, None] - means) ** 2).sum(axis=-1).argmin(axis=-1)
    assert (nearest == np.arange(10)[:, None]).mean() > 0.6


@pytest.mark.parametrize(("name", "value"), [("train", 9), ("test", 0), ("seed", -1)])
def test_numbers_out_of_range_are_refused(tmp_path, name, value):
    with pytest.raises(InputError, match=f"`{name}` must be"):
        draw(tmp_path, **{name: value})
