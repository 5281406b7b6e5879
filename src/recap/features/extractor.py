"""Compute features with a backbone on a device."""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Literal

import numpy as np
import torch

from recap.backbones.int8 import Int8Network
from recap.backbones.load import Backbone
from recap.core.devices import FeaturePrecision, choose_batch, choose_precision
from recap.features.files import REGIONS, SCALES
from recap.features.layers import LAYERS, numbers_in, regions_in
from recap.features.pooling import pool


class FeatureExtractor:
    """A backbone on a device.

    Parameters
    ----------
    backbone : Backbone
        Network, weights and preprocessing.
    layer : str
        A name of `recap.features.layers.LAYERS`.
    device : torch.device
        Where to compute.
    precision : {"auto", "float32", "bfloat16", "int8"}
        Number format of the network; by default the fastest there of those that lose next to
        nothing, which int8 is not one of.
    batch : int or "auto"
        Images that are computed together.
    scales : mapping of str to float, optional
        For int8: what `recap.backbones.int8.find_scales` found.

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
        layer: str,
        device: torch.device,
        precision: FeaturePrecision = "auto",
        batch: int | Literal["auto"] = "auto",
        scales: Mapping[str, float] | None = None,
    ):
        self.backbone = backbone
        self.device = device
        self.precision = choose_precision(device, precision)
        self.batch = choose_batch(device) if batch == "auto" else batch
        name, regions = backbone.attributes["backbone"], regions_in(layer)
        self.feature_dim = regions * numbers_in(name, layer)
        self.attributes = {
            **backbone.attributes,
            "layer": layer,
            "precision": str(self.precision).removeprefix("torch."),
            "batch": self.batch,
        }
        if regions > 1:
            self.attributes[REGIONS] = str(regions)
        self._layer = LAYERS[name][layer]
        if self.precision == torch.int8:
            self.attributes[SCALES] = json.dumps(scales)
            self._maps = Int8Network(backbone, scales).maps
        else:
            backbone.network.to(device, self.precision, memory_format=torch.channels_last)
            self._maps = self._maps_of_floats

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

    def _maps_of_floats(self, pixels: torch.Tensor, names: Iterable[str]) -> dict:
        images = self.backbone.preprocessing.preprocess(pixels).to(self.precision)
        return self.backbone.network.maps(images, names)

    @torch.inference_mode()
    def _compute(self, pixels: torch.Tensor) -> torch.Tensor:
        return pool(self._maps(pixels, self._layer), self._layer).float()
