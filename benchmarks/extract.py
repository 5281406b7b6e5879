"""Time the extraction of VGG-16 features from photos in a zip archive.

The contenders take turns on the same photos, 500 JPEG files of 640x480 and about 160 kB in a stored
zip, with the same weights, which are random and made or loaded beforehand:

plain     the loop that everybody writes: PIL, float32, eager, no workers
float32   workers of a DataLoader decode for it, and channels are last in memory
autocast  the same within torch.autocast in bfloat16
bfloat16  the same with weights and pixels in bfloat16
engine    recap's extract_features, from the archive to the feature file
network   the engine's network alone, on pixels that are in memory; on a GPU after all others
int8      the engine in int8, and its network alone, int8-network; not on a GPU

The first four are `usual_extraction.py`, in a process of their own, so that they gain nothing by
what the engine sets for its own. The engine is held against the fastest of them, and against the
fastest that computes in its number format. Where the processor has no instructions for bfloat16,
PyTorch may take many times as long: what takes over 5 times as long as the plain loop is told and
left out.

int8 is held against the engine, whose own choice is bfloat16 or else float32, against the usual
loops in these, and against its own network.

The machine's matrix-product rate is measured in the engine's precision. Features are compared image
by image with those of the plain loop.

Usage: python benchmarks/extract.py [--quick] [--only NAME ...]
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

from recap.backbones.load import Backbone, load_backbone
from recap.core.devices import choose_device, use_threads
from recap.features import extract as engine
from recap.features.calibrate import calibrate_extraction, read_scales
from recap.features.extractor import FeatureExtractor

WIDTH, HEIGHT, QUALITY = 640, 480, 96
ROUNDS = 2
FAR_BEHIND = 5  # times as long as the plain loop
GPU_IMAGES = 8192  # the network's on a GPU, by itself: 250 take it a sixtieth of a second
COMPARED = ("plain", "engine", "int8")
CHOICES = ("float32", "autocast", "bfloat16", "network", "int8", "int8-network")


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


def write_list(path: Path, names: list[str]) -> Path:
    images = [{"id": number, "file_name": name} for number, name in enumerate(names)]
    path.write_text(json.dumps({"images": images, "annotations": []}))
    return path


def run_engine(
    backbone: Backbone, archive: Path, output: Path, options: dict, names: list[str]
) -> np.ndarray:
    # Loaded beforehand, as for the others.
    engine.load_backbone = lambda *_: backbone
    annotations = write_list(output.with_suffix(".json"), names)
    engine.extract_features(archive, annotations, output=output, **options)
    with h5py.File(output) as file:
        return file["features"][:]


def run_network(extractor: FeatureExtractor, names: list[str]) -> None:
    """Compute as many images as there are names; the last batch is filled up."""
    generator = torch.Generator().manual_seed(0)
    shape = (extractor.batch, 224, 224, 3)
    pixels = torch.randint(0, 256, shape, dtype=torch.uint8, generator=generator)
    if extractor.device.type == "cuda":
        pixels = pixels.pin_memory()  # as those that recap decodes
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
    """Return the images a second of each contender, and the features of those in `COMPARED`."""
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
    return rates, {name: np.concatenate(rows[name]) for name in COMPARED if name in rows}


def int8_figures(rates: dict[str, float]) -> dict[str, float]:
    others = [name for name in ("engine", "float32", "bfloat16", "int8-network") if name in rates]
    return {
        f"int8_over_{name.replace('-', '_')}": round(rates["int8"] / rates[name], 3)
        for name in others
    }


def timed(contender: Callable, names: list[str]) -> tuple[np.ndarray | None, float]:
    start = time.perf_counter()
    found = contender(names)
    return found, time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="96 photos instead of 500")
    parser.add_argument(
        "--only",
        nargs="+",
        choices=CHOICES,
        default=CHOICES,
        metavar="NAME",
        help=f"contenders beside plain and the engine, of {', '.join(CHOICES)}; all by default",
    )
    options = parser.parse_args()
    count = 96 if options.quick else 500
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
            "engine": partial(run_engine, backbone, archive, Path(folder) / "features.h5", {}),
            "network": partial(run_network, extractor),
        }
        if device.type == "cpu" and {"int8", "int8-network"} & {*options.only}:
            calibration = Path(folder) / "calibration.json"
            listed = write_list(Path(folder) / "photos.json", names)
            calibrate_extraction(archive, listed, output=calibration, weights=str(weights))
            # The engine's own is no longer in float32.
            exact = load_backbone("vgg16", str(weights), ["fc7"])
            scales = read_scales(calibration, exact, "fc7")
            in_int8 = FeatureExtractor(exact, "fc7", device, "int8", scales=scales)
            given = {"precision": "int8", "calibration": calibration}
            contenders |= {
                "int8": partial(run_engine, exact, archive, Path(folder) / "int8.h5", given),
                "int8-network": partial(run_network, in_int8),
            }
        wanted = {"plain", "engine", *options.only}
        apart = {"network"} & wanted if device.type == "cuda" else set()
        contenders = {name: run for name, run in contenders.items() if name in wanted - apart}
        rates, features = race(contenders, names, extractor.batch)
        if apart:
            many = [""] * GPU_IMAGES
            run_network(extractor, many)
            rates["network"] = len(many) / timed(partial(run_network, extractor), many)[1]
    best = max(USUAL.keys() & rates, key=rates.get)
    equals = [name for name in USUAL if name in rates and USUAL[name][3] == extractor.precision]
    equal = max(equals, key=rates.get, default=None)
    over_equal = round(rates["engine"] / rates[equal], 2) if equal else None
    print(f"{'contender':14}{'images/s':>10}{'engine over it':>16}{'GFLOP/s':>10}")
    work = operations(plain)
    for name, rate in rates.items():
        print(f"{name:14}{rate:10.2f}{rates['engine'] / rate:16.2f}{rate * work / 1e9:10.0f}")
    print(f"best: {best}; best in {precision}: {equal}")
    unit = {
        name: rows / np.linalg.norm(rows, axis=1, keepdims=True) for name, rows in features.items()
    }
    least = {}
    for name in [name for name in COMPARED[1:] if name in unit]:
        cosines = (unit["plain"] * unit[name]).sum(axis=1)
        least[name] = round(float(cosines.min()), 6)
        print(f"{name}: cosine to float32 {least[name]} at least, {cosines.mean():.6f} on average")
    print(
        json.dumps(
            {
                "engine_over_best": round(rates["engine"] / rates[best], 2),
                "engine_over_equal": over_equal,
                "engine_over_plain": round(rates["engine"] / rates["plain"], 2),
                **(
                    {
                        "engine_over_network": round(rates["engine"] / rates["network"], 3),
                        "network_share_of_peak": round(rates["network"] * work / peak, 3),
                    }
                    if "network" in rates
                    else {}
                ),
                **{f"{name}_cosine_min": value for name, value in least.items()},
                "share_of_peak": round(rates["engine"] * work / peak, 3),
                **(int8_figures(rates) if "int8" in rates else {}),
            }
        )
    )


if __name__ == "__main__":
    main()
