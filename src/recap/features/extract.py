"""Turn photos into features, a row an image."""

import hashlib
import itertools
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import numpy as np
import torch

from recap.backbones.load import load_backbone
from recap.core.code_hash import code_hash
from recap.core.devices import (
    Device,
    FeaturePrecision,
    choose_device,
    keep_freed_memory,
    use_threads,
)
from recap.core.errors import InputError
from recap.core.images import ImageStore
from recap.core.outputs import OutputFile
from recap.core.photo_store import STATE_BYTES, BrokenImageError
from recap.core.progress import progress
from recap.core.sole_owner import sole_owner
from recap.core.workers import tell_of_dead_loader
from recap.datasets.shards import ALL_ROWS, FIRST_ROW, ShardList, read_list
from recap.features.calibrate import read_scales
from recap.features.extractor import FeatureExtractor
from recap.features.files import PHOTO, create_features, describe_read, refuse_all_skipped
from recap.features.layers import LAYERS, choose_layer
from recap.features.partial_rows import PartialRows
from recap.features.photo_batches import UNIT, read_units

COPIED_ROWS = 4096  # rows copied at a time
MOST_IMAGES = 65_536  # computed together


def extract_features(
    images: Path,
    annotations: Path,
    *,
    output: OutputFile,
    more_images: list[Path] | None = None,
    backbone: Literal["vgg16", "squeezenet1_0", "squeezenet1_1"] = "vgg16",
    weights: str = "random",
    layer: str = "default",
    broken_images: Literal["stop", "skip"] = "stop",
    device: Device = "auto",
    precision: FeaturePrecision = "auto",
    calibration: Path | None = None,
    batch: int | Literal["auto"] = "auto",
    threads: int | None = None,
) -> None:
    """Compute the features of a split's images with a backbone and write them to HDF5.

    What is finished lies in a `.part` file beside the output. If the work is killed, the same
    command continues from it and ends in the same bytes; what was broken, is damaged there, or has
    changed since, is computed again. While another process makes the same output, on whatever host,
    it is waited for, and nothing that it computed is computed again.

    Parameters
    ----------
    images : Path
        Zip archive or folder of photos.
    annotations : Path
        COCO caption file; its `images` give the row order. Of a shard, what `list_shards` wrote;
        `gather_features` puts shards together.
    output : Path
        HDF5 file to write, with `features` of shape (N, D), or (N, K D) for K regions, float32,
        and attributes that name backbone, weights, layer, preprocessing, precision and batch, and
        tell the bytes of the photos that were read.
    more_images : list of Path, optional
        Further archives or folders, where the split's photos lie in several.
    backbone : {"vgg16", "squeezenet1_0", "squeezenet1_1"}
        Network.
    weights : str
        `random`, or a file of weights.
    layer : str
        Which of the network's layers gives the features; for `vgg16` `fc6`, `fc7` (the default),
        either with `_before_relu`, `fc8`, a convolution such as `conv5_3`, pooled, or
        `conv5_3_grid`; for SqueezeNet `conv1`, `fire2` and so on, `conv10`, `fire9_conv10` (the
        default) or `fire9_grid`. A grid has features of 7x7 regions, K = 49.
    broken_images : {"stop", "skip"}
        Whether an image that cannot be read stops the work, or is skipped: its row is then zeros
        and is listed in the attribute `skipped`, and no later stage uses it.
    device : {"auto", "cpu", "cuda", "mps"}
        Where to compute.
    precision : {"auto", "float32", "bfloat16", "int8"}
        Number format of the network; `auto` takes bfloat16 where the device has units for it. int8
        is faster and less exact, and for processors only.
    calibration : Path, optional
        For int8: what `calibrate_extraction` wrote.
    batch : int or "auto"
        Images that are computed together, a multiple of 16. A row's last bits depend on it; `auto`
        is 16 on a processor and 32 or 128 on a GPU. Shards that are made on different machines fit
        together only with the same precision and batch.
    threads : int, optional
        Threads to use; all by default.

    Raises
    ------
    InputError
        If images, annotations or weights are missing or damaged, no image could be read, there is
        no such layer or batch, the shard is not of whole batches, or int8 is asked for on another
        device than a processor or with a calibration of another network.
    """
    if batch != "auto" and not (UNIT <= batch <= MOST_IMAGES and batch % UNIT == 0):
        raise InputError(
            f"A batch of {batch} cannot be computed: give a multiple of {UNIT} up to {MOST_IMAGES}."
        )
    threads = use_threads(threads)
    listed = read_list(annotations)
    names = listed.names
    sources = [images, *(more_images or [])]
    with ImageStore(*sources) as store:  # Each process that decodes opens it for itself.
        states = np.frombuffer(b"".join(store.states(names)), np.uint8).reshape(-1, STATE_BYTES)
    layer = choose_layer(backbone, layer)
    network = load_backbone(backbone, weights, LAYERS[backbone][layer])
    if (precision == "int8") != (calibration is not None):
        raise InputError(
            "The precision int8, and no other, takes what calibrate-extraction writes: name that"
            " file with --calibration."
        )
    scales = calibration and read_scales(calibration, network, layer)
    extractor = FeatureExtractor(network, layer, choose_device(device), precision, batch, scales)
    place = {}
    if not listed.is_whole:
        _require_whole_batches(annotations, listed, extractor.batch)
        place = {FIRST_ROW: listed.first_row, ALL_ROWS: listed.all_rows}
    part = output.with_name(f"{output.name}.part")
    row = np.dtype(
        [
            ("features", "<f4", extractor.feature_dim),
            ("photo", PHOTO),
            # Zeros where the photo could not be read, which is then tried again.
            ("state", np.uint8, STATE_BYTES),
        ]
    )
    with (
        sole_owner(output) as awaited,
        tell_of_dead_loader(),
        PartialRows(part, row, extractor.batch, _describe(extractor, names) | place) as rows,
    ):
        done = rows.read()["state"]
        starts = [
            start
            for start in range(0, len(names), extractor.batch)
            if start >= len(done)
            or not rows.whole[start : start + extractor.batch].all()
            or _is_outdated(done, states, start, extractor.batch)
        ]
        left = [name for start in starts for name in names[start : start + extractor.batch]]
        computed = _compute(extractor, sources, left, broken_images, threads)
        initial = len(names) - len(left)
        with progress(desc="images", total=len(names), initial=initial, unit="image") as bar:
            for start, (features, photos, broken) in zip(starts, computed, strict=True):
                block = np.zeros(len(features), dtype=row)
                block["features"], block["photo"] = features, photos
                block["state"] = states[start : start + len(block)]
                # A photo may have come only after the states were taken.
                block["state"][~block["state"].any(axis=1)] = 255
                block["features"][broken] = block["state"][broken] = 0
                rows.write(start, block)
                bar.update(len(block))
        table = rows.read()
        skipped = np.flatnonzero(~table["state"].any(axis=1))
        if not place:
            refuse_all_skipped(skipped, len(names))
        photos = np.array(table["photo"])
        attributes = extractor.attributes | (place or describe_read([photos]))
        shape = (len(table), extractor.feature_dim)
        kept = photos if place else None
        # The file is gone once the shards are gathered, and nothing beside it may be left.
        with create_features(
            output, shape, attributes, skipped, kept, record_digest=False
        ) as features:
            for start in range(0, len(table), COPIED_ROWS):
                piece = table["features"][start : start + COPIED_ROWS]
                features[start : start + len(piece)] = piece
        if not awaited():
            rows.remove()
    if len(skipped):
        print(f"{len(skipped)} of {len(names)} images could not be read and were skipped.")


def _is_outdated(done: np.ndarray, states: np.ndarray, start: int, batch: int) -> bool:
    """Return whether a photo of a batch was broken when it was computed, or is another by now."""
    before, now = done[start : start + batch], states[start : start + batch]
    return not before.any(axis=1).all() or not np.array_equal(before, now)


def _describe(extractor: FeatureExtractor, names: list[str]) -> dict:
    """Return all that rows depend on but photos: a part file of anything else is not continued."""
    return {
        **extractor.attributes,
        "device": extractor.device.type,
        "names": hashlib.sha256(json.dumps(names).encode()).hexdigest(),
        "torch": torch.__version__,
        "code": code_hash("recap.features.extract"),
    }


def _require_whole_batches(path: Path, listed: ShardList, batch: int) -> None:
    """Refuse a shard that ends within a batch: a row's last bits depend on the batch around it."""
    end = listed.first_row + len(listed.names)
    if listed.names and (listed.first_row % batch or end % batch and end < listed.all_rows):
        raise InputError(
            f"{path} lists rows {listed.first_row} to {end}, which are no whole batches of {batch}:"
            f" list the shards again with --batch {batch}."
        )


def _compute(
    extractor: FeatureExtractor,
    sources: list[Path],
    names: list[str],
    broken_images: str,
    threads: int,
) -> Iterator[tuple[np.ndarray, np.ndarray, list[int]]]:
    """Yield the features of the images in order, a batch at a time, what was read, and the broken.

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
            for number, (_, messages, _) in enumerate(group):
                for place, message in messages.items():
                    if broken_images == "stop":
                        raise BrokenImageError(
                            f"{message} To go on without such images, set broken_images: skip."
                        )
                    print(f"skipped: {message}")
                    broken.append(number * UNIT + place)
            count = min(left, extractor.batch)
            read = np.concatenate([photos for _, _, photos in group])[:count]
            following = extractor.launch([pixels for pixels, _, _ in group]), read, broken
            left -= count
        if running:
            wait, read, broken = running
            yield wait()[: len(read)], read, broken
        running = following
