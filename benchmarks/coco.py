"""The whole study of COCO 2014, reckoned from two small ones.

    python benchmarks/coco.py [--divisors 20 10] [--cores N] [--folder FOLDER]

A twentieth and a tenth of COCO 2014 are made up: photos of 640x480 in stored archives, 500
different ones under as many names as needed, and captions of COCO's lengths. Of each,
`config/coco2014.yaml` runs from its downloads, which a folder stands in for, to its report, with
random weights in place of ImageNet's, which take the same time. What a rule's jobs took, by their
benchmarks, is a fixed part and one that grows with the photos; with both the whole is reckoned.
Jobs may run side by side: `together` is by the clock.

Three gigabytes of disk. The captions are random words: what is learnt from them says nothing.
"""

import argparse
import csv
import json
import os
import subprocess
import sys
import tempfile
import time
import zipfile
from collections import defaultdict
from pathlib import Path

import numpy as np
from annotations import SPLITS, write_annotations
from extract import write_photos

ROOT = Path(__file__).resolve().parents[1]
DIFFERENT = 500  # photos
OBJECTS = 7.2  # that a photo shows, on average


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--divisors", type=int, nargs=2, default=[20, 10])
    parser.add_argument("--cores", type=int, default=os.cpu_count())
    parser.add_argument("--folder", type=Path, help="where to work; a temporary one by default")
    arguments = parser.parse_args()
    if min(arguments.divisors) < 1 or len({*arguments.divisors}) < 2:
        parser.error(
            "--divisors: two different numbers from 1 on; a 200th has too few photos for PCA"
        )
    with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
        photos = Path(folder) / "photos.zip"
        write_photos(photos, DIFFERENT)
        taken = [
            run_study(Path(folder) / str(divisor), photos, divisor, arguments.cores)
            for divisor in arguments.divisors
        ]
    shares = [1 / divisor for divisor in arguments.divisors]
    heads = "".join(f"{f'1/{divisor}, s':>12}" for divisor in arguments.divisors)
    print(f"{'rule':28}{heads}{'fixed, s':>12}{'COCO 2014, min':>16}")
    whole = {}
    for rule in taken[0]:
        first, second = (seconds[rule] for seconds in taken)
        slope = (second - first) / (shares[1] - shares[0])
        fixed = first - slope * shares[0]
        whole[rule] = (fixed + slope) / 60
        print(f"{rule:28}{first:12.1f}{second:12.1f}{fixed:12.1f}{whole[rule]:16.1f}")
    print(json.dumps({"minutes": round(whole["together"], 1)}))


def run_study(folder: Path, photos: Path, divisor: int, cores: int) -> dict[str, float]:
    """Make a part of COCO 2014 and run its study; returns seconds by rule, and all together."""
    mirror = folder / "mirror"
    mirror.mkdir(parents=True)
    (folder / "config").symlink_to(ROOT / "config")
    sizes = {split: tuple(size // divisor for size in sizes) for split, sizes in SPLITS.items()}
    archives = [mirror / "annotations_trainval2014.zip"]
    write_annotations(archives[0], sizes)
    add_instances(archives[0])
    for split in sizes:
        archives.append(mirror / f"{split}2014.zip")
        write_archive(archives[-1], archives[0], split, photos)
    checksums = {archive.name: "unknown" for archive in archives}
    print(f"1/{divisor}: {sum(images for images, _ in sizes.values()):,} photos", flush=True)
    start = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-m", "snakemake", "--cores", str(cores), "--directory", str(folder)]
        + ["--snakefile", str(ROOT / "workflow" / "Snakefile")]
        + ["--configfile", str(ROOT / "config" / "coco2014.yaml")]
        + ["--config", "weights=random", f"mirror={mirror}", f"checksums={json.dumps(checksums)}"],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    together = time.perf_counter() - start
    if done.returncode:
        sys.exit(done.stdout[-5000:])
    seconds = defaultdict(float)
    for table in sorted(folder.rglob("benchmarks/**/*.tsv")):
        rule = table.parts[table.parts.index("benchmarks", len(folder.parts)) + 1]
        with table.open() as file:
            for job in csv.DictReader(file, delimiter="\t"):
                seconds[rule.removesuffix(".tsv")] += float(job["s"])
    return {**seconds, "together": together}


def add_instances(archive: Path) -> None:
    """Put as many objects beside the captions as COCO's photos show, and outlines as long."""
    generator = np.random.default_rng(0)
    outline = [round(float(number), 2) for number in generator.uniform(0, 640, 48)]
    with zipfile.ZipFile(archive, "a", zipfile.ZIP_DEFLATED, compresslevel=1) as file:
        images = json.loads(file.read("annotations/captions_val2014.json"))["images"]
        objects = [
            {"image_id": image["id"], "category_id": int(category), "segmentation": [outline]}
            for image in images
            for category in generator.integers(1, 81, generator.poisson(OBJECTS))
        ]
        kinds = [{"id": number, "name": f"kind {number}"} for number in range(1, 81)]
        content = {"categories": kinds, "annotations": objects}
        file.writestr("annotations/instances_val2014.json", json.dumps(content))


def write_archive(path: Path, annotations: Path, split: str, photos: Path) -> None:
    """Write a split's photos under the names that its annotations tell."""
    with zipfile.ZipFile(annotations) as file:
        listed = json.loads(file.read(f"annotations/captions_{split}2014.json"))["images"]
    with zipfile.ZipFile(photos) as file:
        contents = [file.read(name) for name in file.namelist()]
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        for number, image in enumerate(listed):
            archive.writestr(f"{split}2014/{image['file_name']}", contents[number % DIFFERENT])


if __name__ == "__main__":
    main()
