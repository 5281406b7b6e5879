"""Turn photos into features, a row an image."""

import itertools
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Literal

import h5py
import numpy as np
import torch

from recap.annotations import read_annotations
from recap.backbones.load import Backbone, load_backbone
from recap.devices import Device, choose_device, choose_precision, use_threads
from recap.errors import InputError
from recap.feature_files import FEATURES, SKIPPED
from recap.files import atomic_path
from recap.images import BrokenImageError, ImageStore, open_images
from recap.progress import progress

# Batches are cut at multiples of this and the last one is padded, because a row's last bits
# depend on the size of the batch that it is computed in.
BATCH = 16


def extract_features(
    images: Path,
    annotations: Path,
    *,
    output: Path,
    backbone: Literal["vgg16", "squeezenet1_0"] = "vgg16",
    weights: str = "random",
    layer: str = "default",
    broken_images: Literal["stop", "skip"] = "stop",
    device: Device = "auto",
    threads: int | None = None,
) -> None:
    """Compute the features of a split's images with a backbone and write them to HDF5.

    Parameters
    ----------
    images : Path
        Zip archive or folder of photos.
    annotations : Path
        COCO caption file; its `images` give the row order.
    output : Path
        HDF5 file to write, with `features` of shape (N, D), float32, and attributes that name
        backbone, weights, layer, preprocessing and precision.
    backbone : {"vgg16", "squeezenet1_0"}
        Network.
    weights : str
        `random`, or a file of weights.
    layer : str
        Which of the network's layers gives the features; for `vgg16` `fc6`, `fc7` (the default),
        either with `_before_relu`, `fc8`, or a convolution such as `conv5_3`, pooled; for
        `squeezenet1_0` `conv1`, `fire2` and so on, `conv10`, or `fire9_conv10` (the default).
    broken_images : {"stop", "skip"}
        Whether an image that cannot be read stops the work, or is skipped: its row is then zeros
        and is listed in the attribute `skipped`, and no later stage uses it.
    device : {"auto", "cpu", "cuda", "mps"}
        Where to compute.
    threads : int, optional
        Threads to use; all by default.

    Raises
    ------
    InputError
        If images, annotations or weights are missing or damaged, or there is no such layer.
    """
    threads = use_threads(threads)
    records = read_annotations(annotations).images
    if not records:
        raise InputError(f"{annotations} lists no images: there is nothing to compute.")
    with open_images(images) as store:
        extractor = FeatureExtractor(load_backbone(backbone, weights, layer), choose_device(device))
        with atomic_path(output) as scratch, h5py.File(scratch, "w") as file:
            rows = file.create_dataset(
                FEATURES, (len(records), extractor.feature_dim), dtype=np.float32
            )
            skipped = []
            batches = _read_batches(store, records, extractor.backbone, broken_images, threads)
            with progress(desc="images", total=len(records), unit="image") as bar:
                for start, pixels, broken in batches:
                    features = extractor(pixels)[: len(records) - start]
                    features[broken] = 0
                    rows[start : start + len(features)] = features
                    skipped += [start + position for position in broken]
                    bar.update(len(features))
            file.attrs.update(extractor.attributes)
            rows.attrs[SKIPPED] = np.array(skipped, dtype=np.int64)
    if skipped:
        print(f"{len(skipped)} of {len(records)} images could not be read and were skipped.")


class FeatureExtractor:
    """A backbone on a device, in the precision that is fastest there.

    Parameters
    ----------
    backbone : Backbone
        Network, weights and preprocessing.
    device : torch.device
        Where to compute.

    Attributes
    ----------
    feature_dim : int
        Numbers an image.
    attributes : dict
        What a feature file says of its origin.
    """

    def __init__(self, backbone: Backbone, device: torch.device):
        self.backbone = backbone
        self.device = device
        self.precision = choose_precision(device)
        self.feature_dim = backbone.network.feature_dim
        self.attributes = {
            **backbone.attributes,
            "precision": str(self.precision).removeprefix("torch."),
        }
        self._network = backbone.network.to(
            device, self.precision, memory_format=torch.channels_last
        )
        shape = (3, 1, 1)
        self._mean = torch.tensor(backbone.preprocessing.mean, device=device).view(shape)
        self._std = torch.tensor(backbone.preprocessing.std, device=device).view(shape)

    @torch.inference_mode()
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
        # The channels are last in memory already; the view in torch's order costs nothing.
        batch = torch.from_numpy(pixels).to(self.device).permute(0, 3, 1, 2)
        if self.backbone.preprocessing.channels == "BGR":
            batch = batch.flip(1)
        batch = ((batch / 255 - self._mean) / self._std).to(self.precision)
        return self._network(batch).float().cpu().numpy()


def _read_batches(
    store: ImageStore, records: list[dict], backbone: Backbone, broken_images: str, threads: int
) -> Iterator[tuple[int, np.ndarray, list[int]]]:
    """Yield (first row, pixels of a whole batch, positions of broken images) in order.

    Two batches are decoded ahead by threads (Pillow frees the interpreter while it decodes).
    """
    side = backbone.preprocessing.crop

    def read(record: dict) -> np.ndarray:
        return backbone.preprocessing.cut(store.read(record["file_name"]))

    with ThreadPoolExecutor(threads) as pool:
        ahead: deque[tuple[int, list[Future]]] = deque()
        starts = iter(range(0, len(records), BATCH))

        def submit(count: int) -> None:
            for start in itertools.islice(starts, count):
                batch = records[start : start + BATCH]
                ahead.append((start, [pool.submit(read, record) for record in batch]))

        try:
            submit(3)
            while ahead:
                start, futures = ahead.popleft()
                pixels = np.zeros((BATCH, side, side, 3), dtype=np.uint8)
                broken = []
                for position, future in enumerate(futures):
                    try:
                        pixels[position] = future.result()
                    except BrokenImageError as error:
                        if broken_images == "stop":
                            raise
                        print(f"skipped: {error}")
                        broken.append(position)
                submit(1)
                yield start, pixels, broken
        finally:
            pool.shutdown(wait=True, cancel_futures=True)
