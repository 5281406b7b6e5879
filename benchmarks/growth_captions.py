"""How time and memory of the vocabulary and of the encoding grow with the number of captions.

    python benchmarks/growth_captions.py [--quick] [--output docs/growth/captions.svg]

Half of COCO 2014's training images, all of them, and twice and four times as many, with five
captions each, made up as `benchmarks/annotations.py` makes them; each subcommand runs in a fresh
process. Peak memory is that of the process, Python and its libraries included.
"""

import argparse
import json
import tempfile
import zipfile
from pathlib import Path

import matplotlib
import matplotlib.pyplot as plt
from annotations import run, write_annotations

matplotlib.use("svg")

# So that the same figures give the same file.
plt.rcParams["svg.hashsalt"] = "recap"

IMAGES = 82_783
MULTIPLES = (0.5, 1, 2, 4)
STAGES = ("build_vocabulary", "encode_captions")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="a twentieth of the images")
    parser.add_argument("--output", type=Path, metavar="FILE.svg", help="plot to draw")
    parser.add_argument("--folder", type=Path, help="where to work; a temporary one by default")
    arguments = parser.parse_args()
    images = [int(IMAGES * multiple) // (20 if arguments.quick else 1) for multiple in MULTIPLES]
    with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
        taken = [measure(Path(folder), count) for count in images]
    print(f"{'images':>9}{'captions':>10}" + "".join(f"{stage:>26}" for stage in STAGES))
    for count, stages in zip(images, taken, strict=True):
        cells = "".join(f"{seconds:>16.1f} s{peak:>5.0f} MB" for seconds, peak in stages.values())
        print(f"{count:>9,}{5 * count:>10,}{cells}")
    if arguments.output:
        draw(images, taken, arguments.output)
    figures = {}
    for stage in STAGES:
        (first, low), (last, high) = taken[1][stage], taken[3][stage]
        figures[f"{stage}_seconds_4n_over_n"] = round(last / first, 2)
        figures[f"{stage}_megabytes_n"] = round(low)
        figures[f"{stage}_megabytes_4n"] = round(high)
    print(json.dumps(figures))


def measure(folder: Path, images: int) -> dict[str, tuple[float, float]]:
    """Return seconds and peak megabytes of each stage."""
    archive, train, val = folder / "a.zip", folder / "train.json", folder / "val.json"
    write_annotations(archive, {"train": (images, 5 * images), "val": (100, 500)})
    with zipfile.ZipFile(archive) as file:
        for path in (train, val):
            path.write_bytes(file.read(f"annotations/captions_{path.stem}2014.json"))
    vocabulary, captions = folder / "vocab.json", folder / "captions.h5"
    return {
        "build_vocabulary": run("build-vocabulary", train, "--output", vocabulary),
        "encode_captions": run(
            "encode-captions", vocabulary, "--train", train, "--val", val, "--output", captions
        ),
    }


def draw(images: list[int], taken: list[dict[str, tuple[float, float]]], output: Path) -> None:
    """Draw time and memory over the number of images."""
    figure, panels = plt.subplots(1, 2, figsize=(8, 3), layout="constrained")
    for position, (panel, label) in enumerate(
        zip(panels, ("seconds", "peak memory, MB"), strict=True)
    ):
        for stage in STAGES:
            values = [stages[stage][position] for stages in taken]
            panel.plot(images, values, marker="o", label=stage)
        panel.set(xlabel="images", ylabel=label, xlim=0, ylim=0)
        panel.xaxis.set_major_formatter(lambda count, _: f"{count / 1000:,.0f}k")
        panel.spines[["top", "right"]].set_visible(False)
        panel.grid(alpha=0.3)
    panels[1].set_ylim(0, 2 * max(peak for stages in taken for _, peak in stages.values()))
    panels[0].legend(frameon=False)
    output.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(output, metadata={"Date": None})


if __name__ == "__main__":
    main()
