"""Time PCA of features of COCO's size, and measure its memory and its error.

82,783 x 4,096 features of a falling spectrum, with a gap after component 512, lie in an HDF5 file.
recap is measured as the subcommands that a user runs, each in a process of its own, from its start
to its end, reading included. scikit-learn's contenders are given the rows in memory, and only their
`fit` is timed. IncrementalPCA is timed on its first batches, and the last of them counts for each.
All are judged against an eigendecomposition of the covariance in float64 that the benchmark makes.

Usage: python benchmarks/pca.py [--quick]
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import h5py
import numpy as np
import sklearn
from scipy import fft
from sklearn.decomposition import PCA, IncrementalPCA

COMPONENTS = 512
ROWS = 2048  # made at a time
INCREMENTAL_SECONDS = 20


def write_features(path: Path, samples: int, columns: int) -> None:
    """Write rows whose variance falls as 1/k, and by half more after component 512."""
    generator = np.random.default_rng(0)
    deviation = np.arange(1, columns + 1) ** -0.5
    deviation[COMPONENTS:] *= 0.5**0.5
    order, signs = generator.permutation(columns), generator.choice([-1, 1], columns)
    mean = generator.uniform(0, 1, columns)
    with h5py.File(path, "w") as file:
        rows = file.create_dataset("features", (samples, columns), dtype=np.float32)
        for start in range(0, samples, ROWS):
            count = min(ROWS, samples - start)
            scores = generator.standard_normal((count, columns)) * deviation
            # A cosine transform with random signs on either side is an orthogonal matrix.
            rotated = fft.dct(scores[:, order] * signs, norm="ortho", workers=-1)
            rows[start : start + count] = rotated * 3 + mean


def reference(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return variances and components of float64 rows, by the covariance around the mean."""
    mean = rows.mean(axis=0)
    covariance = np.zeros((rows.shape[1], rows.shape[1]))
    for start in range(0, len(rows), ROWS):
        centred = rows[start : start + ROWS] - mean
        covariance += centred.T @ centred
    variance, vectors = np.linalg.eigh(covariance / (len(rows) - 1))
    return variance[: -COMPONENTS - 1 : -1], vectors[:, : -COMPONENTS - 1 : -1].T


def largest_angle(components: np.ndarray, wanted: np.ndarray) -> float:
    """Return the largest angle between two subspaces, in radians, exact where it is small."""
    outside = components - (components @ wanted.T) @ wanted
    return float(np.arcsin(min(1, np.linalg.norm(outside, 2))))


def run_recap(features: Path, folder: Path) -> tuple[float, float, np.ndarray, np.ndarray]:
    """Return seconds, peak memory in MB, variances and components of both subcommands."""
    sums, output = folder / "sums.h5", folder / "pca.h5"
    source = Path(__file__).resolve().parents[1] / "src"
    start, peak = time.perf_counter(), 0.0
    for words in (
        ["sum-features", features, "--output", sums],
        ["fit-pca", sums, "--output", output, "--components", COMPONENTS],
    ):
        process = subprocess.Popen(
            [sys.executable, "-m", "recap", *map(str, words)],
            env={**os.environ, "PYTHONPATH": str(source)},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        _, status, usage = os.wait4(process.pid, 0)
        assert status == 0, f"recap {words[0]} failed"
        # Linux counts in KiB.
        peak = max(peak, usage.ru_maxrss / 1024)
    seconds = time.perf_counter() - start
    with h5py.File(output) as file:
        return seconds, peak, file["explained_variance"][:], file["components"][:]


def time_incremental(rows: np.ndarray, batch: int) -> float:
    """Return seconds for all rows, judged by those of the last batch that there was time for."""
    pca = IncrementalPCA(COMPONENTS, copy=False)
    started = time.perf_counter()
    for begin in range(0, len(rows) - batch + 1, batch):
        piece = rows[begin : begin + batch].astype(np.float64)
        start = time.perf_counter()
        pca.partial_fit(piece)
        seconds = time.perf_counter() - start
        if time.perf_counter() - started > INCREMENTAL_SECONDS:
            break
    return seconds * len(rows) / batch


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="12,000 x 1,024 features")
    samples, columns = (12_000, 1024) if parser.parse_args().quick else (82_783, 4096)
    print(
        f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores, NumPy"
        f" {np.__version__}, scikit-learn {sklearn.__version__}; {samples:,} x {columns:,}"
        f" features, {COMPONENTS} components",
        flush=True,
    )
    print(f"{'contender':34}{'s':>9}{'rows/s':>9}{'peak MB':>9}{'angle':>10}{'variance':>10}")

    def tell(name, seconds, peak=None, variance=None, components=None):
        angle = error = None
        if components is not None:
            angle = largest_angle(components.astype(np.float64), wanted)
            error = float(np.abs(variance / wanted_variance - 1).max())
        cells = [f"{value:.0e}" if value is not None else "" for value in (angle, error)]
        shown = f"{peak:.0f}" if peak else ""
        print(
            f"{name:34}{seconds:9.1f}{samples / seconds:9.0f}{shown:>9}"
            + "".join(f"{cell:>10}" for cell in cells),
            flush=True,
        )
        return angle

    with tempfile.TemporaryDirectory() as folder:
        features = Path(folder) / "features.h5"
        write_features(features, samples, columns)
        ours, peak, *found = run_recap(features, Path(folder))
        with h5py.File(features) as file:
            single = file["features"][:]
        rows = single.astype(np.float64)
    wanted_variance, wanted = reference(rows)
    angle = tell("recap sum-features and fit-pca", ours, peak, *found)
    seconds = {}
    for solver, data in (
        ("covariance_eigh", rows),
        ("covariance_eigh", single),
        ("randomized", rows),
    ):
        pca = PCA(COMPONENTS, svd_solver=solver, random_state=0)
        start = time.perf_counter()
        pca.fit(data)
        name = f"{solver}, {data.dtype}"
        seconds[name] = time.perf_counter() - start
        tell(f"PCA, {name}", seconds[name], None, pca.explained_variance_, pca.components_)
    incremental = {}
    for batch in (1024, 4096, 5 * columns):
        if batch <= samples:
            incremental[batch] = time_incremental(single, batch)
            tell(f"IncrementalPCA, batch {batch:,}", incremental[batch])
    print(
        json.dumps(
            {
                "over_incremental": round(min(incremental.values()) / ours, 2),
                "over_exact": round(seconds["covariance_eigh, float64"] / ours, 2),
                "peak_mb": round(peak),
                "max_angle": float(f"{angle:.1e}"),
            }
        )
    )


if __name__ == "__main__":
    main()
