import json
import os
import shutil

import h5py
import numpy as np
import pytest

from recap.captions.encode import encode_captions
from recap.captions.files import read_captions
from recap.core.errors import InputError
from recap.cs231n import coco_utils, places
from recap.cs231n.coco_utils import load_coco_data, sample_coco_minibatch
from recap.datasets.list_images import list_images

WORDS = ["<NULL>", "<START>", "<END>", "<UNK>", "a", "dog", "cat"]
COUNTS = {"train": 6, "val": 4}


def captions_of(count, split):
    """Return captions in COCO's form, one or two for each image, the images out of order."""
    images = [
        {
            "id": 100 - number,
            "file_name": f"COCO_{split}2014_{number:012}.jpg",
            "flickr_url": f"http://farm{number}.staticflickr.com/{split}_{number}_z.jpg",
        }
        for number in range(count)
    ]
    annotations = [
        {"image_id": 100 - number % count, "id": number, "caption": "a dog " * (1 + number % 3)}
        for number in range(count + 3)
    ]
    return {"images": images, "annotations": annotations}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Return a small `coco_captioning` folder, made with the stages' own functions."""
    path = tmp_path_factory.mktemp("study") / "coco_captioning"
    path.mkdir()
    numbers = {word: number for number, word in enumerate(WORDS)}
    vocabulary = path / "coco2014_vocab.json"
    vocabulary.write_text(json.dumps({"idx_to_word": WORDS, "word_to_idx": numbers}))
    generator = np.random.default_rng(0)
    paths = {}
    for split, count in COUNTS.items():
        paths[split] = path.parent / f"{split}.json"
        paths[split].write_text(json.dumps(captions_of(count, split)))
        list_images(
            paths[split],
            images=path / f"{split}2014_images.txt",
            urls=path / f"{split}2014_urls.txt",
        )
        for suffix, width in (("", 8), ("_pca", 3)):
            with h5py.File(path / f"{split}2014_vgg16_fc7{suffix}.h5", "w") as file:
                file["features"] = generator.standard_normal((count, width)).astype(np.float32)
    encode_captions(vocabulary, **paths, output=path / "coco2014_captions.h5")
    return path


def read_independently(folder, suffix):
    """Read the folder as code written for the course would: every key, by the files' names."""
    read = {}
    with h5py.File(folder / "coco2014_captions.h5") as file:
        for key in file.keys():  # noqa: SIM118
            read[key] = np.asarray(file[key])
    with open(folder / "coco2014_vocab.json") as file:
        vocabulary = json.load(file)
    for key in vocabulary:
        read[key] = vocabulary[key]
    for split in ("train", "val"):
        with h5py.File(folder / f"{split}2014_vgg16_fc7{suffix}.h5") as file:
            read[f"{split}_features"] = np.asarray(file["features"])
        with open(folder / f"{split}2014_urls.txt") as file:
            read[f"{split}_urls"] = np.asarray([line.strip() for line in file])
    return read


@pytest.mark.parametrize(("pca_features", "suffix", "width"), [(True, "_pca", 3), (False, "", 8)])
def test_agrees_with_an_independent_reading(folder, pca_features, suffix, width):
    data = load_coco_data(folder, pca_features=pca_features)
    expected = read_independently(folder, suffix)
    assert data.keys() == expected.keys()
    assert data.keys() == {
        *(f"{split}_{part}" for split in COUNTS for part in ("captions", "image_idxs")),
        *(f"{split}_{part}" for split in COUNTS for part in ("features", "urls")),
        "idx_to_word",
        "word_to_idx",
    }
    for key, value in expected.items():
        if isinstance(value, np.ndarray):
            assert data[key].dtype == value.dtype, key
            assert (data[key] == value).all(), key
        else:
            assert data[key] == value
    for split, count in COUNTS.items():
        assert data[f"{split}_captions"].dtype == np.int32
        assert data[f"{split}_captions"].shape == (count + 3, 17)
        assert data[f"{split}_image_idxs"].dtype == np.int32
        assert data[f"{split}_features"].dtype == np.float32
        assert data[f"{split}_features"].shape == (count, width)


def test_the_folder_can_be_a_string(folder):
    assert load_coco_data(str(folder)).keys() == load_coco_data(folder).keys()


def test_max_train_draws_captions_with_their_images(folder):
    whole = load_coco_data(folder)
    np.random.seed(3)  # noqa: NPY002
    data = load_coco_data(folder, max_train=50)
    assert data["train_captions"].shape == (50, 17)
    pairs = {
        (row.tobytes(), index)
        for row, index in zip(whole["train_captions"], whole["train_image_idxs"], strict=True)
    }
    drawn = [
        (row.tobytes(), index)
        for row, index in zip(data["train_captions"], data["train_image_idxs"], strict=True)
    ]
    assert set(drawn) <= pairs
    assert len(set(drawn)) > 5
    assert (data["val_captions"] == whole["val_captions"]).all()
    assert (data["train_features"] == whole["train_features"]).all()
    # The course draws so, with NumPy's global generator.
    np.random.seed(3)  # noqa: NPY002
    mask = np.random.randint(len(whole["train_captions"]), size=50)  # noqa: NPY002
    assert (data["train_captions"] == whole["train_captions"][mask]).all()


@pytest.mark.parametrize("split", ["train", "val"])
def test_a_minibatch_keeps_captions_features_and_addresses_together(folder, split):
    data = load_coco_data(folder)
    # Make every caption tell its image.
    data[f"{split}_captions"][:, 1] = data[f"{split}_image_idxs"]
    np.random.seed(0)  # noqa: NPY002
    captions, features, urls = sample_coco_minibatch(data, batch_size=40, split=split)
    assert captions.shape == (40, 17)
    assert captions.dtype == np.int32
    assert features.shape == (40, 3)
    assert urls.shape == (40,)
    rows = captions[:, 1]
    assert len(set(rows.tolist())) > 2
    assert (features == data[f"{split}_features"][rows]).all()
    assert (urls == data[f"{split}_urls"][rows]).all()


def test_a_minibatch_is_drawn_by_numpys_global_seed(folder):
    data = load_coco_data(folder)
    np.random.seed(5)  # noqa: NPY002
    first = sample_coco_minibatch(data, batch_size=10)
    np.random.seed(5)  # noqa: NPY002
    again = sample_coco_minibatch(data, batch_size=10)
    assert all((one == other).all() for one, other in zip(first, again, strict=True))
    assert len(sample_coco_minibatch(data)[0]) == 100


@pytest.mark.parametrize(
    ("name", "remedy"),
    [
        ("coco2014_captions.h5", ""),
        ("coco2014_vocab.json", ""),
        ("train2014_vgg16_fc7_pca.h5", ": `snakemake features` makes it"),
        ("val2014_urls.txt", ": `snakemake captions` makes it"),
    ],
)
def test_a_missing_file_is_named(folder, name, remedy):
    path = folder / name
    content = path.read_bytes()
    path.unlink()
    try:
        with pytest.raises(InputError, match=f"{name} does not exist{remedy}"):
            load_coco_data(folder)
    finally:
        path.write_bytes(content)


def test_lists_of_images(folder):
    lines = (folder / "val2014_images.txt").read_text().split("\n")
    assert lines[0] == "coco/images/val2014/COCO_val2014_000000000000.jpg"
    assert lines[3:] == ["coco/images/val2014/COCO_val2014_000000000003.jpg", ""]
    urls = (folder / "val2014_urls.txt").read_text().split("\n")
    assert urls[1] == "http://farm1.staticflickr.com/val_1_z.jpg"
    assert len(urls) == 5


def test_images_without_an_address_keep_their_line(tmp_path):
    images = [
        {"id": 1, "file_name": "1.jpg", "coco_url": "http://images.cocodataset.org/1.jpg"},
        {"id": 2, "file_name": "2.jpg"},
        {"id": 3, "file_name": "3.jpg", "flickr_url": None, "coco_url": None},
        {"id": 4, "file_name": "4.jpg", "flickr_url": "http://flickr", "coco_url": "http://coco"},
    ]
    annotations = tmp_path / "captions.json"
    annotations.write_text(json.dumps({"images": images, "annotations": []}))
    list_images(
        annotations, images=tmp_path / "dev2014_images.txt", urls=tmp_path / "dev2014_urls.txt"
    )
    urls = (tmp_path / "dev2014_urls.txt").read_text()
    assert urls == "http://images.cocodataset.org/1.jpg\n\n\nhttp://flickr\n"
    assert (tmp_path / "dev2014_images.txt").read_text().startswith("coco/images/dev2014/1.jpg\n")


@pytest.mark.parametrize(("components", "regions"), [(4, 1), (99, 49 // 2)])
def test_components_that_so_few_images_do_not_have(tmp_path, components, regions):
    images = [{"id": number, "file_name": f"{number}.jpg"} for number in range(3)]
    annotations = tmp_path / "captions.json"
    annotations.write_text(json.dumps({"images": images, "annotations": []}))
    listed = tmp_path / "train2014_images.txt"

    def make(components):
        urls = tmp_path / "train2014_urls.txt"
        list_images(annotations, images=listed, urls=urls, components=components, regions=regions)

    with pytest.raises(InputError, match=f"{components} `pca_components` cannot be found in the 3"):
        make(components)
    assert not listed.exists()
    make(3 * regions)
    assert len(listed.read_text().splitlines()) == 3


def test_images_stand_in_the_folder_that_coco_has_them_in(tmp_path):
    """Karpathy's training split has photos of train2014 and of val2014."""
    server = "http://images.cocodataset.org"
    images = [
        {"id": 1, "file_name": "1.jpg", "coco_url": f"{server}/val2014/1.jpg"},
        {"id": 2, "file_name": "2.jpg", "coco_url": f"{server}/train2017/2.jpg"},
        {"id": 3, "file_name": "3.jpg", "coco_url": "http://mscoco.org/images/3"},
    ]
    annotations = tmp_path / "captions.json"
    annotations.write_text(json.dumps({"images": images, "annotations": []}))
    listed = tmp_path / "train2014_images.txt"
    list_images(annotations, images=listed, urls=tmp_path / "train2014_urls.txt")
    assert listed.read_text().split() == [
        "coco/images/val2014/1.jpg",
        "coco/images/train2017/2.jpg",
        "coco/images/train2014/3.jpg",
    ]


def test_read_captions(folder):
    captions, image_idxs = read_captions(folder / "coco2014_captions.h5", "val")
    assert captions.shape == (7, 17)
    assert image_idxs.tolist() == [0, 1, 2, 3, 0, 1, 2]
    with pytest.raises(InputError, match=r"captions\.h5 has no table `dev_captions`"):
        read_captions(folder / "coco2014_captions.h5", "dev")


def test_it_says_where_it_reads_and_how_much_memory_that_takes(folder, capsys):
    load_coco_data(folder, pca_features=False)
    captions, features = (9 + 7) * (17 + 1) * 4, (6 + 4) * 8 * 4
    size = f"{(captions + features) / 1e6:,.1f}"
    assert capsys.readouterr().out == f"base dir  {folder}: {size} MB of memory\n"


def test_max_train_leaves_the_features_on_the_disk(folder, monkeypatch):
    read = []
    monkeypatch.setattr(coco_utils, "_load", lambda table, path: read.append(path))
    whole = load_coco_data(folder, max_train=5, pca_features=False)
    assert not read
    features = whole["train_features"]
    assert isinstance(features.base, np.memmap)
    # They can be changed, in memory alone.
    before = (folder / "train2014_vgg16_fc7.h5").read_bytes()
    features -= features.mean(axis=0)
    assert (folder / "train2014_vgg16_fc7.h5").read_bytes() == before


def test_max_train_reads_what_cannot_be_mapped(folder, tmp_path):
    packed = tmp_path / "packed"
    shutil.copytree(folder, packed)
    with h5py.File(packed / "train2014_vgg16_fc7_pca.h5", "r+") as file:
        features = file["features"][:]
        del file["features"]
        file.create_dataset("features", data=features, compression="gzip")
    np.testing.assert_array_equal(load_coco_data(packed, max_train=2)["train_features"], features)


def test_without_a_folder_it_takes_the_courses_then_the_newest_study(
    folder, tmp_path, monkeypatch, capsys
):
    def loaded():
        load_coco_data()
        return capsys.readouterr().out.removeprefix("base dir  ").partition(":")[0]

    assignment = tmp_path / "lab" / "assignment3"
    assignment.mkdir(parents=True)
    monkeypatch.chdir(assignment)
    monkeypatch.setattr(places.recap, "__file__", str(tmp_path / "far/src/recap/__init__.py"))
    monkeypatch.setattr(places, "_loaded", [])
    with pytest.raises(InputError, match="no cs231n/datasets/coco_captioning here, and no study"):
        load_coco_data()
    beside_recap = tmp_path / "far/results/any/coco_captioning"
    shutil.copytree(folder, beside_recap)
    assert loaded() == str(beside_recap)
    monkeypatch.setattr(places, "_loaded", [])
    for name, age in (("old", 1), ("new", 2), ("older", 0)):
        study = tmp_path / "lab/results" / name / "coco_captioning"
        shutil.copytree(folder, study)
        os.utime(study / "coco2014_captions.h5", (age, age))
    assert loaded() == str(tmp_path / "lab/results/new/coco_captioning")
    shutil.copytree(folder, assignment / "cs231n/datasets/coco_captioning")
    assert loaded() == "cs231n/datasets/coco_captioning"
