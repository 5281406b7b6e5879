"""Folders of pictures in MNIST's format."""

import numpy as np
import pytest
from PIL import Image

from recap.core.errors import InputError
from recap.datasets.digits.idx import read_digits
from recap.datasets.digits.pack import pack_pictures

NAMES = ("train_images", "train_labels", "test_images", "test_labels")


@pytest.fixture
def folder(tmp_path):
    for label, name in enumerate(("cat", "dog", "emu")):
        for number in range(10):
            path = tmp_path / "pictures" / name / f"{number}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.new("RGB", (40 + number, 56), (60 * label, 60 * label, 60 * label)).save(path)
    (tmp_path / "pictures" / "cat" / ".hidden").write_text("no picture")
    return tmp_path / "pictures"


def pack(folder, **options):
    paths = {name: folder.parent / f"{name}.gz" for name in NAMES}
    pack_pictures(folder, **paths, **options)
    return (
        read_digits(paths["train_images"], paths["train_labels"]),
        read_digits(paths["test_images"], paths["test_labels"]),
    )


def test_each_picture_has_the_class_of_its_folder(folder):
    train, test = pack(folder, test_share=0.2)
    assert (len(train.labels), len(test.labels)) == (24, 6)
    for digits in (train, test):
        np.testing.assert_array_equal(digits.images[:, 14, 14], 60 * digits.labels)
    assert sorted([*train.labels, *test.labels]) == [0] * 10 + [1] * 10 + [2] * 10
    assert (np.diff(train.labels.astype(int)) < 0).any()


def test_dark_strokes_may_become_light(folder):
    train, _ = pack(folder, invert=True)
    np.testing.assert_array_equal(train.images[:, 14, 14], 255 - 60 * train.labels)


def test_the_seed_decides_what_is_tested(folder):
    one, again, other = (pack(folder, seed=seed)[0].labels for seed in (1, 1, 2))
    np.testing.assert_array_equal(one, again)
    assert (one != other).any()


def test_what_cannot_be_packed_is_told(folder, tmp_path):
    (folder / "cat" / "0.png").write_text("no picture")
    with pytest.raises(InputError, match=r"cat/0\.png"):
        pack(folder)
    with pytest.raises(InputError, match="is no folder"):
        pack(tmp_path / "none")
    with pytest.raises(InputError, match="has 0 sub-folders: it needs two to ten"):
        pack(folder / "dog")
    with pytest.raises(InputError, match="too few to train and to test on"):
        pack(folder, test_share=0.001)
