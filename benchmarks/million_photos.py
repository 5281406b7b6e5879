"""A study of a million listed photos, from the features in shards to a trained captioner.

    python benchmarks/million_photos.py [--images N] [--shards N] [--folder FOLDER] [--pairs N]

The features, 4,096 numbers a photo, are drawn, and so are the captions, one a photo: 16 GB of disk
for the shards and 4 GB for what is reduced. Each stage runs as its subcommand in a fresh process on
two threads, one after another, and is told with its seconds, the seconds that its threads computed,
which other work on the machine lengthens less, and its peak memory; of stages that are a job a
shard, the sum and the largest. The captioner holds half of the reduced features in memory and reads
the rest from the file. Then, `--pairs` times, one epoch with all features in memory and one with a
quarter of them, in turn: the rate of learning from the file over that from memory.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from recap.core.progress import seconds_of_work
from recap.datasets.annotations import caption_file
from recap.datasets.shards import read_list
from recap.features.files import PHOTO, create_features

COLUMNS, COMPONENTS = 4096, 512
PIECE = 2048  # rows drawn at a time
WORDS = [f"word{number}" for number in range(2000)]
CAPTION = 8  # words
RECIPE = {
    "architecture": "rnn",
    "wordvec_dim": 128,
    "hidden_dim": 128,
    "epochs": 1,
    "batch_size": 256,
}
# The vocabulary and the encoding want a split to score.
SCORED = 1000


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--images", type=int, default=10**6)
    parser.add_argument("--shards", type=int, default=16)
    parser.add_argument("--pairs", type=int, default=3)
    parser.add_argument("--folder", type=Path, help="where to work; a temporary one by default")
    arguments = parser.parse_args()
    print(f"{arguments.images:,} photos in {arguments.shards} shards", flush=True)
    print(f"{'stage':28}{'s':>9}{'computed':>10}{'peak MB':>9}", flush=True)
    with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
        table = study(Path(folder), arguments.images, arguments.shards)
        rates = compare(Path(folder), table, arguments.pairs)
    print(json.dumps({"file_over_memory": rates}))


def study(folder: Path, images: int, shards: int) -> int:
    """Run the stages; returns the megabytes of the reduced features."""
    captions = {"train": folder / "train.json", "val": folder / "val.json"}
    tell("(captions are drawn)", [timed(lambda: write_captions(captions, images))])
    numbers = range(1, shards + 1)
    lists = [folder / f"{number}-of-{shards}.json" for number in numbers]
    recap("list-shards", captions["train"], "--output", folder, "--shards", shards)
    vocabulary, encoded = folder / "vocabulary.json", folder / "captions.h5"
    recap("build-vocabulary", captions["train"], "--output", vocabulary)
    splits = [word for split, path in captions.items() for word in (f"--{split}", path)]
    recap("encode-captions", vocabulary, *splits, "--output", encoded)
    features = [path.with_suffix(".h5") for path in lists]
    tell("(features are drawn)", [timed(lambda: write_features(lists, features))])

    sums = [folder / f"sums{number}.h5" for number in numbers]
    first = ["--first", features[0], "--threads", 2]
    jobs = [
        ["sum-features", path, *first, "--output", output]
        for path, output in zip(features, sums, strict=True)
    ]
    tell("sum_features", [run(*job) for job in jobs])
    pca = folder / "pca.h5"
    recap("fit-pca", *sums, "--output", pca, "--components", COMPONENTS, "--threads", 2)
    reduced = [folder / f"reduced{number}.h5" for number in numbers]
    jobs = [
        ["apply-pca", path, "--pca", pca, "--output", output, "--threads", 2]
        for path, output in zip(features, reduced, strict=True)
    ]
    tell("apply_pca", [run(*job) for job in jobs])
    for path in features:
        path.unlink()
    table = folder / "reduced.h5"
    recap("gather-features", *reduced, "--output", table)
    megabytes = round(table.stat().st_size / 1e6)
    recap(*training(folder, megabytes // 2))
    return megabytes


def training(folder: Path, megabytes: int) -> list[str | Path]:
    """Return the words that train a captioner with so many megabytes of features in memory."""
    files = [folder / name for name in ("reduced.h5", "captions.h5", "vocabulary.json")]
    options = ["--recipe", json.dumps(RECIPE), "--threads", 2, "--feature-memory", megabytes]
    return ["train-captioner", *files, "--output", folder / "model", *options]


def compare(folder: Path, megabytes: int, pairs: int) -> list[float]:
    """Return the rates of learning from the file over those from memory."""
    ratios = []
    for _ in range(pairs):
        seconds, words = [], []
        for place, held in (("memory", megabytes + 1), ("the file", megabytes // 4)):
            _, computed, _, log = run(*training(folder, held))
            seconds.append(seconds_of_work(log))
            words.append(f"from {place} {seconds[-1]:.1f} s, computed in all {computed:.1f} s")
        ratios.append(round(seconds[0] / seconds[1], 3))
        print("; ".join(words), flush=True)
    return ratios


def recap(*words: object) -> None:
    tell(str(words[0]).replace("-", "_"), [run(*words)])


def run(*words: object) -> tuple[float, float, float, str]:
    """Return seconds, computed seconds, peak megabytes and log of a subcommand."""
    source = Path(__file__).resolve().parents[1] / "src"
    start = time.perf_counter()
    with tempfile.TemporaryFile("w+") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "recap", *map(str, words)],
            env={**os.environ, "PYTHONPATH": str(source)},
            stdout=log,
            stderr=log,
        )
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - start
        log.seek(0)
        told = log.read()
    if status:
        sys.exit(f"{' '.join(map(str, words))}: {told}")
    # Linux counts in KiB.
    return seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024 / 1e6, told


def timed(work: Callable[[], None]) -> tuple[float, float, float]:
    start, computed = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - start, time.process_time() - computed, 0.0


def tell(stage: str, taken: list[tuple]) -> None:
    seconds, computed = (sum(job[place] for job in taken) for place in (0, 1))
    peak = max(job[2] for job in taken)
    print(f"{stage:28}{seconds:9.1f}{computed:10.1f}{peak:9.0f}", flush=True)


def write_captions(paths: dict[str, Path], images: int) -> None:
    """Write a caption a photo, of words that follow Zipf's law."""
    generator = np.random.default_rng(0)
    bounds = np.cumsum(np.arange(1, len(WORDS) + 1) ** -1.1)
    for split, count in (("train", images), ("val", SCORED)):
        drawn = np.searchsorted(bounds, bounds[-1] * generator.random((count, CAPTION)))
        records = ({"id": n, "file_name": f"{split}/{n:09}.jpg"} for n in range(count))
        captions = (
            {"id": n, "image_id": n, "caption": " ".join(WORDS[word] for word in words)}
            for n, words in enumerate(drawn)
        )
        with open(paths[split], "wb") as file:
            file.writelines(caption_file({}, records, captions))


def write_features(lists: list[Path], features: list[Path]) -> None:
    """Write a shard for each list, as `extract_features` writes it, of a falling spectrum."""
    generator = np.random.default_rng(1)
    deviation = np.arange(1, COLUMNS + 1, dtype=np.float32) ** -0.5
    for path, output in zip(lists, features, strict=True):
        listed = read_list(path)
        count = len(listed.names)
        place = {"first_row": listed.first_row, "all_rows": listed.all_rows}
        with create_features(
            output, (count, COLUMNS), place, np.array([]), np.zeros(count, PHOTO), False
        ) as table:
            for start in range(0, count, PIECE):
                size = min(PIECE, count - start), COLUMNS
                table[start : start + PIECE] = (
                    generator.standard_normal(size, np.float32) * deviation + 1
                )


if __name__ == "__main__":
    main()
