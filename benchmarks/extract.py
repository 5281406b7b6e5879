"""Time the extraction of VGG-16 features from photos in a zip archive.

The contenders take turns on the same photos, 500 JPEG files of 640x480 and about 160 kB in a stored
zip, with the same weights, which are random and made or loaded beforehand:

plain     the loop that everybody writes: PIL, float32, eager, no workers
float32   workers of a DataLoader decode for it, and channels are last in memory
autocast  the same within torch.autocast in bfloat16
bfloat16  the same with weights and pixels in bfloat16
engine    recap's extract_features, from the archive to the feature file
network   the engine's network alone, on pixels that are in memory

The first four are `usual_extraction.py`, in a process of their own, so that they gain nothing by
what the engine sets for its own. The engine is held against the fastest of them, and against the
fastest that computes in its number format. Where the processor has no instructions for bfloat16,
PyTorch may take many times as long: what takes over 5 times as long as the plain loop is told and
left out.

The machine's matrix-product rate is measured in the engine's precision. Features are compared image
by image with those of the plain loop.

Usage: python benchmarks/extract.py [--quick]
"""

import argparse
import io
import json
import os
import platform
import tempfile
import time
import zipfile
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import h5py
import numpy as np
import torch
from PIL import Image
from torch import nn
from usual_extraction import USUAL, make_vgg16, run_usual

from recap.backbones.load import load_backbone
from recap.core.devices import choose_device, use_threads
from recap.features import extract as engine
from recap.features.extractor import FeatureExtractor

WIDTH, HEIGHT, QUALITY = 640, 480, 96
ROUNDS = 2
FAR_BEHIND = 5  # times as long as the plain loop


def write_photos(path: Path, count: int) -> float:
    """Write photos with detail of every scale into a stored zip; return their mean size in kB."""
    generator = np.random.default_rng(0)
    total = 0
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        for number in range(count):
            picture = np.zeros((HEIGHT, WIDTH, 3), dtype=np.float32)
            for cells in (4, 16, 64, 160, 640):
                size = (cells * HEIGHT // WIDTH, cells, 3)
                noise = Image.fromarray(generator.integers(0, 256, size, dtype=np.uint8))
                larger = noise.resize((WIDTH, HEIGHT), Image.Resampling.BICUBIC)
                picture += np.asarray(larger, dtype=np.float32) * cells**-0.4
            picture -= picture.min()
            picture *= 255 / picture.max()
            buffer = io.BytesIO()
            Image.fromarray(picture.astype(np.uint8)).save(buffer, "jpeg", quality=QUALITY)
            archive.writestr(f"train2014/{number:06}.jpg", buffer.getvalue())
            total += buffer.tell()
    return total / count / 1000


def save_weights(network: nn.Sequential, path: Path) -> None:
    """Save a network of `make_vgg16` with torchvision's keys."""
    state = {}
    linear = iter(("classifier.0", "classifier.3"))
    for place, layer in enumerate(network):
        if isinstance(layer, nn.Conv2d | nn.Linear):
            name = f"features.{place}" if isinstance(layer, nn.Conv2d) else next(linear)
            state[f"{name}.weight"], state[f"{name}.bias"] = layer.weight, layer.bias
    torch.save(state, path)


def run_engine(archive: Path, weights: Path, output: Path, names: list[str]) -> np.ndarray:
    annotations = output.with_suffix(".json")
    images = [{"id": number, "file_name": name} for number, name in enumerate(names)]
    annotations.write_text(json.dumps({"images": images, "annotations": []}))
    engine.extract_features(archive, annotations, output=output, weights=str(weights))
    with h5py.File(output) as file:
        return file["features"][:]


def run_network(extractor: FeatureExtractor, names: list[str]) -> None:
    """Compute as many images as there are names; the last batch is filled up."""
    generator = torch.Generator().manual_seed(0)
    shape = (extractor.batch, 224, 224, 3)
    pixels = torch.randint(0, 256, shape, dtype=torch.uint8, generator=generator)
    waiting = extractor.launch([pixels])
    for _ in range(extractor.batch, len(names), extractor.batch):
        following = extractor.launch([pixels])
        waiting()
        waiting = following
    waiting()


@torch.inference_mode()
def matrix_product_rate(device: torch.device, precision: torch.dtype) -> float:
    """Return the FLOP/s of the product of two square matrices."""
    size = 4096 if device.type == "cpu" else 16384
    matrix = torch.randn(size, size, device=device).to(precision)
    best = np.inf
    for _ in range(4):
        start = time.perf_counter()
        (matrix @ matrix)[0, 0].item()
        best = min(best, time.perf_counter() - start)
    return 2 * size**3 / best


def operations(network: nn.Sequential) -> float:
    """Return the FLOP of one image: two for each multiplication of a weight."""
    side, total = 224, 0
    for layer in network:
        if isinstance(layer, nn.MaxPool2d):
            side //= 2
        elif isinstance(layer, nn.Conv2d):
            total += 2 * layer.weight.numel() * side**2
        elif isinstance(layer, nn.Linear):
            total += 2 * layer.weight.numel()
    return total


def race(contenders: dict[str, Callable], names: list[str], batch: int) -> tuple[dict, dict]:
    """Return the images a second of each contender, and the features of plain and engine."""
    seconds, first = {}, {}
    for name, contender in contenders.items():
        # Once through, which is not counted: memory is taken, caches fill.
        contender(names[:batch])
        _, first[name] = timed(contender, names[:batch])
        times = first[name] / first["plain"]
        if times > FAR_BEHIND:
            print(f"left out: {name} takes {times:.0f} times as long as plain", flush=True)
        else:
            seconds[name] = 0.0
    rows: dict[str, list[np.ndarray]] = {name: [] for name in seconds}
    # A round ends where a batch of the engine does, if it has as many.
    batch = min(batch, len(names) // ROUNDS)
    cuts = [batch * (len(names) // batch * k // ROUNDS) for k in range(ROUNDS)]
    for start, end in zip(cuts, [*cuts[1:], len(names)], strict=True):
        for name in seconds:
            found, taken = timed(contenders[name], names[start:end])
            rows[name].append(found)
            seconds[name] += taken
    rates = {name: len(names) / taken for name, taken in seconds.items()}
    return rates, {name: np.concatenate(rows[name]) for name in ("plain", "engine")}


def timed(contender: Callable, names: list[str]) -> tuple[np.ndarray | None, float]:
    start = time.perf_counter()
    found = contender(names)
    return found, time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="96 photos instead of 500")
    count = 96 if parser.parse_args().quick else 500
    threads = use_threads(None)
    device = choose_device("auto")
    with (
        tempfile.TemporaryDirectory() as folder,
        ProcessPoolExecutor(1, mp_context=get_context("spawn")) as process,
    ):
        archive, weights = Path(folder) / "photos.zip", Path(folder) / "vgg16.pth"
        kilobytes = write_photos(archive, count)
        names = [f"{number:06}.jpg" for number in range(count)]
        plain = make_vgg16()
        save_weights(plain, weights)
        backbone = load_backbone("vgg16", str(weights), ["fc7"])
        engine.load_backbone = lambda *_: backbone
        extractor = FeatureExtractor(backbone, "fc7", device)
        peak = matrix_product_rate(device, extractor.precision)
        precision = extractor.attributes["precision"]
        print(
            f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores, PyTorch"
            f" {torch.__version__}, {threads} threads, {device.type}; {count} photos of"
            f" {kilobytes:.0f} kB; matrix product {peak / 1e9:.0f} GFLOP/s in {precision}",
            flush=True,
        )

        def usual(name: str, names: list[str]) -> np.ndarray:
            return process.submit(run_usual, name, archive, names, device.type).result()

        contenders = {name: partial(usual, name) for name in USUAL} | {
            "engine": partial(run_engine, archive, weights, Path(folder) / "features.h5"),
            "network": partial(run_network, extractor),
        }
        rates, features = race(contenders, names, extractor.batch)
    best = max(USUAL.keys() & rates, key=rates.get)
    equals = [name for name in USUAL if name in rates and USUAL[name][3] == extractor.precision]
    equal = max(equals, key=rates.get, default=None)
    over_equal = round(rates["engine"] / rates[equal], 2) if equal else None
    print(f"{'contender':12}{'images/s':>10}{'engine over it':>16}{'GFLOP/s':>10}")
    work = operations(plain)
    for name, rate in rates.items():
        print(f"{name:12}{rate:10.2f}{rates['engine'] / rate:16.2f}{rate * work / 1e9:10.0f}")
    print(f"best: {best}; best in {precision}: {equal}")
    norms = np.prod([np.linalg.norm(rows, axis=1) for rows in features.values()], axis=0)
    cosines = (features["plain"] * features["engine"]).sum(axis=1) / norms
    print(f"cosine to float32: {cosines.min():.6f} at least, {cosines.mean():.6f} on average")
    print(
        json.dumps(
            {
                "engine_over_best": round(rates["engine"] / rates[best], 2),
                "engine_over_equal": over_equal,
                "engine_over_plain": round(rates["engine"] / rates["plain"], 2),
                "engine_over_network": round(rates["engine"] / rates["network"], 3),
                "cosine_min": round(float(cosines.min()), 6),
                "share_of_peak": round(rates["engine"] * work / peak, 3),
            }
        )
    )


if __name__ == "__main__":
    main()
