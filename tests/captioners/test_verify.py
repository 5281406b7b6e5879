import hashlib
import json
import os
import re
from pathlib import Path

import h5py
import numpy as np
import pytest

from recap.captioners import verify as verify_module
from recap.captioners.verify import verify
from recap.core.errors import InputError

WORDS = ["<NULL>", "<START>", "<END>", "<UNK>", "a", "dog", "cat"]
IMAGES = {"train": 5, "val": 3}
CAPTIONS = "coco2014_captions.h5"
VOCABULARY = "coco2014_vocab.json"


def write_words(path, words):
    numbers = {word: number for number, word in enumerate(words)}
    path.write_text(json.dumps({"idx_to_word": words, "word_to_idx": numbers}))


@pytest.fixture
def folder(tmp_path):
    path = tmp_path / "coco_captioning"
    path.mkdir()
    write_words(path / VOCABULARY, WORDS)
    generator = np.random.default_rng(0)
    with h5py.File(path / CAPTIONS, "w") as file:
        for split, count in IMAGES.items():
            row = [1, 4, 3, 5, 2, *[0] * 12]
            file[f"{split}_captions"] = np.array([row] * (2 * count), dtype=np.int32)
            rows = np.arange(2 * count, dtype=np.int32) // 2
            file[f"{split}_image_idxs"] = rows
            for suffix, width in (("", 6), ("_pca", 2)):
                with h5py.File(path / f"{split}2014_vgg16_fc7{suffix}.h5", "w") as features:
                    features["features"] = generator.random((count, width)).astype(np.float32)
            photos = [f"coco/images/{split}2014/{number}.jpg\n" for number in range(count)]
            (path / f"{split}2014_images.txt").write_text("".join(photos))
            (path / f"{split}2014_urls.txt").write_text("http://line\n" * count)
    return path


def failures(folder, capsys):
    """Verify a folder that is not right; return the lines that failed."""
    capsys.readouterr()
    with pytest.raises(InputError, match=r"\d+ checks of .*coco_captioning failed") as raised:
        verify(folder)
    failed = [line for line in capsys.readouterr().out.splitlines() if line.startswith("FAILED")]
    assert str(raised.value).startswith(f"{len(failed)} checks")
    return failed


def replace(path, key, change):
    """Replace a dataset by what `change` makes of its content."""
    with h5py.File(path, "a") as file:
        content = file[key][:]
        del file[key]
        changed = change(content)
        if changed is not None:
            file[key] = changed


def set_entry(place, value):
    def change(array):
        array[place] = value
        return array

    return change


def test_a_good_folder_passes(folder, capsys):
    verify(folder)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 14
    assert all(line.startswith("ok ") for line in lines[:-1])
    assert lines[-1] == "13 ok, 0 differs, 0 FAILED"
    assert "7 words" in lines[0]
    assert any("5 images, in all files" in line for line in lines)


def test_shorter_captions_are_as_good(folder):
    for split in IMAGES:
        replace(folder / CAPTIONS, f"{split}_captions", lambda rows: rows[:, :8])
    verify(folder)


CAPTION_FAULTS = {
    "a word too large": ((3, 2), 7, "word 7 is outside the vocabulary of 7"),
    "a negative word": ((3, 2), -1, "word -1 is outside the vocabulary of 7"),
    "no start": ((0, 0), 4, "does not begin with <START>"),
    "no end": ((3, 4), 5, "has not exactly one <END>"),
    "two ends": ((3, 2), 2, "has not exactly one <END>"),
    "null in the middle": ((3, 2), 0, "has <NULL> elsewhere than after <END>"),
    "a word after the end": ((3, 6), 4, "has <NULL> elsewhere than after <END>"),
}


@pytest.mark.parametrize("split", IMAGES)
@pytest.mark.parametrize(
    ("place", "value", "said"), CAPTION_FAULTS.values(), ids=CAPTION_FAULTS.keys()
)
def test_faults_of_a_caption(folder, capsys, split, place, value, said):
    replace(folder / CAPTIONS, f"{split}_captions", set_entry(place, value))
    (line,) = failures(folder, capsys)
    assert f"{split} captions" in line
    assert said in line


@pytest.mark.parametrize("dtype", [np.int64, np.uint32])
@pytest.mark.parametrize("key", ["train_captions", "val_image_idxs"])
def test_a_wrong_type_of_number(folder, capsys, key, dtype):
    replace(folder / CAPTIONS, key, lambda array: array.astype(dtype))
    (line,) = failures(folder, capsys)
    assert f"{key} is not int32 in one contiguous piece" in line


def test_words_that_are_no_whole_numbers(folder, capsys):
    replace(folder / CAPTIONS, "train_captions", lambda array: array.astype(np.float32))
    lines = failures(folder, capsys)
    assert all("has 2 dimensions of float32, where 2 of whole numbers" in line for line in lines)


@pytest.mark.parametrize("options", [{"chunks": True}, {"compression": "gzip"}])
def test_captions_in_pieces(folder, capsys, options):
    with h5py.File(folder / CAPTIONS, "a") as file:
        content = file["train_captions"][:]
        del file["train_captions"]
        file.create_dataset("train_captions", data=content, **options)
    (line,) = failures(folder, capsys)
    assert "train_captions is not int32 in one contiguous piece" in line


def test_a_key_too_many(folder, capsys):
    with h5py.File(folder / CAPTIONS, "a") as file:
        file["dev_captions"] = np.zeros((1, 17), dtype=np.int32)
    (line,) = failures(folder, capsys)
    assert "dev_captions" in line
    assert CAPTIONS in line


def test_a_key_too_few(folder, capsys):
    replace(folder / CAPTIONS, "val_image_idxs", lambda _: None)
    lines = failures(folder, capsys)
    assert CAPTIONS in lines[0]
    assert any("val captions" in line for line in lines)
    assert not any("train" in line.split("  ")[1] for line in lines)


def test_captions_without_images(folder, capsys):
    replace(folder / CAPTIONS, "train_image_idxs", lambda rows: rows[:-1])
    lines = failures(folder, capsys)
    assert all("10 captions of the split train, but 9 image_idxs" in line for line in lines)


def test_no_captions_at_all(folder, capsys):
    for part in ("captions", "image_idxs"):
        replace(folder / CAPTIONS, f"train_{part}", lambda rows: rows[:0])
    (line,) = failures(folder, capsys)
    assert "there are no captions" in line


@pytest.mark.parametrize("value", [3, -1])
def test_an_image_that_is_not_there(folder, capsys, value):
    replace(folder / CAPTIONS, "val_image_idxs", set_entry(2, value))
    (line,) = failures(folder, capsys)
    assert "val rows" in line
    assert f"captions speak of image {value} of 3" in line


def test_a_file_with_another_number_of_rows(folder, capsys):
    replace(folder / "val2014_vgg16_fc7_pca.h5", "features", lambda rows: rows[:-1])
    (line,) = failures(folder, capsys)
    assert "val rows" in line
    assert "fc7 3, fc7_pca 2, images 3, urls 3" in line
    (folder / "train2014_urls.txt").write_text("line\n" * 6)
    lines = failures(folder, capsys)
    assert "fc7 5, fc7_pca 5, images 5, urls 6" in lines[0]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda rows: rows.astype(np.float64), "features are float64, not float32"),
        (set_entry((1, 1), np.nan), "a feature is not finite"),
        (set_entry((1, 1), np.inf), "a feature is not finite"),
        (lambda rows: rows[0], "has 1 dimensions of float32"),
        (lambda _: None, "has no table `features`"),
    ],
)
def test_faults_of_features(folder, capsys, change, said):
    replace(folder / "train2014_vgg16_fc7.h5", "features", change)
    line = failures(folder, capsys)[0]
    assert "train2014_vgg16_fc7.h5" in line
    assert said in line


def test_a_vocabulary_in_another_order(folder, capsys):
    write_words(folder / VOCABULARY, ["<START>", "<NULL>", *WORDS[2:]])
    lines = failures(folder, capsys)
    assert VOCABULARY in lines[0]
    assert "not <NULL> <START> <END> <UNK>" in lines[0]


@pytest.mark.parametrize(
    "name", [VOCABULARY, CAPTIONS, "train2014_vgg16_fc7.h5", "val2014_images.txt"]
)
def test_a_missing_file(folder, capsys, name):
    (folder / name).unlink()
    lines = failures(folder, capsys)
    assert all(name in line for line in lines)


def test_what_damages_a_check_is_a_line_and_the_others_run(folder, capsys, monkeypatch):
    with h5py.File(folder / "coco2014_captions.h5", "r+") as file:
        del file["val_captions"]
        file.create_group("val_captions")
    with open(folder / "val2014_images.txt", "ab") as file:
        file.write(b"caf\xe9\n")

    def fail(path):
        raise ZeroDivisionError("of any kind")

    monkeypatch.setattr(verify_module, "_check_features", fail)
    with pytest.raises(InputError, match="checks of"):
        verify(folder)
    lines = capsys.readouterr().out.splitlines()
    found = {line[9:42].strip(): line[44:] for line in lines if line.startswith("FAILED")}
    assert "has no table `val_captions`" in found["val captions"]
    assert "is not text in UTF-8" in found["val2014_images.txt"]
    assert "ZeroDivisionError: of any kind" in found["train2014_vgg16_fc7.h5"]
    assert any(line.startswith("ok       train captions") for line in lines)


def test_what_is_no_folder(tmp_path):
    with pytest.raises(InputError, match="none is not a folder"):
        verify(tmp_path / "none")


def test_an_empty_folder_fails_in_every_line(tmp_path, capsys):
    (tmp_path / "coco_captioning").mkdir()
    assert len(failures(tmp_path / "coco_captioning", capsys)) == 13


# --- lists, order of the words, dev split -------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("images/val2014/0.jpg", "not coco/images/FOLDER/NAME"),
        ("0.jpg", "not coco/images/FOLDER/NAME"),
        ("", "not coco/images/FOLDER/NAME"),
        ("coco/images/val2014/1.jpg", "a photo is listed twice"),
    ],
)
def test_faults_of_a_list_of_photos(folder, capsys, line, said):
    path = folder / "val2014_images.txt"
    path.write_text(path.read_text().replace("coco/images/val2014/0.jpg", line))
    (failed,) = failures(folder, capsys)
    assert said in failed


def test_words_that_stand_in_another_order_only_differ(folder, capsys):
    replace(folder / CAPTIONS, "train_captions", lambda rows: np.where(rows == 4, 6, rows))
    verify(folder)
    (line,) = (line for line in capsys.readouterr().out.splitlines() if "differs " in line)
    assert "first 'a' (0) and 'dog' (10)" in line


def test_the_dev_split_is_checked_too(folder, capsys):
    with h5py.File(folder / "dev2014_captions.h5", "w") as file:
        file["dev_captions"] = np.array([[1, 4, 2]], dtype=np.int32)
        file["dev_image_idxs"] = np.array([1], dtype=np.int32)
    for suffix in ("", "_pca"):
        with h5py.File(folder / f"dev2014_vgg16_fc7{suffix}.h5", "w") as file:
            file["features"] = np.zeros((1, 2), dtype=np.float32)
    (folder / "dev2014_images.txt").write_text("coco/images/val2014/7.jpg\n")
    (folder / "dev2014_urls.txt").write_text("\n")
    (line,) = failures(folder, capsys)
    assert "captions speak of image 1 of 1" in line
    replace(folder / "dev2014_captions.h5", "dev_image_idxs", lambda rows: rows - 1)
    verify(folder)


# --- held against annotations -------------------------------------------------------------------


@pytest.fixture
def annotated(folder):
    """Write the annotations that the folder's val split could have been made from."""
    content = {
        "images": [{"id": 9 - row, "file_name": f"{row}.jpg"} for row in range(3)],
        "annotations": [{"image_id": 9 - row // 2, "caption": "A bird, dog!"} for row in range(6)],
    }
    content["annotations"].insert(2, {"image_id": 9, "caption": "too long " * 8})

    def write(change=lambda content: None):
        change(content)
        path = folder.parent / "captions_val.json"
        path.write_text(json.dumps(content))
        return path

    return write


def test_a_folder_that_its_annotations_give(folder, annotated, capsys):
    verify(folder, val=annotated())
    out = capsys.readouterr().out
    assert "val row order" in out
    assert "15 ok, 0 differs, 0 FAILED" in out


def images_reversed(content):
    content["images"].reverse()


def one_caption_more(content):
    content["annotations"].append({"image_id": 9, "caption": "a dog"})


def one_caption_less(content):
    content["annotations"].pop()


def other_words(content):
    content["annotations"][4]["caption"] = "A dog"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (images_reversed, "row 0 is coco/images/val2014/0.jpg, and 2.jpg in"),
        (one_caption_more, "there are 6, and another number in"),
        (one_caption_less, "there are 6, and another number in"),
        (other_words, "row 3 is '<START> a <UNK> dog <END>' of image 1, and 'A dog' of image 1"),
        (lambda content: content["images"].pop(), "has a caption of image 7"),
    ],
)
def test_a_folder_that_its_annotations_do_not_give(folder, annotated, capsys, change, said):
    with pytest.raises(InputError, match="failed"):
        verify(folder, val=annotated(change))
    failed = [line for line in capsys.readouterr().out.splitlines() if line.startswith("FAILED")]
    assert any(said in line for line in failed)


# --- held against the course's own files --------------------------------------------------------


def test_a_folder_that_must_be_the_courses(folder, capsys):
    with pytest.raises(InputError, match="10 checks"):
        verify(folder, course=True)
    out = capsys.readouterr().out
    assert "FAILED   val2014_urls.txt, bytes" in out
    assert "bytes; the course's has 2,538,571" in out


def test_checksums_of_the_course_only_differ_unless_they_must_not(folder, capsys, monkeypatch):
    """The course's files are too large for a test: these stand in for them."""
    course = {
        path.name: (path.stat().st_size, hashlib.sha256(path.read_bytes()).hexdigest())
        for path in folder.iterdir()
    }
    assert course.keys() == verify_module.COURSE.keys()
    monkeypatch.setattr(verify_module, "COURSE", course)
    verify(folder, course=True)
    assert capsys.readouterr().out.count("those of the course") == 10
    # The same number of bytes, one of them another.
    urls = folder / "val2014_urls.txt"
    urls.write_text(urls.read_text().replace("line", "lime", 1))
    verify(folder)
    assert re.search(r"differs  val2014_urls\.txt, bytes +sha256 is not", capsys.readouterr().out)
    with pytest.raises(InputError, match="1 checks"):
        verify(folder, course=True)


@pytest.mark.skipif(
    "RECAP_DATA" not in os.environ, reason="RECAP_DATA names no folder of real data"
)
def test_the_checksum_of_the_courses_real_vocabulary():
    path = Path(os.environ["RECAP_DATA"]) / "cs231n" / VOCABULARY
    assert verify_module.COURSE[VOCABULARY] == (
        path.stat().st_size,
        hashlib.sha256(path.read_bytes()).hexdigest(),
    )
