"""Damage valid inputs at random, and tell which are neither read nor refused in a sentence.

Photos, archives of photos and of captions, JSON, HDF5, weights and models are made small and valid,
damaged by a seed, and read by the functions that read them in a study. Allowed is a result or an
`InputError`; another exception, a crash, a hang of half a minute and more than 3 GB of memory are
findings, and the input is kept. Readers run in processes of their own, which the first one watches.

Usage: python tests/fuzz.py [--minutes 60] [--seed 0] [--keep FOLDER] [--only NAME ...]
"""

import argparse
import contextlib
import io
import json
import os
import random
import re
import shutil
import signal
import sys
import tempfile
import time
import traceback
import zipfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import safetensors.numpy
import torch
from PIL import Image

from recap.backbones.load import load_backbone
from recap.backbones.preprocessing import Preprocessing
from recap.captioners.folder import CONFIG, MODEL, TrainedCaptioner, load_captioner, save_captioner
from recap.captioners.numpy import CaptioningRNN
from recap.captioners.recipe import Recipe
from recap.captioners.verify import verify
from recap.captions.encode import encode_captions
from recap.captions.files import read_captions, read_vocabulary
from recap.captions.vocabulary import build_vocabulary
from recap.captions.words import SPECIAL_WORDS
from recap.core.arrays import read_arrays
from recap.core.errors import InputError
from recap.core.images import ImageStore, decode_image
from recap.cs231n.coco_utils import load_coco_data
from recap.datasets import coco, flickr8k, karpathy
from recap.datasets.annotations import read_annotations
from recap.datasets.categories import prepare_categories, read_categories
from recap.datasets.digits.idx import Digits, read_images, write_digits
from recap.datasets.list_images import list_images
from recap.evaluation.scoring.results import read_results
from recap.evaluation.scoring.score import score_captions
from recap.features.calibrate import read_scales
from recap.features.files import FEATURES, open_features, skipped_rows
from recap.features.gather import gather_features
from recap.features.pca import fit_pca, read_pca, sum_features
from recap.report.captioning.history import read_history

SECONDS, MEMORY, CASES = 30, 3 << 30, 200
WORDS = [*SPECIAL_WORDS, "a", "dog", "cat"]
JSON_VALUES = [
    "null", "true", "-1", "0", "1.5", "1e999", "NaN", "9223372036854775808", '""', '"\\ud800"',
    "[]", "{}", '"\\u0000"', "[[[]]]", '"a"', "-0",
]  # fmt: skip

Reader = Callable[[Path], object]


def damage(data: bytes, other: bytes, chance: random.Random) -> bytes:
    """Return bytes with one to six changes."""
    found = bytearray(data)
    for _ in range(chance.choice([1, 1, 2, 3, 6])):
        place = chance.randrange(len(found) + 1)
        length = chance.choice([1, 2, 4, 8, 64, 1024])
        match chance.randrange(8):
            case 0 | 1 if found:
                found[place % len(found)] ^= 1 << chance.randrange(8)
            case 2:
                found[place : place + length] = chance.choice([b"\0", b"\xff", b"\x7f"]) * length
            case 3:
                found[place : place + length] = chance.randbytes(length)
            case 4:
                del found[place:]
            case 5:
                del found[place : place + length]
            case 6:
                found[place:place] = found[place : place + length]
            case 7:
                begin = chance.randrange(len(other) + 1)
                found[place:place] = other[begin : begin + length]
    return bytes(found)


def damage_json(data: bytes, other: bytes, chance: random.Random) -> bytes:
    """Put another value in a value's place, or damage the bytes."""
    if chance.random() < 0.3:
        return damage(data, other, chance)
    values = []

    def visit(holder: dict | list) -> None:
        for key, value in holder.items() if isinstance(holder, dict) else enumerate(holder):
            values.append((holder, key))
            if isinstance(value, dict | list):
                visit(value)

    content = json.loads(data)
    visit(content)
    for number in range(chance.choice([1, 1, 2])):
        holder, key = chance.choice(values)
        with contextlib.suppress(KeyError, IndexError):
            if chance.random() < 0.15:
                del holder[key]
            else:
                holder[key] = f"PUT{number}HERE"
    text = json.dumps(content)
    for number in range(2):
        text = text.replace(f'"PUT{number}HERE"', chance.choice(JSON_VALUES))
    return text.encode()


def picture(kind: str, mode: str = "RGB", **options: object) -> bytes:
    pixels = np.random.default_rng(0).integers(0, 255, (24, 31, 4), np.uint8)
    image = Image.fromarray(pixels).convert("RGB").convert(mode)
    exif = image.getexif()
    exif[274] = 6
    file = io.BytesIO()
    image.save(file, kind, exif=exif, **options)
    return file.getvalue()


def archive(members: dict[str, bytes], compression: int = zipfile.ZIP_STORED) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", compression) as out:
        for name, data in members.items():
            out.writestr(name, data)
    return file.getvalue()


def caption_file() -> dict:
    return {
        "info": {"description": "d"},
        "images": [
            {"id": n, "file_name": f"{n}.jpg", "coco_url": f"http://x/val/{n}.jpg"}
            for n in (1, 2, 3)
        ],
        "annotations": [{"id": n, "image_id": n % 3 + 1, "caption": "a dog"} for n in range(6)],
    }


def karpathys() -> bytes:
    images = [
        {
            "filename": f"{n}.jpg",
            "filepath": "val2014",
            "cocoid": n,
            "imgid": n,
            "split": split,
            "sentences": [{"raw": "a dog", "sentid": n}],
        }
        for n, split in enumerate(("train", "restval", "val", "test"))
    ]
    return json.dumps({"images": images, "dataset": "coco"}).encode()


def make_study(folder: Path) -> Path:
    """Make a `coco_captioning` folder and a model, all valid."""
    study = folder / "coco_captioning"
    study.mkdir(parents=True)
    numbers = {word: number for number, word in enumerate(WORDS)}
    content = {"idx_to_word": WORDS, "word_to_idx": numbers}
    (study / "coco2014_vocab.json").write_text(json.dumps(content))
    generator = np.random.default_rng(0)
    with h5py.File(study / "coco2014_captions.h5", "w") as file:
        for split in ("train", "val"):
            file[f"{split}_captions"] = np.array([[1, 4, 5, 2, 0]] * 6, np.int32)
            file[f"{split}_image_idxs"] = np.arange(6, dtype=np.int32) // 2
            (study / f"{split}2014_urls.txt").write_text("http://x\n" * 3)
            names = "".join(f"coco/images/{split}2014/{n}.jpg\n" for n in range(3))
            (study / f"{split}2014_images.txt").write_text(names)
            for suffix, width in (("", 6), ("_pca", 2)):
                with h5py.File(study / f"{split}2014_vgg16_fc7{suffix}.h5", "w") as features:
                    features["features"] = generator.random((3, width), np.float32)
                    features["features"].attrs["skipped"] = np.array([1])
                    features.attrs.update(
                        backbone="vgg16", regions=1, precision="float32", batch=16
                    )
    recipe = Recipe(architecture="rnn", wordvec_dim=3, hidden_dim=4)
    network = CaptioningRNN(numbers, input_dim=2, wordvec_dim=3, hidden_dim=4, cell_type="rnn")
    parameters = {name: value.astype(np.float32) for name, value in network.params.items()}
    save_captioner(folder / "model", TrainedCaptioner(recipe, WORDS, parameters, {"regions": 1}))
    with contextlib.redirect_stdout(io.StringIO()):
        sum_features(study / "train2014_vgg16_fc7.h5", output=folder / "sums.h5")
        fit_pca(folder / "sums.h5", output=folder / "pca.h5", components=2)
    return study


def read_photos(path: Path) -> None:
    with ImageStore(path) as store:
        for name in ("1.jpg", "val/1.jpg", "2.png"):
            with contextlib.suppress(InputError):
                store.read(name)


def read_photo(path: Path) -> None:
    image = decode_image(path.read_bytes(), str(path))
    assert image.mode == "RGB"
    for preprocessing in (Preprocessing(resize=256), Preprocessing(resize=None)):
        assert preprocessing.cut(image).shape == (224, 224, 3)


def read_caption_file(path: Path) -> None:
    split = read_annotations(path)
    split.captions_by_image()
    out = path.parent / "out"
    list_images(path, images=out / "val2014_images.txt", urls=out / "val2014_urls.txt")
    build_vocabulary(path, output=out / "vocab.json")
    encode_captions(out / "vocab.json", train=path, val=path, output=out / "captions.h5")
    assert read_captions(out / "captions.h5", "val")[0].shape[1] == 17


def read_feature_file(path: Path) -> None:
    with open_features(path) as file:
        skipped_rows(file[FEATURES])
        np.asarray(file[FEATURES][:])
    gather_features(path, output=path.parent / "gathered.h5")
    sum_features(path, output=path.parent / "out.h5")


def in_place(folder: Path, name: str, read: Reader) -> Reader:
    """Return a reader of a whole folder in which one file is the damaged one."""

    def reader(path: Path) -> None:
        copy = path.parent / "copy"
        shutil.copytree(folder, copy, dirs_exist_ok=True)
        shutil.copy(path, copy / name)
        read(copy)

    return reader


def consume(read: Callable, *given: object) -> Reader:
    return lambda path: b"".join(read(path, *given))


def make_inputs(folder: Path) -> dict[str, tuple[bytes, Reader, Callable]]:
    """Return the valid inputs: bytes, who reads them, how they are damaged."""
    study = make_study(folder)
    captions = json.dumps(caption_file()).encode()
    results = json.dumps([{"image_id": n, "caption": "a dog"} for n in (1, 2, 3)]).encode()
    objects = {
        "categories": [{"id": 1, "name": "dog"}],
        "annotations": [{"image_id": 1, "category_id": 1}],
    }
    members = {
        "captions_val2014.json": captions,
        "instances_val2014.json": json.dumps(objects).encode(),
    }
    token = "".join(f"{n}_a.jpg#{k}\ta dog .\n" for n in (1, 2, 3) for k in range(2)).encode()
    flickr = {"Flickr8k.token.txt": token, "Flickr_8k.testImages.txt": b"1_a.jpg\n2_a.jpg\n"}
    (folder / "val.json").write_bytes(captions)
    network = load_backbone("squeezenet1_0", "random").network.state_dict()
    small = {name: value[:1] for name, value in network.items()}
    torch.save(small, folder / "a.pth")
    torch.save({"state_dict": small}, folder / "old.pth", _use_new_zipfile_serialization=False)
    pictures = np.random.default_rng(0).integers(0, 256, (9, 28, 28), np.uint8)
    digits = Digits(pictures, np.arange(9, dtype=np.uint8))
    write_digits(folder / "digits.gz", folder / "labels.gz", digits)
    np.savez_compressed(folder / "samples.npz", steps=np.arange(2), images=pictures)
    model = folder / "model"
    history = "step,epoch,loss,learning_rate,captions_per_second,validation_loss,reward\n"
    history += "1,1,3.5,0.001,100,,\n2,1,,0.001,100,3.1,\n"

    def photos(kind: int) -> bytes:
        return archive({"val/1.jpg": picture("JPEG"), "2.png": picture("PNG")}, kind)

    def score(path: Path) -> None:
        read_results(path)
        score_captions(path, folder / "val.json", meteor=False)

    squeezenet = load_backbone("squeezenet1_0", "random", ["conv1"])
    scales = {"layer": "conv1", "scales": {"features.0": 0.5}}

    def weights(path: Path) -> None:
        load_backbone("squeezenet1_0", str(path))

    inputs: dict[str, tuple] = {
        f"{kind}-{mode}-{len(options)}": (picture(kind, mode, **options), read_photo)
        for kind, mode, options in (
            ("JPEG", "RGB", {}), ("JPEG", "CMYK", {}), ("JPEG", "RGB", {"progressive": True}),
            ("PNG", "RGBA", {}), ("PNG", "P", {}), ("PNG", "I;16", {}), ("WEBP", "RGB", {}),
            ("TIFF", "RGB", {}), ("TIFF", "F", {}), ("TIFF", "RGB", {"compression": "tiff_lzw"}),
        )
    }  # fmt: skip
    inputs |= {
        "calibration.json": (
            json.dumps(squeezenet.attributes | scales).encode(),
            lambda path: read_scales(path, squeezenet, "conv1"),
        ),
        "photos.zip": (photos(zipfile.ZIP_STORED), read_photos),
        "deflated.zip": (photos(zipfile.ZIP_DEFLATED), read_photos),
        "coco.zip": (archive(members, zipfile.ZIP_DEFLATED), consume(coco.read_split, "val")),
        "objects.zip": (
            archive(members),
            lambda path: prepare_categories(
                "coco2014", path, split="val", output=path.parent / "out.json"
            ),
        ),
        "flickr.zip": (archive(flickr), consume(flickr8k.read_split, "val")),
        "karpathy.zip": (
            archive({"dataset_coco.json": karpathys()}),
            consume(karpathy.read_coco, "train"),
        ),
        "captions.json": (captions, read_caption_file, damage_json),
        "results.json": (results, score, damage_json),
        "objects.json": (json.dumps(objects).encode(), read_categories, damage_json),
        "vocabulary.json": (
            (study / "coco2014_vocab.json").read_bytes(), read_vocabulary, damage_json,
        ),
        "config.json": (
            (model / CONFIG).read_bytes(), in_place(model, CONFIG, load_captioner), damage_json,
        ),
        "model.safetensors": ((model / MODEL).read_bytes(), in_place(model, MODEL, load_captioner)),
        "history.csv": (history.encode(), read_history),
        "features.h5": ((study / "val2014_vgg16_fc7.h5").read_bytes(), read_feature_file),
        "pca.h5": ((folder / "pca.h5").read_bytes(), read_pca),
        "captions.h5": (
            (study / "coco2014_captions.h5").read_bytes(),
            lambda path: read_captions(path, "val"),
        ),
        "course": (
            (study / "coco2014_captions.h5").read_bytes(),
            in_place(study, "coco2014_captions.h5", load_coco_data),
        ),
        "digits.gz": ((folder / "digits.gz").read_bytes(), read_images),
        "samples.npz": (
            (folder / "samples.npz").read_bytes(),
            lambda path: read_arrays(path, "steps", "images"),
        ),
        "a.pth": ((folder / "a.pth").read_bytes(), weights),
        "old.pth": ((folder / "old.pth").read_bytes(), weights),
        "weights.safetensors": (
            safetensors.numpy.save({name: value.numpy() for name, value in small.items()}),
            weights,
        ),
    }  # fmt: skip
    for path in sorted(study.iterdir()):
        inputs[f"verify-{path.name}"] = (path.read_bytes(), in_place(study, path.name, verify))
    return {name: (*given, damage)[:3] for name, given in inputs.items()}


def work(inputs: dict, folder: Path, seed: int, log: Path) -> None:
    """Read damaged inputs; write each before it is read, and what was found."""
    chance = random.Random(seed)
    names = sorted(inputs)
    sys.stdout = sys.stderr = open(os.devnull, "w")  # noqa: SIM115
    with open(log, "w", buffering=1) as told:
        for number in range(CASES):
            name = chance.choice(names)
            data, read, change = inputs[name]
            case = folder / f"{seed}-{number}-{name}"
            case.mkdir(parents=True)
            path = case / name
            path.write_bytes(change(data, inputs[chance.choice(names)][0], chance))
            told.write(f"begin {name} {path}\n")
            try:
                read(path)
                outcome = "read"
            except InputError as error:
                said = str(error)
                sound = said.strip() and "\n" not in said and not re.search("0x[0-9a-f]{6}", said)
                outcome = "refused" if sound else f"FOUND {error!r}"
            except BaseException:
                outcome = f"FOUND {traceback.format_exc()!r}"
            told.write(f"{outcome}\n")
            if not outcome.startswith("FOUND"):
                shutil.rmtree(case)


def resident(process: int) -> int:
    """Return the bytes that a process has in memory."""
    try:
        return int(Path(f"/proc/{process}/statm").read_text().split()[1]) * os.sysconf(
            "SC_PAGE_SIZE"
        )
    except (OSError, IndexError):
        return 0


def watch(process: int, log: Path) -> str:
    """Wait for a process; return what was wrong with its end."""
    last, since = "", time.monotonic()
    while True:
        ended, status = os.waitpid(process, os.WNOHANG)
        if ended:
            return f"CRASH signal {status & 127}" if status & 127 else ""
        now = log.read_text() if log.exists() else ""
        if now != last:
            last, since = now, time.monotonic()
        wrong = "HANG" if time.monotonic() - since > SECONDS else ""
        wrong = "MEMORY" if resident(process) > MEMORY else wrong
        if wrong:
            os.kill(process, signal.SIGKILL)
            os.waitpid(process, 0)
            return wrong
        time.sleep(0.05)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--keep", type=Path, default=Path(tempfile.mkdtemp(prefix="fuzz-")))
    parser.add_argument("--only", nargs="*", default=[])
    given = parser.parse_args()
    torch.set_num_threads(1)
    inputs = make_inputs(given.keep / "valid")
    inputs = {name: one for name, one in inputs.items() if not given.only or name in given.only}
    for name, (data, read, _) in inputs.items():
        # What is not damaged must be read, or refused for a reason of its own (cut weights).
        path = given.keep / "valid" / "once" / name / name
        path.parent.mkdir(parents=True)
        path.write_bytes(data)
        with contextlib.redirect_stdout(io.StringIO()), contextlib.suppress(InputError):
            read(path)
    tally: Counter[str] = Counter()
    findings: dict[str, str] = {}
    end, seed = time.monotonic() + 60 * given.minutes, given.seed * 1_000_000
    log = given.keep / "log"
    while time.monotonic() < end:
        log.unlink(missing_ok=True)
        process = os.fork()
        if not process:
            work(inputs, given.keep, seed, log)
            os._exit(0)
        wrong = watch(process, log)
        lines = log.read_text().splitlines()
        for begun, outcome in zip(lines[::2], [*lines[1::2], f"FOUND {wrong}"], strict=False):
            _, name, path = begun.split(" ", 2)
            tally[name, outcome.split(" ", 1)[0]] += 1
            if outcome.startswith("FOUND"):
                # One of a kind is enough: the same input, and the same last line.
                kind = f"{name}: {outcome[-160:]}"
                if findings.setdefault(kind, path) == path:
                    print(f"{kind}\n    {path}", flush=True)
        seed += 1
    for name in sorted(inputs):
        counts = ", ".join(f"{tally[name, how]} {how}" for how in ("read", "refused", "FOUND"))
        print(f"{name:34} {counts}")
    print(f"{sum(tally.values())} inputs, {len(findings)} kinds of finding")
    sys.exit(bool(findings))


if __name__ == "__main__":
    main()
