"""Extraction in int8, and the scales that it takes."""

import json

import h5py
import numpy as np
import pytest
import torch
from test_extract import (
    BATCH,
    extract,
    fail_after,
    lists_of,
    write_annotations,
    write_photos,
)

from recap.backbones.int8 import find_scales
from recap.backbones.load import load_backbone
from recap.core.devices import choose_precision
from recap.core.errors import InputError
from recap.core.images import ImageStore
from recap.features.calibrate import PHOTOS, calibrate_extraction
from recap.features.gather import gather_features

LAYER = "fire2"


def calibrate(images, annotations, output, **options):
    options = {"backbone": "squeezenet1_1", "layer": LAYER, "threads": 1, **options}
    calibrate_extraction(images, annotations, output=output, **options)
    return output


def extract_int8(study, output, calibration=None, **options):
    images, annotations, own = study
    options = {"backbone": "squeezenet1_1", "layer": LAYER, "precision": "int8", **options}
    return extract(images, annotations, output, calibration=calibration or own, **options)


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """Return photos, annotations, and the scales that were found on them."""
    folder = tmp_path_factory.mktemp("int8")
    images, annotations = write_photos(folder, 2 * BATCH + 3)
    return images, annotations, calibrate(images, annotations, folder / "calibration.json")


def test_features_are_near_those_in_float32(study, tmp_path):
    images, annotations, calibration = study
    rows = extract_int8(study, tmp_path / "int8.h5")
    options = {"backbone": "squeezenet1_1", "layer": LAYER, "precision": "float32"}
    exact = extract(images, annotations, tmp_path / "float32.h5", **options)
    norms = np.linalg.norm(rows, axis=1) * np.linalg.norm(exact, axis=1)
    assert ((rows * exact).sum(axis=1) / norms).min() > 0.995
    assert (rows != exact).any()
    with h5py.File(tmp_path / "int8.h5") as file:
        assert file.attrs["precision"] == "int8"
        assert json.loads(file.attrs["scales"]) == json.loads(calibration.read_text())["scales"]


def test_neither_shards_nor_batch_nor_kills_change_a_number(study, tmp_path, monkeypatch):
    images, annotations, calibration = study
    rows = extract_int8(study, tmp_path / "whole.h5")
    larger = extract_int8(study, tmp_path / "larger.h5", batch=32)
    assert larger.tobytes() == rows.tobytes()
    shards = []
    for number, listed in enumerate(lists_of(annotations, tmp_path / "lists", 3)):
        shards.append(tmp_path / f"{number}.h5")
        extract_int8((images, listed, calibration), shards[-1])
    gather_features(*shards, output=tmp_path / "gathered.h5")
    assert (tmp_path / "gathered.h5").read_bytes() == (tmp_path / "whole.h5").read_bytes()
    monkeypatch.setattr("recap.features.extract._compute", fail_after(1))
    with pytest.raises(RuntimeError, match="no more power"):
        extract_int8(study, tmp_path / "killed.h5")
    monkeypatch.undo()
    extract_int8(study, tmp_path / "killed.h5")
    assert (tmp_path / "killed.h5").read_bytes() == (tmp_path / "whole.h5").read_bytes()


def test_what_was_half_done_with_other_scales_is_not_continued(study, tmp_path, monkeypatch):
    other = json.loads(study[2].read_text())
    other["scales"]["features.0"] *= 2
    (tmp_path / "other.json").write_text(json.dumps(other))
    monkeypatch.setattr("recap.features.extract._compute", fail_after(1))
    with pytest.raises(RuntimeError):
        extract_int8(study, tmp_path / "killed.h5")
    monkeypatch.undo()
    extract_int8(study, tmp_path / "killed.h5", tmp_path / "other.json")
    extract_int8(study, tmp_path / "whole.h5", tmp_path / "other.json")
    assert (tmp_path / "killed.h5").read_bytes() == (tmp_path / "whole.h5").read_bytes()


def test_photos_are_taken_from_the_whole_list(tmp_path):
    # Of these every second one.
    images, _ = write_photos(tmp_path, PHOTOS + 1)
    names = [f"COCO_{number:04}.png" for number in range(PHOTOS + 1)]
    annotations = write_annotations(tmp_path / "all.json", names)
    path = calibrate(images, annotations, tmp_path / "scales.json", layer="conv1")
    loaded = load_backbone("squeezenet1_1", "random", ["conv1"])
    with ImageStore(images) as store:
        seen = np.stack([loaded.preprocessing.cut(store.read(name)) for name in names[::2]])
    expected = find_scales(loaded, ["conv1"], torch.from_numpy(seen).split(16))
    assert json.loads(path.read_text()) == {
        "backbone": "squeezenet1_1",
        "weights_sha256": "",
        "preprocessing": str(loaded.preprocessing),
        "layer": "conv1",
        "scales": expected,
    }


def test_photos_that_cannot_be_read_are_left_out(tmp_path, monkeypatch):
    images, annotations = write_photos(tmp_path, 5, broken=[1, 4])
    seen = []

    def watched(backbone, names, batches):
        seen.extend(map(len, batches))
        return find_scales(backbone, names, batches)

    monkeypatch.setattr("recap.features.calibrate.find_scales", watched)
    calibrate(images, annotations, tmp_path / "a.json")
    assert seen == [3]
    none = write_annotations(tmp_path / "none.json", ["COCO_0001.png", "COCO_0009.png"])
    with pytest.raises(InputError, match=r"^None of the photos .* could be read.*COCO_0001\.png"):
        calibrate(images, none, tmp_path / "c.json")
    assert not (tmp_path / "c.json").exists()


@pytest.mark.parametrize(
    ("options", "name"),
    [({"backbone": "squeezenet1_0"}, "backbone"), ({"layer": "conv1"}, "layer")],
)
def test_scales_of_another_network_are_refused(study, tmp_path, options, name):
    with pytest.raises(InputError, match=rf"calibration\.json is of the {name} '\w+', not '\w+'"):
        extract_int8(study, tmp_path / "features.h5", **options)
    assert list(tmp_path.iterdir()) == []


def test_scales_of_other_weights_or_damaged_ones_are_refused(study, tmp_path):
    path = tmp_path / "scales.json"
    found = json.loads(study[2].read_text())
    for change, message in (
        ({"weights_sha256": "12ab"}, "is of the weights_sha256 '12ab', not ''"),
        ({"scales": {}}, "is damaged: its scales of int8"),
    ):
        path.write_text(json.dumps(found | change))
        with pytest.raises(InputError, match=rf"scales\.json {message}"):
            extract_int8(study, tmp_path / "features.h5", path)
    path.write_text("[]")
    with pytest.raises(InputError, match=r"scales\.json is of the backbone None"):
        extract_int8(study, tmp_path / "features.h5", path)


@pytest.mark.parametrize("options", [{"precision": "float32"}, {"calibration": None}])
def test_int8_and_no_other_precision_takes_scales(study, tmp_path, options):
    images, annotations, calibration = study
    given = {"precision": "int8", "calibration": calibration} | options
    with pytest.raises(InputError, match="^The precision int8, and no other, takes what"):
        extract(images, annotations, tmp_path / "features.h5", **given)


@pytest.mark.parametrize("device", ["cuda", "mps"])
def test_int8_is_for_processors(device):
    with pytest.raises(InputError, match=f"int8 is for processors, not for {device}: set `device`"):
        choose_precision(torch.device(device), "int8")


def test_int8_where_pytorch_has_no_kernels_for_it(monkeypatch):
    monkeypatch.setattr(torch._C, "_supported_qengines", list)
    with pytest.raises(InputError, match="^This PyTorch has no oneDNN"):
        choose_precision(torch.device("cpu"), "int8")


@pytest.mark.parametrize("name", ["images.zip", "list.json"])
def test_a_file_that_is_not_there_is_named(study, tmp_path, name):
    images, annotations, _ = study
    files = {"images.zip": images, "list.json": annotations, name: tmp_path / name}
    with pytest.raises(InputError, match=rf"^\S*{name} does not exist: check the path\.$"):
        calibrate(*files.values(), tmp_path / "scales.json", threads=2)
    assert not (tmp_path / "scales.json").exists()
