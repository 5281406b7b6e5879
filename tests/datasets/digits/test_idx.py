"""MNIST's file format, whole and damaged."""

import gzip
import hashlib

import numpy as np
import pytest

from recap.core.errors import InputError
from recap.datasets.digits.idx import Digits, read_digits, write_digits

COUNT = 12


@pytest.fixture
def files(tmp_path):
    return tmp_path / "images.gz", tmp_path / "labels.gz"


@pytest.fixture
def digits():
    images = np.random.default_rng(0).integers(0, 256, (COUNT, 28, 28), np.uint8)
    return Digits(images, np.arange(COUNT, dtype=np.uint8) % 10)


def test_what_is_written_is_read(files, digits):
    write_digits(*files, digits)
    read = read_digits(*files)
    np.testing.assert_array_equal(read.images, digits.images, strict=True)
    np.testing.assert_array_equal(read.labels, digits.labels, strict=True)


def test_the_header_is_that_of_mnist(files, digits):
    write_digits(*files, digits)
    images, labels = (gzip.decompress(path.read_bytes()) for path in files)
    assert images[:16] == bytes([0, 0, 8, 3, 0, 0, 0, COUNT, 0, 0, 0, 28, 0, 0, 0, 28])
    assert labels[:8] == bytes([0, 0, 8, 1, 0, 0, 0, COUNT])
    assert images[16:] == digits.images.tobytes()


def test_bytes_do_not_depend_on_the_time(files, digits, tmp_path, monkeypatch):
    write_digits(*files, digits)
    first = [hashlib.sha256(path.read_bytes()).digest() for path in files]
    monkeypatch.setattr("time.time", lambda: 2e9)
    write_digits(*files, digits)
    assert [hashlib.sha256(path.read_bytes()).digest() for path in files] == first


def damage(content, kind):
    plain = gzip.decompress(content)
    match kind:
        case "cut short":
            return content[: len(content) // 2]
        case "not gzip":
            return b"<html>Not found</html>"
        case "empty":
            return b""
        case "no header":
            return gzip.compress(b"")
        case "of floats":
            return gzip.compress(plain[:2] + b"\x0d" + plain[3:])
        case "a byte too few":
            return gzip.compress(plain[:-1])
        case "a byte too many":
            return gzip.compress(plain + b"\0")
        case "a huge count":
            return gzip.compress(plain[:4] + b"\xff" * 4 + plain[8:])


@pytest.mark.parametrize("which", [0, 1])
@pytest.mark.parametrize(
    ("kind", "told"),
    [
        ("cut short", "cannot be read as a gzip file"),
        ("not gzip", "cannot be read as a gzip file"),
        ("empty", "does not begin as an IDX file"),
        ("no header", "does not begin as an IDX file"),
        ("of floats", "does not begin as an IDX file"),
        ("a byte too few", "announces .* and holds"),
        ("a byte too many", "announces .* and holds"),
        ("a huge count", "announces 4294967295"),
    ],
)
def test_damage_is_told_with_the_file(files, digits, which, kind, told):
    write_digits(*files, digits)
    files[which].write_bytes(damage(files[which].read_bytes(), kind))
    with pytest.raises(InputError, match=f"{files[which].name} {told}"):
        read_digits(*files)


def test_files_that_do_not_belong_together_are_refused(files, digits):
    write_digits(*files, Digits(digits.images, digits.labels[:-1]))
    with pytest.raises(InputError, match="12 pictures and .* 11 labels"):
        read_digits(*files)


def test_labels_in_the_place_of_images_are_refused(files, digits):
    write_digits(*files, digits)
    with pytest.raises(InputError, match="name MNIST's images where images are wanted"):
        read_digits(files[1], files[1])


def test_other_sizes_and_labels_are_refused(files, digits):
    write_digits(*files, Digits(digits.images[:, :20], digits.labels))
    with pytest.raises(InputError, match="pictures of 28x20"):
        read_digits(*files)
    write_digits(*files, Digits(digits.images, digits.labels + 1))
    with pytest.raises(InputError, match="has the label 10"):
        read_digits(*files)
    write_digits(*files, Digits(digits.images[:0], digits.labels[:0]))
    with pytest.raises(InputError, match="has no labels"):
        read_digits(*files)


def test_missing_files_and_folders_are_told(files, tmp_path):
    with pytest.raises(InputError, match="does not exist"):
        read_digits(*files)
    files[0].mkdir()
    with pytest.raises(InputError, match="is a folder"):
        read_digits(*files)
