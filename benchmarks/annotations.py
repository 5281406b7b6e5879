"""COCO's captions at full size: time and memory of the vocabulary and of the encoding.

    python benchmarks/annotations.py [--quick] [--folder FOLDER]

An annotation file of COCO 2014's size (82,783 + 40,504 images, 616,767 captions) is made up, with
the records that COCO's have and words that follow Zipf's law, and goes through
`prepare_annotations`, `list_images`, `build_vocabulary` and `encode_captions`, each in a fresh
process as the workflow runs it. Peak memory is that of the process, Python and its libraries
included. What comes out is held against the course's contract: shapes, types, row order.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
import zipfile
from pathlib import Path

import h5py
import numpy as np

SPLITS = {"train": (82_783, 414_113), "val": (40_504, 202_654)}
WORDS = 25_000  # different ones
# What a process counts as its peak by `getrusage` may be that of the process that started it.
AND_TELL_MEMORY = """
import pathlib, re, resource, sys
from recap.cli import main
try:
    main()
except SystemExit as end:
    if end.code:
        raise
status = pathlib.Path("/proc/self/status")
if status.exists():
    print(int(re.search(r"VmHWM:\\s+(\\d+) kB", status.read_text())[1]) * 1024 / 1e6)
else:
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6)
"""
LONG = 15  # words that a kept caption has at most


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="a twentieth of COCO's size")
    parser.add_argument("--folder", type=Path, help="where to work; a temporary one by default")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
        measure(Path(folder), 20 if arguments.quick else 1)


def measure(folder: Path, divisor: int) -> None:
    sizes = {
        split: (images // divisor, captions // divisor)
        for split, (images, captions) in SPLITS.items()
    }
    archive = folder / "annotations_trainval2014.zip"
    kept = write_annotations(archive, sizes)
    print(f"{archive.name}: {archive.stat().st_size / 1e6:.0f} MB\n")
    print(f"{'stage':<32}{'seconds':>8}{'peak MB':>9}")
    taken = {}
    for split in sizes:
        taken[f"prepare_annotations {split}"] = run(
            "prepare-annotations",
            *("coco2014", archive, "--split", split, "--output", folder / f"{split}.json"),
        )
    for split in sizes:
        taken[f"list_images {split}"] = run(
            "list-images",
            folder / f"{split}.json",
            *("--images", folder / f"{split}2014_images.txt"),
            *("--urls", folder / f"{split}2014_urls.txt"),
        )
    vocabulary, captions = folder / "coco2014_vocab.json", folder / "coco2014_captions.h5"
    taken["build_vocabulary"] = run(
        "build-vocabulary", folder / "train.json", "--output", vocabulary
    )
    taken["encode_captions"] = run(
        "encode-captions",
        *(vocabulary, "--train", folder / "train.json", "--val", folder / "val.json"),
        *("--output", captions),
    )
    for stage, (seconds, peak) in taken.items():
        print(f"{stage:<32}{seconds:>8.1f}{peak:>9.0f}")
    hold_against_contract(folder, sizes, kept)
    figures = {
        f"{stage}_{unit}": round(value, 1)
        for stage in ("build_vocabulary", "encode_captions")
        for unit, value in zip(("seconds", "peak_mb"), taken[stage], strict=True)
    }
    print(json.dumps(figures | {"contract": True}))


def run(*words: object) -> tuple[float, float]:
    """Run a subcommand in a fresh process; returns its seconds and its peak memory in MB."""
    command = [sys.executable, "-c", AND_TELL_MEMORY, *map(str, words)]
    start = time.perf_counter()
    done = subprocess.run(command, capture_output=True, text=True)
    seconds = time.perf_counter() - start
    if done.returncode:
        sys.exit(f"{' '.join(map(str, words))}: {done.stderr}")
    return seconds, float(done.stdout.splitlines()[-1])


def write_annotations(archive: Path, sizes: dict[str, tuple[int, int]]) -> dict[str, int]:
    """Write an archive in COCO's layout; returns how many captions of each split are kept."""
    random = np.random.default_rng(0)
    alphabet = np.array(list("abcdefghijklmnopqrstuvwxyz"))
    words = list(
        dict.fromkeys(
            "".join(random.choice(alphabet, length))
            for length in random.integers(3, 11, size=WORDS + 1000)
        )
    )[:WORDS]
    words[0] = "a"
    # A Zipf law with the exponent that COCO's captions have.
    shares = np.arange(1, WORDS + 1) ** -1.1
    bounds = np.cumsum(shares / shares.sum())
    kept = {}
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as file:
        for split, (images, captions) in sizes.items():
            ids = random.permutation(600_000)[:images] + 1
            lengths = np.clip(random.poisson(3.2, captions) + 7, 7, 40)
            lengths[random.random(captions) < 0.02] += 8
            drawn = np.minimum(np.searchsorted(bounds, random.random(lengths.sum())), WORDS - 1)
            text = iter(map(words.__getitem__, drawn.tolist()))
            kept[split] = int((lengths <= LONG).sum())
            # Five captions an image, and a sixth for some, in an order of their own.
            whose = random.permutation(np.resize(ids, captions))
            content = {
                "info": {"description": "COCO 2014 Dataset", "year": 2014},
                "images": [image_record(split, int(number)) for number in ids],
                "licenses": [{"id": 1, "name": "none: made up"}],
                "annotations": [
                    {
                        "image_id": image_id,
                        "id": number,
                        "caption": " ".join(next(text) for _ in range(length)).capitalize() + ".",
                    }
                    for number, (image_id, length) in enumerate(
                        zip(whose.tolist(), lengths.tolist(), strict=True)
                    )
                ],
            }
            file.writestr(f"annotations/captions_{split}2014.json", json.dumps(content))
    return kept


def image_record(split: str, number: int) -> dict:
    """Return the record of an image, with all that COCO's have."""
    name = f"COCO_{split}2014_{number:012}.jpg"
    return {
        "license": 1,
        "file_name": name,
        "coco_url": f"http://images.cocodataset.org/{split}2014/{name}",
        "height": 480,
        "width": 640,
        "date_captured": "2013-11-14 11:18:45",
        "flickr_url": f"http://farm9.staticflickr.com/8186/{number}_4e622c8349_z.jpg",
        "id": number,
    }


def hold_against_contract(
    folder: Path, sizes: dict[str, tuple[int, int]], kept: dict[str, int]
) -> None:
    """Fail unless the files are what CS231n's loader expects."""
    vocabulary = json.loads((folder / "coco2014_vocab.json").read_text())
    assert len(vocabulary["idx_to_word"]) == 1004
    with h5py.File(folder / "coco2014_captions.h5") as file:
        assert set(file) == {
            f"{split}_{part}" for split in sizes for part in ("captions", "image_idxs")
        }
        for split, (images, _) in sizes.items():
            captions, rows = file[f"{split}_captions"], file[f"{split}_image_idxs"]
            assert captions.shape == (kept[split], LONG + 2) and rows.shape == (kept[split],)
            assert captions.dtype == rows.dtype == np.int32
            assert captions.chunks is None and captions.compression is None
            assert (captions[:, 0] == 1).all() and captions[:].max() < 1004
            assert rows[:].min() >= 0 and rows[:].max() < images
            listed = (folder / f"{split}2014_images.txt").read_text().split("\n")
            annotated = json.loads((folder / f"{split}.json").read_text())["images"]
            assert listed[-1] == "" and len(listed) == images + 1
            assert listed[images // 2].endswith(annotated[images // 2]["file_name"])
            print(
                f"{split}: {split}_captions {captions.shape}, {split}_image_idxs {rows.shape},"
                f" {images:,} images"
            )


if __name__ == "__main__":
    main()
