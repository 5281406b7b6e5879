import hashlib
import io
import itertools
import json
import multiprocessing
import os
import re
import signal
import struct
import time
import zipfile
import zlib

import h5py
import numpy as np
import pytest
import torch
from PIL import Image

from recap.backbones.load import load_backbone
from recap.core.errors import InputError
from recap.core.images import ImageStore
from recap.core.photo_store import STATE_BYTES
from recap.datasets.list_shards import list_shards
from recap.features import extract as module
from recap.features.extract import extract_features
from recap.features.extractor import FeatureExtractor
from recap.features.files import create_features, open_features, skipped_rows
from recap.features.gather import gather_features
from recap.features.layers import LAYERS
from recap.features.partial_rows import HEADER_BYTES
from recap.features.pooling import pool

BATCH = 16  # what is computed together on a processor
PRECISIONS = ("float32", "bfloat16")


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


def lists_of(annotations, folder, shards, block=BATCH):
    """Return the lists of shards that are of whole batches."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("recap.datasets.list_shards.BLOCK", block)
        list_shards(annotations, output=folder, shards=shards)
    return [folder / f"{number}-of-{shards}.json" for number in range(1, shards + 1)]


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
            "seen": 1.0,
            "precision": file.attrs["precision"],
            "batch": BATCH,
            "images_sha256": file.attrs["images_sha256"],
            "images_bytes": file.attrs["images_bytes"],
        }
        assert "centre 224" in file.attrs["preprocessing"]
        assert file.attrs["precision"] in ("float32", "bfloat16")


def test_each_row_is_the_feature_of_its_image(study):
    images, annotations, _, features = study
    assert np.isfinite(features).all()
    assert features.min() >= 0
    backbone = load_backbone("squeezenet1_0", "random")
    layer = LAYERS["squeezenet1_0"]["fire9_conv10"]
    records = json.loads(annotations.read_text())["images"]
    with ImageStore(images) as store, torch.inference_mode():
        pixels = np.stack(
            [np.asarray(store.read(record["file_name"])) for record in records[:4]]
        ).astype(np.float32)
        normal = (pixels / 255 - backbone.preprocessing.mean) / backbone.preprocessing.std
        batch = torch.from_numpy(normal.transpose(0, 3, 1, 2)).float()
        expected = pool(backbone.network.maps(batch, layer), layer).numpy()
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
        return torch.ones((len(pixels), self.feature_dim))

    monkeypatch.setattr(FeatureExtractor, "_compute", measure)
    rows = extract(images, annotations, tmp_path / "features.h5")
    assert sizes == [BATCH] * 3
    assert rows.shape == features.shape


@pytest.mark.parametrize("batch", [32, 64])
def test_a_larger_batch_is_put_together_of_what_is_decoded(study, tmp_path, batch):
    images, annotations, _, features = study
    rows = extract(images, annotations, tmp_path / "features.h5", batch=batch)
    np.testing.assert_allclose(rows, features, rtol=0.02, atol=0.02 * features.max())
    with open_features(tmp_path / "features.h5") as file:
        assert file.attrs["batch"] == batch


@pytest.mark.parametrize("batch", [0, -16, 8, 20, 65_552, 16 * 10**18])
def test_a_batch_that_no_units_make_is_refused(study, tmp_path, batch):
    images, annotations, _, _ = study
    with pytest.raises(InputError, match=f"batch of {batch} cannot be computed: give a multiple"):
        extract(images, annotations, tmp_path / "features.h5", batch=batch)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("precision", PRECISIONS)
def test_the_precision_that_is_asked_for_is_taken_and_named(study, tmp_path, precision):
    images, _, _, _ = study
    annotations = write_annotations(tmp_path / "few.json", ["COCO_0000.png"])
    rows = extract(images, annotations, tmp_path / "few.h5", layer="conv1", precision=precision)
    with open_features(tmp_path / "few.h5") as file:
        assert file.attrs["precision"] == precision
    # Of a number in bfloat16 the last 16 bits are zero.
    assert (rows.view(np.uint32) & 0xFFFF == 0).all() == (precision == "bfloat16")


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
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["features.h5.part"]


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


def test_what_was_finished_before_a_broken_image_is_kept(tmp_path, capsys, monkeypatch):
    images, annotations = write_photos(tmp_path, 2 * BATCH + 3, [1, 2 * BATCH + 1])
    whole = extract(images, annotations, tmp_path / "whole.h5", broken_images="skip")
    output = tmp_path / "features.h5"
    monkeypatch.setattr("recap.features.extract._compute", fail_after(2))
    with pytest.raises(RuntimeError, match="no more power"):
        extract(images, annotations, output, broken_images="skip")
    monkeypatch.undo()
    # What was broken is tried again, and first.
    with pytest.raises(InputError, match=r"COCO_0001\.png in "):
        extract(images, annotations, output, broken_images="stop")
    capsys.readouterr()
    rows = extract(images, annotations, output, broken_images="skip")
    assert rows.tobytes() == whole.tobytes()
    assert output.read_bytes() == (tmp_path / "whole.h5").read_bytes()
    said = capsys.readouterr().out
    assert "skipped: COCO_0001.png in" in said
    assert "skipped: COCO_0033.png in" in said
    assert not list(tmp_path.glob("*.part"))


def fail_after(batches):
    """Return `_compute`, but failing after some batches."""
    compute = module._compute

    def failing(*arguments):
        yield from itertools.islice(compute(*arguments), batches)
        raise RuntimeError("no more power")

    return failing


@pytest.mark.parametrize("change", ["weights", "names", "archive", "layer"])
def test_a_part_file_of_anything_else_is_not_continued(study, tmp_path, monkeypatch, change):
    images, annotations, _, _ = study
    names = [f"COCO_{number:04}.png" for number in range(20)]
    output = tmp_path / "features.h5"
    options = {}
    first = write_annotations(tmp_path / "names.json", names)
    archive = tmp_path / "photos.zip"
    archive.write_bytes(images.read_bytes())
    monkeypatch.setattr("recap.features.extract._compute", fail_after(1))
    with pytest.raises(RuntimeError):
        extract(archive, first, output)
    assert (tmp_path / "features.h5.part").stat().st_size > 100_000
    monkeypatch.undo()
    if change == "weights":
        state = load_backbone("squeezenet1_0", "random").network.state_dict()
        torch.save({key: value * 0.9 for key, value in state.items()}, tmp_path / "other.pth")
        options = {"weights": str(tmp_path / "other.pth")}
    elif change == "names":
        write_annotations(first, names[::-1])
    elif change == "archive":
        # The same photos under other names.
        with zipfile.ZipFile(images) as source, zipfile.ZipFile(archive, "w") as target:
            for name, other in zip(source.namelist(), source.namelist()[::-1], strict=True):
                target.writestr(name, source.read(other))
    else:
        options = {"layer": "fire9"}
    rows = extract(archive, first, output, **options)
    undisturbed = extract(archive, first, tmp_path / "undisturbed.h5", **options)
    assert rows.tobytes() == undisturbed.tobytes()


def unpacked(images, folder):
    """Unpack an archive of photos, each with a time of its own in the past."""
    with zipfile.ZipFile(images) as archive:
        archive.extractall(folder)
    for number, path in enumerate(sorted(folder.glob("train2014/*"))):
        os.utime(path, (10**9 + number, 10**9 + number))
    return folder


def in_reach_of_a_kill(monkeypatch, batches, *arguments, **options):
    """Extract, and fail after some batches."""
    with monkeypatch.context() as patch:
        patch.setattr("recap.features.extract._compute", fail_after(batches))
        with pytest.raises(RuntimeError, match="no more power"):
            extract(*arguments, **options)


def counted(monkeypatch):
    """Return a list that grows by the images of each batch that is launched."""
    sizes = []
    launch = FeatureExtractor.launch

    def counting(self, units):
        sizes.append(len(units))
        return launch(self, units)

    monkeypatch.setattr(FeatureExtractor, "launch", counting)
    return sizes


@pytest.mark.parametrize("change", ["replaced", "touched", "none"])
def test_a_photo_that_is_replaced_after_a_kill_is_read_again(study, tmp_path, monkeypatch, change):
    """In place: neither the folder's time nor its names tell. Only the batch is computed again."""
    images, annotations, _, _ = study
    folder, output = unpacked(images, tmp_path / "photos"), tmp_path / "features.h5"
    in_reach_of_a_kill(monkeypatch, 2, folder, annotations, output, layer="conv1")
    photo = folder / f"train2014/COCO_{BATCH + 2:04}.png"
    if change == "replaced":
        photo.write_bytes((folder / "train2014/COCO_0000.png").read_bytes())
    elif change == "touched":
        photo.touch()
    launched = counted(monkeypatch)
    extract(folder, annotations, output, layer="conv1")
    assert len(launched) == (1 if change == "none" else 2)
    monkeypatch.undo()
    extract(folder, annotations, tmp_path / "undisturbed.h5", layer="conv1")
    assert output.read_bytes() == (tmp_path / "undisturbed.h5").read_bytes()


@pytest.mark.parametrize("damage", ["features", "hole", "photo", "tail"])
def test_finished_rows_that_are_damaged_after_a_kill_are_computed_again(
    study, tmp_path, monkeypatch, damage
):
    images, annotations, _, _ = study
    output = tmp_path / "features.h5"
    in_reach_of_a_kill(monkeypatch, 2, images, annotations, output, layer="conv1")
    part = tmp_path / "features.h5.part"
    data = bytearray(part.read_bytes())
    row = (len(data) - HEADER_BYTES) // (2 * BATCH)
    if damage == "features":
        data[HEADER_BYTES + row + 2] ^= 4
    elif damage == "hole":
        data[HEADER_BYTES + row + 64 : HEADER_BYTES + row + 128] = bytes(64)
    elif damage == "photo":
        data[HEADER_BYTES + row - 4 - STATE_BYTES - 9] ^= 4
    else:
        data[-3 * row // 2 :] = bytes(len(data[-3 * row // 2 :]))
    part.write_bytes(data)
    launched = counted(monkeypatch)
    extract(images, annotations, output, layer="conv1")
    assert len(launched) == 2  # its batch, and the one that was left
    monkeypatch.undo()
    extract(images, annotations, tmp_path / "undisturbed.h5", layer="conv1")
    assert output.read_bytes() == (tmp_path / "undisturbed.h5").read_bytes()


@pytest.mark.parametrize("broken_images", ["skip", "stop"])
def test_a_photo_that_is_repaired_after_a_kill_is_read(tmp_path, monkeypatch, broken_images):
    images, annotations = write_photos(tmp_path, BATCH + 3, [1])
    folder, output = unpacked(images, tmp_path / "photos"), tmp_path / "features.h5"
    options = {"layer": "conv1", "broken_images": "skip"}
    in_reach_of_a_kill(monkeypatch, 1, folder, annotations, output, **options)
    photo = folder / "train2014/COCO_0001.png"
    before = photo.stat()
    # An error of reading that passes leaves the file's time as it is.
    photo.write_bytes((folder / "train2014/COCO_0000.png").read_bytes())
    os.utime(photo, ns=(before.st_atime_ns, before.st_mtime_ns))
    options["broken_images"] = broken_images
    rows = extract(folder, annotations, output, **options)
    assert rows[1].any()
    with open_features(output) as file:
        assert skipped_rows(file["features"]).tolist() == []
    undisturbed = extract(folder, annotations, tmp_path / "undisturbed.h5", layer="conv1")
    assert rows.tobytes() == undisturbed.tobytes()
    assert output.read_bytes() == (tmp_path / "undisturbed.h5").read_bytes()


def test_a_photo_that_is_still_missing_after_a_kill_stops_the_work(study, tmp_path, monkeypatch):
    images, annotations, _, _ = study
    folder, output = unpacked(images, tmp_path / "photos"), tmp_path / "features.h5"
    (folder / "train2014/COCO_0001.png").unlink()
    options = {"layer": "conv1", "broken_images": "skip"}
    in_reach_of_a_kill(monkeypatch, 1, folder, annotations, output, **options)
    with pytest.raises(InputError, match=r"COCO_0001\.png is not in .* set broken_images: skip"):
        extract(folder, annotations, output, layer="conv1")


def test_a_photo_that_breaks_after_a_kill_is_skipped(study, tmp_path, monkeypatch):
    images, annotations, _, _ = study
    folder, output = unpacked(images, tmp_path / "photos"), tmp_path / "features.h5"
    in_reach_of_a_kill(monkeypatch, 1, folder, annotations, output, layer="conv1")
    (folder / "train2014/COCO_0002.png").write_bytes(b"")
    rows = extract(folder, annotations, output, layer="conv1", broken_images="skip")
    assert not rows[2].any()
    with open_features(output) as file:
        assert skipped_rows(file["features"]).tolist() == [2]


def test_the_file_tells_the_bytes_of_the_photos_and_not_where_they_lay(study, tmp_path):
    images, annotations, output, _ = study
    for name in ("one", "another/deep"):
        folder = unpacked(images, tmp_path / name)
        extract(folder, annotations, tmp_path / f"{folder.name}.h5")
        assert (tmp_path / f"{folder.name}.h5").read_bytes() == output.read_bytes()
    photos = [path.read_bytes() for path in sorted((tmp_path / "one/train2014").iterdir())]
    digests = b"".join(hashlib.sha256(photo).digest() for photo in photos)
    with open_features(output) as file:
        assert file.attrs["images_sha256"] == hashlib.sha256(digests).hexdigest()
        assert file.attrs["images_bytes"] == sum(map(len, photos))


def test_photos_of_which_none_can_be_read(study, tmp_path):
    _, annotations, _, _ = study
    (tmp_path / "empty").mkdir()
    options = {"broken_images": "skip", "layer": "conv1"}
    with pytest.raises(InputError, match="None of the 35 images could be read: check"):
        extract(tmp_path / "empty", annotations, tmp_path / "1-of-1.h5", **options)
    shards = extract_shards(tmp_path / "empty", annotations, tmp_path, 2, **options)
    with pytest.raises(InputError, match="None of the 35 images could be read: check"):
        gather_features(*shards, output=tmp_path / "features.h5")
    assert not list(tmp_path.glob("features.h5")) + list(tmp_path.glob("1-of-1.h5"))


def test_a_missing_image_can_be_skipped_too(tmp_path):
    images, _ = write_photos(tmp_path, 2)
    annotations = write_annotations(tmp_path / "a.json", ["COCO_0000.png", "none.png"])
    output = tmp_path / "features.h5"
    rows = extract(images, annotations, output, broken_images="skip")
    assert rows[0].any()
    assert not rows[1].any()


def test_only_the_network_keeps_the_memory_that_it_frees(study, tmp_path, monkeypatch):
    """Processes that decode start before; they give back what a large photo took."""
    images, annotations, _, _ = study
    decoding = []
    monkeypatch.setattr(
        module,
        "keep_freed_memory",
        lambda: decoding.append(len(multiprocessing.active_children())),
    )
    extract(images, annotations, tmp_path / "features.h5")
    assert decoding == [1]


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


# Processes that have PyTorch already, so that ten of them start in a second.
CONTEXT = multiprocessing.get_context("forkserver")
CONTEXT.set_forkserver_preload(["recap.features.extract"])


def start_extraction(images, annotations, output):
    options = {"backbone": "squeezenet1_0", "device": "cpu", "threads": 1}
    process = CONTEXT.Process(
        target=extract_like_a_command,
        args=(images, annotations),
        kwargs={"output": output, **options},
    )
    process.start()
    return process


def extract_like_a_command(*arguments, **options):
    """Extract with readers that are forked from this process, and end when it is killed."""
    multiprocessing.set_start_method("fork", force=True)
    extract_features(*arguments, **options)


def extract_with_kills(images, annotations, output, kills, generator):
    """Extract, killed again and again at random moments; return how many kills came in time."""
    part = output.with_name(f"{output.name}.part")
    landed = 0
    for _ in range(kills):
        before = part.stat().st_size if part.exists() else 0
        reached = before + int(generator.uniform(-1, 2) * BATCH * 2024 * 4)
        process = start_extraction(images, annotations, output)
        while process.is_alive():
            if part.exists() and part.stat().st_size > reached:
                time.sleep(generator.uniform(0, 0.2))
                process.kill()
                break
            time.sleep(0.002)
        process.join()
        landed += process.exitcode == -signal.SIGKILL
        if output.exists():
            break
        assert part.stat().st_size >= before
    process = start_extraction(images, annotations, output)
    process.join()
    assert process.exitcode == 0
    assert not part.exists()
    return landed


@pytest.mark.slow
def test_kills_change_no_byte(study, tmp_path):
    images, _, _, features = study
    generator = np.random.default_rng(5)
    names = [f"COCO_{number % len(features):04}.png" for number in range(12 * BATCH + 5)]
    annotations = write_annotations(tmp_path / "many.json", names)
    extract(images, annotations, tmp_path / "undisturbed.h5")
    expected = (tmp_path / "undisturbed.h5").read_bytes()
    output = tmp_path / "killed" / "features.h5"
    landed = extract_with_kills(images, annotations, output, 10, generator)
    assert output.read_bytes() == expected
    for count in (3, 8):
        shards = [tmp_path / f"shards/{number}of{count}.h5" for number in range(1, count + 1)]
        lists = lists_of(annotations, tmp_path / "lists", count)
        for number, (listed, shard) in enumerate(zip(lists, shards, strict=True)):
            landed += extract_with_kills(images, listed, shard, int(number < 3), generator)
        gather_features(*shards, output=tmp_path / "gathered.h5")
        assert (tmp_path / "gathered.h5").read_bytes() == expected
    assert landed >= 8


# --- shards -------------------------------------------------------------------------------------


def extract_shards(images, annotations, folder, shards, **options):
    paths = [folder / f"{number}of{shards}.h5" for number in range(1, shards + 1)]
    for listed, path in zip(lists_of(annotations, folder, shards), paths, strict=True):
        extract(images, listed, path, **options)
    return paths


def test_one_shard_may_hold_all_images(study, tmp_path):
    images, annotations, output, _ = study
    lists = lists_of(annotations, tmp_path, 2, block=64)
    paths = [tmp_path / "1.h5", tmp_path / "2.h5"]
    for listed, path in zip(lists, paths, strict=True):
        extract(images, listed, path)
    gather_features(*paths, output=tmp_path / "features.h5")
    assert (tmp_path / "features.h5").read_bytes() == output.read_bytes()


@pytest.mark.parametrize("shards", [1, 3, 8])
def test_the_number_of_shards_changes_no_byte(study, tmp_path, shards):
    images, annotations, output, _ = study
    # Of eight shards, five have no batch.
    paths = extract_shards(images, annotations, tmp_path, shards)
    gather_features(*reversed(paths), output=tmp_path / "features.h5")
    assert (tmp_path / "features.h5").read_bytes() == output.read_bytes()


def test_skipped_images_of_shards(tmp_path):
    broken = [2, BATCH, 2 * BATCH + 1]
    images, annotations = write_photos(tmp_path, 2 * BATCH + 2, broken)
    options = {"broken_images": "skip"}
    extract(images, annotations, tmp_path / "whole.h5", **options)
    paths = extract_shards(images, annotations, tmp_path, 3, **options)
    gather_features(*paths, output=tmp_path / "features.h5")
    with open_features(tmp_path / "features.h5") as file:
        assert skipped_rows(file["features"]).tolist() == broken
    assert (tmp_path / "features.h5").read_bytes() == (tmp_path / "whole.h5").read_bytes()


def test_shards_that_do_not_fit(study, tmp_path):
    images, annotations, _, _ = study
    paths = extract_shards(images, annotations, tmp_path, 3)
    other = tmp_path / "other.h5"
    extract(images, tmp_path / "2-of-3.json", other, layer="fire9")
    few = write_annotations(tmp_path / "few.json", ["COCO_0000.png"] * 2 * BATCH)
    (of_few,) = extract_shards(images, few, tmp_path / "few", 2)[1:]
    output = tmp_path / "features.h5"
    for shards, sentence in (
        (paths[:2], "hold 32 rows, and not all images, which are 35: name every"),
        (paths[1:], "2of3.h5 begins at row 16, and row 0 is missing: name every shard, each once"),
        ([paths[0], paths[2]], "3of3.h5 begins at row 32, and row 16 is missing"),
        ([paths[0], paths[0]], "1of3.h5 begins at row 0, and others have its rows, too"),
        ([paths[0], other, paths[2]], "other.h5 does not fit .*1of3.h5: extract the same"),
        ([paths[0], of_few], "2of2.h5 is of 32 images, and .*1of3.h5 of 35: extract"),
        ([], "No shard is given that holds a row"),
    ):
        with pytest.raises(InputError, match=sentence):
            gather_features(*shards, output=output)
        assert not output.exists()


@pytest.mark.parametrize("name", ["first_row", "all_rows"])
def test_a_shard_with_no_place(study, tmp_path, name):
    images, annotations, _, _ = study
    paths = extract_shards(images, annotations, tmp_path, 2)
    with h5py.File(paths[0], "a") as file:
        file.attrs[name] = [1, 2]
    with pytest.raises(InputError, match="is damaged: its attributes do not fit; extract"):
        gather_features(*paths, output=tmp_path / "features.h5")


@pytest.mark.parametrize(("setting", "values"), [("precision", PRECISIONS), ("batch", (16, 32))])
def test_shards_of_machines_that_compute_otherwise_are_refused(study, tmp_path, setting, values):
    images, _, _, _ = study
    names = [f"COCO_{number:04}.png" for number in range(35)]
    annotations = write_annotations(tmp_path / "few.json", names)
    for number, value in enumerate(values, start=1):
        listed = lists_of(annotations, tmp_path, 2, block=32)[number - 1]
        options = {"layer": "conv1", setting: value}
        extract(images, listed, tmp_path / f"{number}.h5", **options)
    told = (
        rf"2\.h5 was extracted with the {setting} {values[1]}, and .*1\.h5 with {values[0]}: set"
        rf" `feature_{setting}` in the configuration, or --{setting}, and extract"
    )
    with pytest.raises(InputError, match=told):
        gather_features(tmp_path / "1.h5", tmp_path / "2.h5", output=tmp_path / "features.h5")
    assert not (tmp_path / "features.h5").exists()


@pytest.mark.parametrize("info", [{"first_row": "a"}, {"first_row": 1, "all_rows": 35}])
def test_a_list_whose_place_cannot_be(study, tmp_path, info):
    images, annotations, _, _ = study
    content = json.loads(annotations.read_text()) | {"info": info}
    (tmp_path / "list.json").write_text(json.dumps(content))
    with pytest.raises(
        InputError, match=r"list\.json lists 35 images from row .*, which cannot be"
    ):
        extract(images, tmp_path / "list.json", tmp_path / "features.h5")


def test_a_shard_is_of_whole_batches(study, tmp_path):
    images, annotations, _, _ = study
    first, last = lists_of(annotations, tmp_path, 2)
    told = "lists rows 0 to 32, which are no whole batches of 48: .* again with --batch 48"
    with pytest.raises(InputError, match=told):
        extract(images, first, tmp_path / "features.h5", batch=48)
    with pytest.raises(InputError, match="lists rows 32 to 35, which are no whole batches of 48"):
        extract(images, last, tmp_path / "features.h5", batch=48)


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
    extractor = FeatureExtractor(backbone, "fire9_conv10", torch.device("cpu"))
    with ImageStore(images) as store:
        pixels = backbone.preprocessing.cut(store.read("COCO_0000.png"))[None]
    row = extractor(pixels)
    assert row.shape == (1, extractor.feature_dim)
    assert row.dtype == np.float32
    assert np.linalg.norm(row - features[0]) < 0.02 * np.linalg.norm(features[0])


# --- hostile images -----------------------------------------------------------------------------


def write_hostile_photos(folder):
    """Write a zip of every kind of bad photo, and return which of them can be read."""

    def encoded(image, form, **options):
        buffer = io.BytesIO()
        image.save(buffer, form, **options)
        return buffer.getvalue()

    pixels = np.random.default_rng(0).integers(0, 256, (300, 400, 3), dtype=np.uint8)
    photo = Image.fromarray(pixels)
    jpeg = encoded(photo, "jpeg")
    bomb = zlib.compress(bytes(20_000 // 8 + 1) * 20_000)
    header = struct.pack(">IIBBBBB", 20_000, 20_000, 1, 0, 0, 0, 0)
    png = b"\x89PNG\r\n\x1a\n"
    for kind, data in ((b"IHDR", header), (b"IDAT", bomb), (b"IEND", b"")):
        checksum = struct.pack(">I", zlib.crc32(kind + data))
        png += struct.pack(">I", len(data)) + kind + data + checksum
    photos = {
        "whole.jpg": (jpeg, True),
        "truncated.jpg": (jpeg[: len(jpeg) // 2], False),
        "empty.jpg": (b"", False),
        "cmyk.jpg": (encoded(photo.convert("CMYK"), "jpeg"), True),
        "sixteen_bits.png": (
            encoded(Image.fromarray(pixels[..., 0].astype(np.uint16) * 257), "png"),
            True,
        ),
        "one_pixel.png": (encoded(photo.crop((0, 0, 1, 1)), "png"), True),
        "bomb.png": (png, False),
        "a_png.jpg": (encoded(photo, "png"), True),
        "../outside.jpg": (jpeg, True),
        "page.jpg": (b"<html>404 Not Found</html>", False),
        "absent.jpg": (None, False),
    }
    with zipfile.ZipFile(folder / "hostile.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for name, (data, _) in photos.items():
            if data is not None:
                archive.writestr(name, data)
    return folder / "hostile.zip", {name: readable for name, (_, readable) in photos.items()}


def test_hostile_images_are_skipped_by_name(tmp_path, capsys):
    images, readable = write_hostile_photos(tmp_path)
    annotations = write_annotations(tmp_path / "captions.json", list(readable))
    rows = extract(images, annotations, tmp_path / "features.h5", broken_images="skip")
    said = capsys.readouterr().out
    for row, (name, good) in zip(rows, readable.items(), strict=True):
        assert row.any() == good, name
        assert (f"skipped: {name} " in said) != good, name
    assert "5 of 11 images could not be read and were skipped." in said
    # Nothing was unpacked.
    assert {path.name for path in tmp_path.iterdir()} == {
        "hostile.zip",
        "captions.json",
        "features.h5",
    }
    assert not (tmp_path.parent / "outside.jpg").exists()


@pytest.mark.parametrize(
    "name", ["truncated.jpg", "empty.jpg", "bomb.png", "page.jpg", "absent.jpg"]
)
def test_each_hostile_image_stops_the_work_by_name(tmp_path, name):
    images, _ = write_hostile_photos(tmp_path)
    annotations = write_annotations(tmp_path / "captions.json", ["whole.jpg", name])
    with pytest.raises(InputError, match=f"^{re.escape(name)} "):
        extract(images, annotations, tmp_path / "features.h5")
    assert not (tmp_path / "features.h5").exists()


# --- feature files ------------------------------------------------------------------------------


def test_files_that_are_no_feature_files(tmp_path):
    for content, said in (
        ({}, "has no table `features`"),
        ({"features/more": np.zeros((3, 3))}, "has no table `features`"),
        ({"features": np.zeros(3)}, "`features` in .* has 1 dimensions of float64"),
        ({"features": np.zeros((3, 3), int)}, "has 2 dimensions of int64, where 2 of floating"),
    ):
        with h5py.File(tmp_path / "other.h5", "w") as file:
            for key, value in content.items():
                file[key] = value
        with (
            pytest.raises(InputError, match=rf"(?s)other\.h5 .*{said}|{said}"),
            open_features(tmp_path / "other.h5"),
        ):
            pass


@pytest.mark.parametrize(
    "attributes",
    [
        *({"skipped": rows} for rows in (3, [3], [-1], [0.5], [b"a"], [[0]])),
        *({"regions": number} for number in ([1, 2], 2, 0, -1, 1.5, "abc", b"x", 10**9)),
    ],
)
def test_attributes_that_do_not_fit(tmp_path, attributes):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["features"] = np.zeros((3, 3), np.float32)
        file["features"].attrs.update(attributes)
        file.attrs.update(attributes)
    with (
        pytest.raises(InputError, match=r"a\.h5 is damaged: its attributes do not fit"),
        open_features(tmp_path / "a.h5"),
    ):
        pass


def test_more_skipped_rows_than_an_attribute_of_the_old_format_holds(tmp_path):
    skipped = np.arange(0, 100_000, 2)
    for name in ("a.h5", "b.h5"):
        with create_features(tmp_path / name, (100_000, 1), {"layer": "fc7"}, skipped) as rows:
            rows[:] = 1
    with open_features(tmp_path / "a.h5") as file:
        assert list(file) == ["features"]
        assert (skipped_rows(file["features"]) == skipped).all()
        assert file["features"].chunks is None
    assert (tmp_path / "a.h5").read_bytes() == (tmp_path / "b.h5").read_bytes()
