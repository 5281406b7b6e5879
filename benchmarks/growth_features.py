"""How time and memory of extraction and PCA grow with the number of photos.

    python benchmarks/growth_features.py [--quick] [--output docs/growth/features.svg]

Extraction reads photos of 640x480 from a stored zip archive, with SqueezeNet and random weights;
PCA fits and reduces made-up features of 4,096 numbers. Each subcommand runs in a fresh process, on
N, 2N and 4N photos. Peak memory is that of the process, Python and its libraries included; the
processes that decode photos are not counted.
"""

import argparse
import json
import tempfile
from pathlib import Path

import matplotlib
import matplotlib.pyplot as plt
from annotations import run
from extract import write_photos
from pca import write_features

matplotlib.use("svg")

# So that the same figures give the same file.
plt.rcParams["svg.hashsalt"] = "recap"

MULTIPLES = (1, 2, 4)
PHOTOS, ROWS = 250, 10_000  # N of extraction, and of PCA
COLUMNS = 4096


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="a tenth of the photos")
    parser.add_argument("--output", type=Path, metavar="FILE.svg", help="plot to draw")
    arguments = parser.parse_args()
    share = 10 if arguments.quick else 1
    with tempfile.TemporaryDirectory() as folder:
        taken = [measure(Path(folder), PHOTOS * n // share, ROWS * n // share) for n in MULTIPLES]
    print(f"{'':>3}" + "".join(f"{stage:>26}" for stage in taken[0]))
    for multiple, stages in zip(MULTIPLES, taken, strict=True):
        cells = "".join(f"{seconds:>16.1f} s{peak:>5.0f} MB" for seconds, peak in stages.values())
        print(f"{multiple:>2}N{cells}")
    if arguments.output:
        draw(taken, arguments.output)
    figures = {}
    for stage in taken[0]:
        (first, low), (last, high) = taken[0][stage], taken[-1][stage]
        figures[f"{stage}_seconds_4n_over_n"] = round(last / first, 2)
        figures[f"{stage}_megabytes_n"] = round(low)
        figures[f"{stage}_megabytes_4n"] = round(high)
    print(json.dumps(figures))


def measure(folder: Path, photos: int, rows: int) -> dict[str, tuple[float, float]]:
    """Return seconds and peak megabytes of each stage."""
    archive, annotations = folder / "photos.zip", folder / "captions.json"
    write_photos(archive, photos)
    images = [{"id": number, "file_name": f"{number:06}.jpg"} for number in range(photos)]
    annotations.write_text(json.dumps({"images": images, "annotations": []}))
    made, pca, features = folder / "made.h5", folder / "pca.h5", folder / "features.h5"
    sums = folder / "sums.h5"
    write_features(features, rows, COLUMNS)
    backbone = ["--backbone", "squeezenet1_0", "--weights", "random"]
    return {
        "extract_features": run(
            "extract-features", archive, annotations, "--output", made, *backbone
        ),
        "sum_features": run("sum-features", features, "--output", sums),
        "fit_pca": run("fit-pca", sums, "--output", pca),
        "apply_pca": run("apply-pca", features, "--pca", pca, "--output", made),
    }


def draw(taken: list[dict[str, tuple[float, float]]], output: Path) -> None:
    """Draw time and memory over the number of photos."""
    figure, panels = plt.subplots(1, 2, figsize=(8, 3), layout="constrained")
    for position, (panel, label) in enumerate(
        zip(panels, ("seconds", "peak memory, MB"), strict=True)
    ):
        for stage in taken[0]:
            values = [stages[stage][position] for stages in taken]
            panel.plot(MULTIPLES, values, marker="o", label=stage)
        panel.set(xlabel="photos", ylabel=label, xlim=0, ylim=0)
        panel.set_xticks(MULTIPLES, [f"{multiple}N" for multiple in MULTIPLES])
        panel.spines[["top", "right"]].set_visible(False)
        panel.grid(alpha=0.3)
    panels[0].legend(frameon=False)
    output.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(output, metadata={"Date": None})


if __name__ == "__main__":
    main()
