import json
import zipfile

import h5py
import numpy as np
import pytest

from recap.captions.course import take_course_files
from recap.captions.files import write_vocabulary
from recap.core.errors import InputError
from recap.datasets.annotations import read_annotations
from recap.datasets.course import find_course_files

WORDS = ["<NULL>", "<START>", "<END>", "<UNK>", "a", "cat", "sleeps"]
CAPTIONS = [[1, 4, 5, 2, 0], [1, 4, 3, 6, 2], [1, 5, 6, 2, 0]]
ROWS = {"train": [0, 1, 2], "val": [1, 0, 1]}
IDS = {"train": [9, 581929, 3], "val": [42, 7]}


def name_of(split, number):
    return f"COCO_{split}2014_{number:012}.jpg"


def write_lines(path, lines):
    path.write_text("".join(f"{line}\n" for line in lines))


@pytest.fixture
def course(tmp_path):
    """Return a small folder in the course's layout."""
    folder = tmp_path / "given" / "coco_captioning"
    folder.mkdir(parents=True)
    write_vocabulary(folder / "coco2014_vocab.json", WORDS)
    with h5py.File(folder / "coco2014_captions.h5", "w") as file:
        for split, rows in ROWS.items():
            file[f"{split}_captions"] = np.array(CAPTIONS, np.int32)
            file[f"{split}_image_idxs"] = np.array(rows, np.int32)
    for split, ids in IDS.items():
        names = [f"coco/images/{split}2014/{name_of(split, number)}" for number in ids]
        write_lines(folder / f"{split}2014_images.txt", names)
        write_lines(folder / f"{split}2014_urls.txt", [f"http://a/{number}" for number in ids])
        for kind, width in (("", 6), ("_pca", 4)):
            with h5py.File(folder / f"{split}2014_vgg16_fc7{kind}.h5", "w") as file:
                file["features"] = np.ones((len(ids), width), np.float32)
    (folder / ".coco2014_vocab.json.recap-sha256").unlink()
    return folder


@pytest.fixture
def taken(tmp_path):
    """Return a function that takes files and returns the two folders they are taken into."""

    def take(source):
        output, annotations = tmp_path / "study/coco_captioning", tmp_path / "study/annotations"
        take_course_files(source, output=output, annotations=annotations)
        return output, annotations

    return take


def pack(folder, path, prefix="coco_captioning/"):
    with zipfile.ZipFile(path, "w") as archive:
        for file in folder.iterdir():
            archive.write(file, prefix + file.name)
        archive.writestr("__MACOSX/coco_captioning/._train2014_urls.txt", b"junk")
    return path


@pytest.mark.parametrize("form", ["folder", "its parent", "archive", "flat archive"])
def test_files_are_taken_byte_for_byte(course, taken, form):
    source = {
        "folder": lambda: course,
        "its parent": lambda: course.parent,
        "archive": lambda: pack(course, course.parent / "c.zip"),
        "flat archive": lambda: pack(course, course.parent / "c.zip", ""),
    }[form]()
    output, _ = taken(source)
    names = {path.name for path in output.iterdir() if not path.name.startswith(".")}
    assert names == {path.name for path in course.iterdir()}
    for name in names:
        assert (output / name).read_bytes() == (course / name).read_bytes()
    assert set(find_course_files(source).paths) == (
        {source} if source.suffix else {course / name for name in names}
    )


def test_captions_are_decoded_with_the_ids_of_coco(course, taken):
    _, annotations = taken(course)
    val = read_annotations(annotations / "captions_val.json")
    assert [image["id"] for image in val.images] == IDS["val"]
    assert [image["file_name"] for image in val.images] == [name_of("val", n) for n in IDS["val"]]
    assert val.images[0]["flickr_url"] == "http://a/42"
    assert val.captions == [(7, "a cat"), (42, "a <UNK> sleeps"), (7, "cat sleeps")]
    assert val.description == "coco_captioning (val; rare words are <UNK>)"
    assert len(read_annotations(annotations / "captions_train.json").captions) == 3


def test_images_of_other_names_are_numbered(course, taken):
    write_lines(course / "val2014_images.txt", ["coco/images/mine/b/dog.jpg", "cat.jpg"])
    val = read_annotations(taken(course)[1] / "captions_val.json")
    assert [image["id"] for image in val.images] == [1, 2]
    assert [image["file_name"] for image in val.images] == ["b/dog.jpg", "cat.jpg"]


def test_captions_of_coco_are_taken_where_they_lie_beside(course, taken):
    content = {
        "images": [{"id": n, "file_name": name_of("val", n)} for n in IDS["val"]],
        "annotations": [{"id": 1, "image_id": 7, "caption": "The cat's asleep."}],
    }
    raw = course / "captions_val2014.json"
    raw.write_text(json.dumps(content))
    output, annotations = taken(course)
    assert raw in find_course_files(course).paths
    assert not (output / raw.name).exists()
    assert (annotations / "captions_val.json").read_bytes() == raw.read_bytes()
    content["images"].reverse()
    raw.write_text(json.dumps(content))
    with pytest.raises(InputError, match=r"captions_val2014.json lists other images .* leave it"):
        taken(course)


@pytest.mark.parametrize(("lacking", "kinds"), [("", ["_pca"]), ("_pca", [""])])
def test_features_of_one_kind_are_enough(course, taken, lacking, kinds):
    (course / f"val2014_vgg16_fc7{lacking}.h5").unlink()
    assert find_course_files(course).kinds == kinds
    output, _ = taken(course)
    assert {path.name for path in output.glob("[a-z]*fc7*")} == {
        f"{split}2014_vgg16_fc7{kinds[0]}.h5" for split in ROWS
    }


def test_a_dev_split_is_taken_if_there_is_one(course, taken):
    with h5py.File(course / "dev2014_captions.h5", "w") as file:
        file["dev_captions"], file["dev_image_idxs"] = [[1, 4, 2]], [0]
    for name in ("images.txt", "urls.txt"):
        write_lines(course / f"dev2014_{name}", ["x"])
    with h5py.File(course / "dev2014_vgg16_fc7_pca.h5", "w") as file:
        file["features"] = np.ones((1, 4), np.float32)
    found = find_course_files(course)
    assert (found.splits, found.kinds) == (["train", "val", "dev"], ["_pca"])
    dev = read_annotations(taken(course)[1] / "captions_dev.json")
    assert dev.captions == [(1, "a")]


def change_hdf5(path, name, values):
    with h5py.File(path, "a") as file:
        del file[name]
        file[name] = values


@pytest.mark.parametrize(
    ("damage", "sentence"),
    [
        (lambda f: (f / "val2014_urls.txt").unlink(), "has no val2014_urls.txt: give CS231n's"),
        (
            lambda f: [path.unlink() for path in f.glob("*fc7*")],
            "has no train2014_vgg16_fc7_pca.h5: give CS231n's",
        ),
        (
            lambda f: write_lines(f / "val2014_urls.txt", ["one"]),
            "val2014_images.txt has 2 lines but val2014_urls.txt has 1",
        ),
        (
            lambda f: (f / "train2014_images.txt").write_bytes(b"\xff\n"),
            "train2014_images.txt is not text in UTF-8",
        ),
        (
            lambda f: (f / "coco2014_vocab.json").write_text("{}"),
            "coco2014_vocab.json is not a vocabulary",
        ),
        (
            lambda f: (f / "coco2014_captions.h5").write_bytes(b"no HDF5"),
            "coco2014_captions.h5 .*HDF5",
        ),
        (
            lambda f: change_hdf5(f / "coco2014_captions.h5", "val_image_idxs", [0, 1, 2]),
            "val_captions in coco2014_captions.h5 are of images up to 2, but there are 2 images",
        ),
        (
            lambda f: change_hdf5(f / "coco2014_captions.h5", "val_captions", [[1, 7, 2]] * 3),
            "val_captions in coco2014_captions.h5 are of words up to 7, but there are 7 words",
        ),
        (
            lambda f: change_hdf5(f / "val2014_vgg16_fc7_pca.h5", "features", np.ones((3, 4))),
            "val2014_vgg16_fc7_pca.h5 has features of 3 images, but 2 are listed",
        ),
    ],
)
def test_files_that_are_missing_damaged_or_of_two_sets_are_refused(course, taken, damage, sentence):
    damage(course)
    with pytest.raises(InputError, match=sentence):
        taken(course)


def test_what_is_no_folder_or_archive_is_refused(tmp_path, course):
    with pytest.raises(InputError, match="none does not exist"):
        find_course_files(tmp_path / "none")
    with pytest.raises(InputError, match="is not a whole zip archive"):
        find_course_files(course / "train2014_urls.txt")
    with pytest.raises(InputError, match="has no coco2014_vocab.json"):
        find_course_files(tmp_path)


def test_a_damaged_archive_is_told(course, taken):
    path = pack(course, course.parent / "c.zip")
    content = bytearray(path.read_bytes())
    place = content.index(b"coco2014_vocab.json") + 60
    content[place : place + 9] = b"\0" * 9
    path.write_bytes(content)
    with pytest.raises(InputError, match="c.zip is not a whole zip archive"):
        taken(path)
