"""Turn photos into features, a row an image."""

import hashlib
import itertools
import json
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Literal

import numpy as np
import torch

from recap.annotations import read_annotations
from recap.backbones.load import Backbone, load_backbone
from recap.code_hash import code_hash
from recap.devices import (
    Device,
    Precision,
    choose_batch,
    choose_device,
    choose_precision,
    keep_freed_memory,
    use_threads,
)
from recap.errors import InputError
from recap.feature_files import FEATURES, create_features, open_features, skipped_rows
from recap.images import BrokenImageError, open_images
from recap.outputs import OutputFile
from recap.partial_rows import PartialRows
from recap.photo_batches import UNIT, read_units
from recap.progress import progress
from recap.sole_owner import sole_owner

# Attributes of a shard: its first row among those of all images, and how many those are.
FIRST_ROW, ALL_ROWS = "first_row", "all_rows"

# What stands in a part file for an image that cannot be read; no feature is as low.
BROKEN = np.finfo(np.float32).min

# Settings that the device decides on where the configuration does not.
SAME_IN_SHARDS = ("precision", "batch")

COPIED_ROWS = 4096  # rows copied at a time


def extract_features(
    images: Path,
    annotations: Path,
    *,
    output: OutputFile,
    more_images: list[Path] | None = None,
    backbone: Literal["vgg16", "squeezenet1_0"] = "vgg16",
    weights: str = "random",
    layer: str = "default",
    broken_images: Literal["stop", "skip"] = "stop",
    shard: str = "1-of-1",
    device: Device = "auto",
    precision: Precision = "auto",
    batch: int | Literal["auto"] = "auto",
    threads: int | None = None,
) -> None:
    """Compute the features of a split's images with a backbone and write them to HDF5.

    What is finished lies in a `.part` file beside the output. If the work is killed, the same
    command continues from it and ends in the same bytes. While another process makes the same
    output, it is waited for.

    Parameters
    ----------
    images : Path
        Zip archive or folder of photos.
    annotations : Path
        COCO caption file; its `images` give the row order.
    output : Path
        HDF5 file to write, with `features` of shape (N, D), or (N, K D) for K regions, float32,
        and attributes that name backbone, weights, layer, preprocessing, precision and batch.
    more_images : list of Path, optional
        Further archives or folders, where the split's photos lie in several.
    backbone : {"vgg16", "squeezenet1_0"}
        Network.
    weights : str
        `random`, or a file of weights.
    layer : str
        Which of the network's layers gives the features; for `vgg16` `fc6`, `fc7` (the default),
        either with `_before_relu`, `fc8`, a convolution such as `conv5_3`, pooled, or
        `conv5_3_grid`; for `squeezenet1_0` `conv1`, `fire2` and so on, `conv10`, `fire9_conv10`
        (the default) or `fire9_grid`. A grid has features of 7x7 regions, K = 49.
    broken_images : {"stop", "skip"}
        Whether an image that cannot be read stops the work, or is skipped: its row is then zeros
        and is listed in the attribute `skipped`, and no later stage uses it.
    shard : str
        Which part of the images to take, such as `3-of-8`; `gather_features` puts them together.
    device : {"auto", "cpu", "cuda", "mps"}
        Where to compute.
    precision : {"auto", "float32", "bfloat16"}
        Number format of the network; `auto` takes bfloat16 where the device has units for it.
    batch : int or "auto"
        Images that are computed together, a multiple of 16. A row's last bits depend on it; `auto`
        is 16 on a processor and 32 or 128 on a GPU. Shards that are made on different machines fit
        together only with the same precision and batch.
    threads : int, optional
        Threads to use; all by default.

    Raises
    ------
    InputError
        If images, annotations or weights are missing or damaged, or there is no such layer, batch
        or shard.
    """
    number, shards = _read_shard(shard)
    if batch != "auto" and (batch < UNIT or batch % UNIT):
        raise InputError(f"A batch of {batch} cannot be computed: give a multiple of {UNIT}.")
    threads = use_threads(threads)
    names = [record["file_name"] for record in read_annotations(annotations).images]
    if not names:
        raise InputError(f"{annotations} lists no images: there is nothing to compute.")
    sources = [images, *(more_images or [])]
    with open_images(*sources):
        pass  # It is there and whole; each process that decodes opens it for itself.
    network = load_backbone(backbone, weights, layer)
    extractor = FeatureExtractor(network, choose_device(device), precision, batch)
    # Shards end where batches do, because a row's last bits depend on the batch around it.
    batches = -(-len(names) // extractor.batch)
    first, last = (extractor.batch * (batches * k // shards) for k in (number - 1, number))
    place = {} if shards == 1 else {FIRST_ROW: first, ALL_ROWS: len(names)}
    names = names[first:last]
    description = _describe(extractor, sources, names) | place
    part = output.with_name(f"{output.name}.part")
    with (
        sole_owner(output),
        PartialRows(part, extractor.feature_dim, extractor.batch, description) as rows,
    ):
        for row in np.flatnonzero(rows.read()[:, 0] == BROKEN):
            print(f"skipped before: {names[row]}")
        with progress(desc="images", total=len(names), initial=rows.count, unit="image") as bar:
            left = names[rows.count :]
            for features in _compute(extractor, sources, left, broken_images, threads):
                rows.append(features)
                bar.update(len(features))
        table = rows.read()
        skipped = np.flatnonzero(table[:, 0] == BROKEN)
        attributes = extractor.attributes | place
        # A shard is gone once it is gathered.
        whole = not place
        with create_features(output, table.shape, attributes, skipped, whole) as features:
            for start in range(0, len(table), COPIED_ROWS):
                piece = table[start : start + COPIED_ROWS]
                features[start : start + len(piece)] = np.where(piece == BROKEN, 0, piece)
        rows.remove()
    if len(skipped):
        print(f"{len(skipped)} of {len(names)} images could not be read and were skipped.")


def _describe(extractor: "FeatureExtractor", sources: list[Path], names: list[str]) -> dict:
    """Return all that rows depend on: a part file of anything else is not continued."""
    states = [source.stat() for source in sources]
    return {
        **extractor.attributes,
        "device": extractor.device.type,
        "images": [[state.st_size, state.st_mtime_ns] for state in states],
        "names": hashlib.sha256(json.dumps(names).encode()).hexdigest(),
        "torch": torch.__version__,
        "code": code_hash("recap.features"),
    }


def _read_shard(shard: str) -> tuple[int, int]:
    match = re.fullmatch(r"(\d+)-of-(\d+)", shard)
    if not match or not 1 <= int(match[1]) <= int(match[2]):
        raise InputError(f"There is no shard {shard!r}: give one such as 3-of-8.")
    return int(match[1]), int(match[2])


def gather_features(*shards: Path, output: OutputFile) -> None:
    """Put the shards of a split's features together, in row order.

    Parameters
    ----------
    shards : Path
        What `extract_features` wrote for each shard.
    output : Path
        HDF5 file to write, with the bytes of an extraction in one piece.

    Raises
    ------
    InputError
        If a shard is missing, damaged, no shard, or does not fit the others.
    """
    pieces = []
    for path in shards:
        with open_features(path) as file:
            table, origin = file[FEATURES], dict(file.attrs)
            first, total = origin.pop(FIRST_ROW, 0), origin.pop(ALL_ROWS, len(table))
            pieces.append((first, table.shape, path, skipped_rows(table), (total, origin)))
    pieces.sort(key=lambda piece: piece[:2])
    end = 0
    for first, shape, path, _, origin in pieces:
        for name in SAME_IN_SHARDS:
            if origin[1].get(name) != pieces[0][-1][1].get(name):
                raise InputError(
                    f"{path} was extracted with the {name} {origin[1].get(name)}, and"
                    f" {pieces[0][2]} with {pieces[0][-1][1].get(name)}: set `feature_{name}` in"
                    f" the configuration, or --{name}, and extract the shards again."
                )
        if first != end or origin != pieces[0][-1]:
            raise InputError(
                f"{path} does not fit the shards before it: extract the same images with the same"
                " settings, and name each shard once."
            )
        end += shape[0]
    if not pieces or end != pieces[0][-1][0]:
        raise InputError(f"The shards hold {end} rows, and not all images: name every shard.")
    (total, attributes), columns = pieces[0][-1], pieces[0][1][1]
    skipped = np.concatenate([first + rows for first, _, _, rows, _ in pieces])
    with create_features(output, (total, columns), attributes, skipped) as features:
        for first, (count, _), path, _, _ in pieces:
            with open_features(path) as file:
                for start in range(0, count, COPIED_ROWS):
                    piece = file[FEATURES][start : start + COPIED_ROWS]
                    features[first + start : first + start + len(piece)] = piece


class FeatureExtractor:
    """A backbone on a device.

    Parameters
    ----------
    backbone : Backbone
        Network, weights and preprocessing.
    device : torch.device
        Where to compute.
    precision : {"auto", "float32", "bfloat16"}
        Number format of the network; by default the one that is fastest there.
    batch : int or "auto"
        Images that are computed together.

    Attributes
    ----------
    batch : int
        Images that are computed together. A row's last bits depend on it.
    feature_dim : int
        Numbers an image.
    attributes : dict
        What a feature file says of its origin.
    """

    def __init__(
        self,
        backbone: Backbone,
        device: torch.device,
        precision: Precision = "auto",
        batch: int | Literal["auto"] = "auto",
    ):
        self.backbone = backbone
        self.device = device
        self.precision = choose_precision(device, precision)
        self.batch = choose_batch(device) if batch == "auto" else batch
        self.feature_dim = backbone.network.feature_dim
        self.attributes = {
            **backbone.attributes,
            "precision": str(self.precision).removeprefix("torch."),
            "batch": self.batch,
        }
        self._network = backbone.network.to(
            device, self.precision, memory_format=torch.channels_last
        )
        preprocessing = backbone.preprocessing
        mean, std = (
            torch.tensor(values, device=device).view(3, 1, 1)
            for values in (preprocessing.mean, preprocessing.std)
        )
        self._scale, self._offset = 1 / (255 * std), -mean / std

    def __call__(self, pixels: np.ndarray) -> np.ndarray:
        """Compute the features of a batch.

        Parameters
        ----------
        pixels : array of shape (N, crop, crop, 3), uint8
            As `Preprocessing.cut` makes them.

        Returns
        -------
        array of shape (N, feature_dim), float32
        """
        return self._compute(torch.from_numpy(pixels).to(self.device)).cpu().numpy()

    def launch(self, units: Sequence[torch.Tensor]) -> Callable[[], np.ndarray]:
        """Begin to compute a batch; a GPU computes while the caller goes on.

        Parameters
        ----------
        units : sequence of tensor of shape (n, crop, crop, 3), uint8
            Together at most `batch` images, on the CPU; the batch is filled up with zeros.

        Returns
        -------
        function
            Waits for the features and returns them, (batch, feature_dim), float32.
        """
        if len(units) == 1 and len(units[0]) == self.batch:
            pixels = units[0].to(self.device, non_blocking=True)
        else:
            shape = (self.batch, *units[0].shape[1:])
            pixels = torch.zeros(shape, dtype=torch.uint8, device=self.device)
            for place, unit in zip(pixels.split(len(units[0])), units, strict=False):
                place.copy_(unit, non_blocking=True)
        features = self._compute(pixels)
        if self.device.type != "cuda":
            return features.cpu().numpy
        # The copy back is asked for now: later, it would wait for the next batch too.
        features = features.to("cpu", non_blocking=True)
        done = torch.cuda.Event()
        done.record()

        def wait() -> np.ndarray:
            done.synchronize()
            return features.numpy()

        return wait

    @torch.inference_mode()
    def _compute(self, pixels: torch.Tensor) -> torch.Tensor:
        # The channels are last in memory already; the view in torch's order costs nothing.
        batch = pixels.permute(0, 3, 1, 2)
        if self.backbone.preprocessing.channels == "BGR":
            batch = batch.flip(1)
        batch = torch.addcmul(self._offset, batch.float(), self._scale)
        return self._network(batch.to(self.precision)).float()


def _compute(
    extractor: FeatureExtractor,
    sources: list[Path],
    names: list[str],
    broken_images: str,
    threads: int,
) -> Iterator[np.ndarray]:
    """Yield the features of the images in order, a batch at a time.

    While one batch is computed, the next ones are decoded and the one before is yielded.
    """
    preprocessing = extractor.backbone.preprocessing
    units = read_units(sources, names, preprocessing, extractor.device, threads)
    # Not before: the processes that decode are to give back what a large photo took.
    keep_freed_memory()
    running = None
    left = len(names)
    while left or running:
        following = None
        if left:
            group = list(itertools.islice(units, extractor.batch // UNIT))
            broken = []
            for number, (_, messages) in enumerate(group):
                for place, message in messages.items():
                    if broken_images == "stop":
                        raise BrokenImageError(message)
                    print(f"skipped: {message}")
                    broken.append(number * UNIT + place)
            count = min(left, extractor.batch)
            following = extractor.launch([pixels for pixels, _ in group]), broken, count
            left -= count
        if running:
            wait, broken, count = running
            features = wait()[:count]
            features[broken] = BROKEN
            yield features
        running = following
