"""Time the extraction of VGG-16 features from photos in a zip archive.

The contenders take turns on the same photos, 500 JPEG files of 640x480 and about 160 kB in a stored
zip, with the same weights, which are random and loaded beforehand:

plain    the loop that everybody writes: PIL, float32, eager, batches of 16, one process, which
         it has for itself, so that it gains nothing by what the engine sets for its own
engine   recap's extract_features, from the archive to the feature file
network  the engine's network alone, on pixels that are in memory

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
from concurrent.futures import ProcessPoolExecutor
from functools import cache
from multiprocessing import get_context
from pathlib import Path

import h5py
import numpy as np
import torch
from PIL import Image
from torch import nn

from recap import features as engine
from recap.backbones.load import load_backbone
from recap.devices import choose_device, use_threads

WIDTH, HEIGHT, QUALITY = 640, 480, 96
BATCH = 16
CHANNELS = [64, 64, 0, 128, 128, 0, 256, 256, 256, 0, 512, 512, 512, 0, 512, 512, 512, 0]
MEAN, STD = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]
ROUNDS = 2


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


@cache
def plain_vgg16() -> nn.Sequential:
    """Return VGG-16 up to fc7 with He-normal weights; its keys are not torchvision's."""
    torch.manual_seed(0)
    layers: list[nn.Module] = []
    channels_in = 3
    for channels in CHANNELS:
        if channels:
            layers += [nn.Conv2d(channels_in, channels, 3, padding=1), nn.ReLU()]
            channels_in = channels
        else:
            layers.append(nn.MaxPool2d(2))
    layers += [nn.Flatten(), nn.Linear(25088, 4096), nn.ReLU(), nn.Linear(4096, 4096), nn.ReLU()]
    network = nn.Sequential(*layers)
    for parameter in network.parameters():
        if parameter.dim() > 1:
            nn.init.kaiming_normal_(parameter)
        else:
            nn.init.zeros_(parameter)
    return network.eval()


def save_weights(network: nn.Sequential, path: Path) -> None:
    """Save a network of `plain_vgg16` with torchvision's keys."""
    state = {}
    linear = iter(("classifier.0", "classifier.3"))
    for place, layer in enumerate(network):
        if isinstance(layer, nn.Conv2d | nn.Linear):
            name = f"features.{place}" if isinstance(layer, nn.Conv2d) else next(linear)
            state[f"{name}.weight"], state[f"{name}.bias"] = layer.weight, layer.bias
    torch.save(state, path)


@torch.inference_mode()
def run_plain(archive: Path, names: list[str], device: str) -> np.ndarray:
    network = plain_vgg16().to(device)
    mean, std = (np.array(values, dtype=np.float32) for values in (MEAN, STD))
    rows = []
    with zipfile.ZipFile(archive) as photos:
        for start in range(0, len(names), BATCH):
            batch = []
            for name in names[start : start + BATCH]:
                image = Image.open(io.BytesIO(photos.read(f"train2014/{name}"))).convert("RGB")
                scale = 256 / min(image.size)
                image = image.resize([round(side * scale) for side in image.size], Image.BILINEAR)
                left, top = (image.width - 224) // 2, (image.height - 224) // 2
                image = image.crop((left, top, left + 224, top + 224))
                pixels = (np.asarray(image, dtype=np.float32) / 255 - mean) / std
                batch.append(torch.from_numpy(pixels.transpose(2, 0, 1)))
            rows.append(network(torch.stack(batch).to(device)).cpu().numpy())
    return np.concatenate(rows)


def run_engine(archive: Path, names: list[str], weights: Path, output: Path) -> np.ndarray:
    annotations = output.with_suffix(".json")
    images = [{"id": number, "file_name": name} for number, name in enumerate(names)]
    annotations.write_text(json.dumps({"images": images, "annotations": []}))
    engine.extract_features(archive, annotations, output=output, weights=str(weights))
    with h5py.File(output) as file:
        return file["features"][:]


def run_network(extractor: engine.FeatureExtractor, count: int) -> None:
    generator = torch.Generator().manual_seed(0)
    shape = (extractor.batch, 224, 224, 3)
    pixels = torch.randint(0, 256, shape, dtype=torch.uint8, generator=generator)
    waiting = None
    for _ in range(count // extractor.batch):
        following = extractor.launch([pixels])
        if waiting:
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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="96 photos instead of 500")
    count = 96 if parser.parse_args().quick else 500
    threads = use_threads(None)
    device = choose_device("auto")
    with tempfile.TemporaryDirectory() as folder:
        archive, weights = Path(folder) / "photos.zip", Path(folder) / "vgg16.pth"
        kilobytes = write_photos(archive, count)
        names = [f"{number:06}.jpg" for number in range(count)]
        plain = plain_vgg16()
        save_weights(plain, weights)
        backbone = load_backbone("vgg16", str(weights))
        engine.load_backbone = lambda *_: backbone
        extractor = engine.FeatureExtractor(backbone, device)
        peak = matrix_product_rate(device, extractor.precision)
        precision = extractor.attributes["precision"]
        print(
            f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores, PyTorch"
            f" {torch.__version__}, {threads} threads, {device.type}; {count} photos of"
            f" {kilobytes:.0f} kB; matrix product {peak / 1e9:.0f} GFLOP/s in {precision}",
            flush=True,
        )
        # Once through each, which is not counted: memory is taken, caches fill.
        run_network(extractor, 2 * extractor.batch)
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as process:

            def plainly(names: list[str]) -> np.ndarray:
                return process.submit(run_plain, archive, names, str(device)).result()

            plainly(names[:BATCH])
            seconds = {"plain": 0.0, "engine": 0.0, "network": 0.0}
            rows: dict[str, list[np.ndarray]] = {"plain": [], "engine": []}
            cuts = [
                extractor.batch * (count // extractor.batch * k // ROUNDS) for k in range(ROUNDS)
            ]
            for first, last in zip(cuts, [*cuts[1:], count], strict=True):
                some = names[first:last]
                output = Path(folder) / f"{first}.h5"
                contenders = {
                    "plain": lambda some=some: plainly(some),
                    "engine": lambda some=some, output=output: run_engine(
                        archive, some, weights, output
                    ),
                    "network": lambda some=some: run_network(extractor, len(some)),
                }
                for name, contender in contenders.items():
                    start = time.perf_counter()
                    found = contender()
                    taken = time.perf_counter() - start
                    done = len(some)
                    if name == "network":
                        done = done // extractor.batch * extractor.batch
                    else:
                        rows[name].append(found)
                    seconds[name] += taken / done * len(some)
    rates = {name: count / taken for name, taken in seconds.items()}
    print(f"{'contender':12}{'images/s':>10}{'over plain':>12}{'GFLOP/s':>10}")
    work = operations(plain)
    for name, rate in rates.items():
        print(f"{name:12}{rate:10.2f}{rate / rates['plain']:12.2f}{rate * work / 1e9:10.0f}")
    wanted, found = (np.concatenate(rows[name]) for name in ("plain", "engine"))
    norms = np.linalg.norm(wanted, axis=1) * np.linalg.norm(found, axis=1)
    cosines = (wanted * found).sum(axis=1) / norms
    print(f"cosine to float32: {cosines.min():.6f} at least, {cosines.mean():.6f} on average")
    print(
        json.dumps(
            {
                "engine_over_plain": round(rates["engine"] / rates["plain"], 2),
                "engine_over_network": round(rates["engine"] / rates["network"], 3),
                "cosine_min": round(float(cosines.min()), 6),
                "share_of_peak": round(rates["engine"] * work / peak, 3),
            }
        )
    )


if __name__ == "__main__":
    main()
