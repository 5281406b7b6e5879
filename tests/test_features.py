import io
import json
import os
import signal
import subprocess
import sys
import time
import zipfile
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch
from PIL import Image

import recap
from recap.backbones.load import load_backbone
from recap.errors import InputError
from recap.feature_files import open_features, skipped_rows
from recap.features import BATCH, FeatureExtractor, extract_features
from recap.images import open_images

SOURCE = str(Path(recap.__file__).parents[1])


def write_photos(folder, count, broken=()):
    """Write a zip of photos, all different, and their annotations in an order of their own."""
    generator = np.random.default_rng(count)
    names = [f"COCO_{number:04}.png" for number in range(count)]
    with zipfile.ZipFile(folder / "photos.zip", "w") as archive:
        for number, name in enumerate(names):
            small = generator.integers(0, 256, (8, 8, 3), dtype=np.uint8)
            image = Image.fromarray(small).resize((224, 224), Image.Resampling.NEAREST)
            buffer = io.BytesIO()
            image.save(buffer, "png")
            archive.writestr(f"train2014/{name}", b"" if number in broken else buffer.getvalue())
    images = [{"id": 1000 - number, "file_name": name} for number, name in enumerate(names)]
    (folder / "captions.json").write_text(json.dumps({"images": images, "annotations": []}))
    return folder / "photos.zip", folder / "captions.json"


def write_annotations(path, names):
    images = [{"id": number, "file_name": name} for number, name in enumerate(names)]
    path.write_text(json.dumps({"images": images, "annotations": []}))
    return path


def extract(images, annotations, output, **options):
    options = {"backbone": "squeezenet1_0", "device": "cpu", "threads": 1, **options}
    extract_features(images, annotations, output=output, **options)
    with open_features(output) as file:
        return file["features"][:]


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """Return photos, annotations, and the features of two batches and a bit."""
    folder = tmp_path_factory.mktemp("photos")
    images, annotations = write_photos(folder, 2 * BATCH + 3)
    features = extract(images, annotations, folder / "features.h5")
    return images, annotations, folder / "features.h5", features


def test_layout_of_the_file(study):
    _, _, output, _ = study
    with h5py.File(output) as file:
        assert list(file) == ["features"]
        rows = file["features"]
        assert rows.shape == (2 * BATCH + 3, 2024)
        assert rows.dtype == np.float32
        assert rows.chunks is None
        assert rows.compression is None
        assert skipped_rows(rows).tolist() == []
        assert dict(file.attrs) == {
            "backbone": "squeezenet1_0",
            "weights": "random",
            "weights_sha256": "",
            "layer": "fire9_conv10",
            "preprocessing": file.attrs["preprocessing"],
            "precision": file.attrs["precision"],
        }
        assert "centre 224" in file.attrs["preprocessing"]
        assert file.attrs["precision"] in ("float32", "bfloat16")


def test_each_row_is_the_feature_of_its_image(study):
    images, annotations, _, features = study
    assert np.isfinite(features).all()
    assert features.min() >= 0
    backbone = load_backbone("squeezenet1_0", "random")
    records = json.loads(annotations.read_text())["images"]
    with open_images(images) as store, torch.inference_mode():
        pixels = np.stack(
            [np.asarray(store.read(record["file_name"])) for record in records[:4]]
        ).astype(np.float32)
        normal = (pixels / 255 - backbone.preprocessing.mean) / backbone.preprocessing.std
        batch = torch.from_numpy(normal.transpose(0, 3, 1, 2)).float()
        expected = backbone.network(batch).numpy()
    for row, wanted in zip(features, expected, strict=False):
        # bfloat16, where the processor has it, keeps eight bits of each number.
        assert np.linalg.norm(row - wanted) < 0.03 * np.linalg.norm(wanted)
    assert np.linalg.norm(features[0] - expected[1]) > 0.06 * np.linalg.norm(expected[1])


def test_rows_do_not_depend_on_what_else_is_in_the_list(study, tmp_path):
    images, _, _, features = study
    names = [f"COCO_{number:04}.png" for number in range(3)]
    few = extract(images, write_annotations(tmp_path / "few.json", names), tmp_path / "few.h5")
    assert few.tobytes() == features[:3].tobytes()


def test_every_batch_has_the_same_size(study, tmp_path, monkeypatch):
    # The size decides on the order of sums within a row, and so on its last bits.
    images, annotations, _, features = study
    sizes = []

    def measure(self, pixels):
        sizes.append(len(pixels))
        return np.ones((len(pixels), self.feature_dim), dtype=np.float32)

    monkeypatch.setattr(FeatureExtractor, "__call__", measure)
    rows = extract(images, annotations, tmp_path / "features.h5")
    assert sizes == [BATCH] * 3
    assert rows.shape == features.shape


def test_rows_are_in_the_order_of_the_annotations(study, tmp_path):
    images, _, _, features = study
    order = [30, 2, 17, 0]
    names = [f"COCO_{number:04}.png" for number in order]
    rows = extract(images, write_annotations(tmp_path / "some.json", names), tmp_path / "some.h5")
    # The place within a batch may change a row's last bits.
    np.testing.assert_allclose(rows, features[order], rtol=0.02, atol=0.02 * features.max())
    nearest = [np.abs(features - row).sum(axis=1).argmin() for row in rows]
    assert nearest == order


def test_the_same_run_twice_gives_the_same_bytes(study, tmp_path):
    images, annotations, output, _ = study
    extract(images, annotations, tmp_path / "again.h5")
    assert (tmp_path / "again.h5").read_bytes() == output.read_bytes()


def test_a_folder_serves_as_well_as_an_archive(study, tmp_path):
    images, annotations, _, features = study
    with zipfile.ZipFile(images) as archive:
        archive.extractall(tmp_path / "photos")
    rows = extract(tmp_path / "photos", annotations, tmp_path / "features.h5")
    assert rows.tobytes() == features.tobytes()


def test_a_broken_image_stops_the_work_with_its_name(tmp_path):
    images, annotations = write_photos(tmp_path, 5, broken=[3])
    with pytest.raises(InputError, match=r"COCO_0003\.png in .*photos\.zip is not an image"):
        extract(images, annotations, tmp_path / "out" / "features.h5")
    assert list((tmp_path / "out").iterdir()) == []


def test_a_broken_image_is_skipped_and_listed(tmp_path, capsys):
    count, broken = BATCH + 3, [1, 4, BATCH + 1]
    images, annotations = write_photos(tmp_path, count, broken)
    rows = extract(images, annotations, tmp_path / "features.h5", broken_images="skip")
    said = capsys.readouterr().out
    for number in broken:
        assert f"COCO_{number:04}.png" in said
    assert f"3 of {count} images could not be read" in said
    with h5py.File(tmp_path / "features.h5") as file:
        assert skipped_rows(file["features"]).tolist() == broken
    empty = ~rows.any(axis=1)
    assert np.flatnonzero(empty).tolist() == broken


def test_a_missing_image_can_be_skipped_too(tmp_path):
    images, _ = write_photos(tmp_path, 2)
    annotations = write_annotations(tmp_path / "a.json", ["COCO_0000.png", "none.png"])
    output = tmp_path / "features.h5"
    rows = extract(images, annotations, output, broken_images="skip")
    assert rows[0].any()
    assert not rows[1].any()


def test_nothing_to_compute(tmp_path):
    images, _ = write_photos(tmp_path, 1)
    annotations = write_annotations(tmp_path / "none.json", [])
    with pytest.raises(InputError, match=r"none\.json lists no images"):
        extract(images, annotations, tmp_path / "features.h5")


@pytest.mark.parametrize("missing", ["images", "annotations", "weights"])
def test_missing_input_leaves_no_output(study, tmp_path, missing):
    images, annotations, _, _ = study
    paths = {"images": images, "annotations": annotations, "weights": "random"}
    paths[missing] = tmp_path / "none"
    with pytest.raises(InputError, match="none do(es)? not exist"):
        extract_features(
            paths["images"],
            paths["annotations"],
            output=tmp_path / "features.h5",
            backbone="squeezenet1_0",
            weights=str(paths["weights"]),
            device="cpu",
            threads=1,
        )
    assert list(tmp_path.iterdir()) == []


def test_a_killed_extraction_leaves_nothing_that_could_be_taken_for_a_result(study, tmp_path):
    images, _, _, features = study
    names = [f"COCO_{number % len(features):04}.png" for number in range(600)]
    annotations = write_annotations(tmp_path / "many.json", names)
    output = tmp_path / "out" / "features.h5"
    command = [sys.executable, "-m", "recap", "extract-features", str(images), str(annotations)]
    options = ["--output", str(output), "--backbone", "squeezenet1_0", "--device", "cpu"]
    process = subprocess.Popen(
        [*command, *options, "--threads", "1"],
        env={**os.environ, "PYTHONPATH": SOURCE},
        stderr=subprocess.DEVNULL,
    )
    scratch = output.parent / f".features.{process.pid}.h5"
    deadline = time.monotonic() + 60
    while not scratch.exists() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.01)
    time.sleep(0.1)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    assert [path.name for path in output.parent.iterdir()] == [scratch.name]
    # The same command finishes afterwards.
    few = write_annotations(annotations, names[:3])
    assert extract(images, few, output).tobytes() == features[:3].tobytes()


def test_channels_are_in_the_order_that_the_weights_want():
    backbone = load_backbone("squeezenet1_0", "random", "conv1")
    generator = np.random.default_rng(0)
    pixels = generator.integers(0, 256, (2, 224, 224, 3), dtype=np.uint8)
    rgb = FeatureExtractor(backbone, torch.device("cpu"))(pixels[..., ::-1].copy())
    bgr = replace(
        backbone,
        preprocessing=replace(backbone.preprocessing, channels="BGR"),
    )
    assert (FeatureExtractor(bgr, torch.device("cpu"))(pixels) == rgb).all()
    assert (FeatureExtractor(bgr, torch.device("cpu"))(pixels[..., ::-1].copy()) != rgb).any()


def test_another_layer_is_recorded(study, tmp_path):
    images, annotations, _, features = study
    output = tmp_path / "conv10.h5"
    rows = extract(images, annotations, output, layer="conv10")
    assert (rows == features[:, 1024:]).all()
    with h5py.File(output) as file:
        assert file.attrs["layer"] == "conv10"


def test_extractor_of_one_photo_agrees_with_the_file(study):
    images, _, _, features = study
    backbone = load_backbone("squeezenet1_0", "random")
    extractor = FeatureExtractor(backbone, torch.device("cpu"))
    with open_images(images) as store:
        pixels = backbone.preprocessing.cut(store.read("COCO_0000.png"))[None]
    row = extractor(pixels)
    assert row.shape == (1, extractor.feature_dim)
    assert row.dtype == np.float32
    assert np.linalg.norm(row - features[0]) < 0.02 * np.linalg.norm(features[0])


# --- feature files ------------------------------------------------------------------------------


def test_files_that_are_no_feature_files(tmp_path):
    with pytest.raises(InputError, match=r"none\.h5 does not exist"):
        open_features(tmp_path / "none.h5")
    (tmp_path / "text.h5").write_text("not HDF5")
    with pytest.raises(InputError, match=r"text\.h5 is not a whole HDF5 file"):
        open_features(tmp_path / "text.h5")
    for content in ({}, {"features": np.zeros(3)}, {"features/more": np.zeros((3, 3))}):
        with h5py.File(tmp_path / "other.h5", "w") as file:
            for key, value in content.items():
                file[key] = value
        with pytest.raises(InputError, match=r"other\.h5 has no table `features`"):
            open_features(tmp_path / "other.h5")


def test_a_truncated_feature_file(study, tmp_path):
    _, _, output, _ = study
    data = output.read_bytes()
    (tmp_path / "half.h5").write_bytes(data[: len(data) // 2])
    with pytest.raises(InputError, match=r"half\.h5 is not a whole HDF5 file"):
        open_features(tmp_path / "half.h5")
