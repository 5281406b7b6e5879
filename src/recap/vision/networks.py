"""The classifiers that vision looks into."""

import difflib
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from recap.backbones.imagenet_classes import IMAGENET_CLASSES
from recap.backbones.load import NETWORKS, load_backbone
from recap.backbones.network import Network
from recap.backbones.preprocessing import Preprocessing
from recap.backbones.weights import weights_source
from recap.core.errors import InputError
from recap.core.fetch import fetch
from recap.core.files import file_hash
from recap.core.remote_file import RemoteFile
from recap.vision.scene_network import NETWORK, SCENE_PREPROCESSING, load_scene_network
from recap.vision.scenes import SCENE_CLASSES

WEIGHTS_FOLDER = Path("resources/weights")


@dataclass(frozen=True)
class Classifier:
    """A network that tells classes, how to feed it, and what its classes are called.

    Attributes
    ----------
    network : Network
        Frozen, in evaluation mode, channels last.
    preprocessing : Preprocessing
        What the weights want; it has the way back to pixels, too.
    class_names : tuple of str
        In the order of the scores; synonyms stand behind commas.
    attributes : dict
        What a file that is made with it says of its origin.
    several : bool
        Whether a picture may show several classes, each with a probability of its own.
    """

    network: Network
    preprocessing: Preprocessing
    class_names: tuple[str, ...]
    attributes: dict[str, str]
    several: bool = False

    @property
    def device(self) -> torch.device:
        """Where the network computes."""
        return next(self.network.parameters()).device

    @property
    def layers(self) -> list[str]:
        """Names of the maps that the network gives, in the order in which they are computed."""
        return list(self.network.ends)

    @property
    def feature_layers(self) -> list[str]:
        """Names of the maps before the classifier; they have places."""
        ends = self.network.ends
        return [name for name in ends if ends[name] <= len(self.network.features)]

    @property
    def last_feature_layer(self) -> str:
        """Name of the last map before the classifier, which Grad-CAM looks at."""
        return self.feature_layers[-1]

    def require_layer(self, wanted: str, known: Sequence[str]) -> None:
        """Refuse a layer that is none of those that can be taken.

        Parameters
        ----------
        wanted : str
            What was given.
        known : sequence of str
            `layers` or `feature_layers`.

        Raises
        ------
        InputError
            If it is none of them.
        """
        if wanted not in known:
            raise InputError(
                f"The network has no layer {wanted!r} to look at: give one of {', '.join(known)}."
            )

    def images(self, pixels: np.ndarray) -> torch.Tensor:
        """Return what the network sees of pixels.

        Parameters
        ----------
        pixels : array of shape (N, height, width, 3), uint8
            In RGB.

        Returns
        -------
        tensor of shape (N, 3, height, width), float32
        """
        return self.preprocessing.preprocess(torch.from_numpy(pixels).to(self.device))

    def clamp(self, images: torch.Tensor) -> torch.Tensor:
        """Return the nearest images of pixels from 0 to 255, channel by channel."""
        ends = torch.tensor([0.0, 255.0], device=images.device).view(2, 1, 1, 1).expand(2, 1, 1, 3)
        black, white = self.preprocessing.preprocess(ends)
        return images.clamp(black, white)

    def scores(self, images: torch.Tensor) -> torch.Tensor:
        """Compute the unnormalised scores of the classes.

        Parameters
        ----------
        images : tensor of shape (N, 3, height, width)
            Preprocessed. Gradients flow back to them.

        Returns
        -------
        tensor of shape (N, classes)
        """
        last = self.layers[-1]
        return _pool(self.network.maps(images, [last])[last])

    def probabilities(self, scores: torch.Tensor) -> torch.Tensor:
        """Return the probabilities of the classes, of their scores (N, classes)."""
        return scores.sigmoid() if self.several else scores.softmax(1)

    def scores_and_map(self, images: torch.Tensor, layer: str) -> tuple[torch.Tensor, torch.Tensor]:
        """Compute the scores of the classes and the map that they are computed from.

        Parameters
        ----------
        images : tensor of shape (N, 3, height, width)
            Preprocessed.
        layer : str
            One of `layers`.

        Returns
        -------
        tuple of (tensor of shape (N, classes), tensor of shape (N, channels, rows, columns))
        """
        last = self.layers[-1]
        maps = self.network.maps(images, [layer, last])
        return _pool(maps[last]), maps[layer]

    def file_name(self, number: int) -> str:
        """Return a class's first name as a part of a file's, such as `school-bus`.

        Where another class has the same, its number follows: `crane-134`.
        """
        names = [re.sub(r"\W+", "-", name.split(",")[0]) for name in self.class_names]
        # Not every file system tells `Cardigan`, a dog, from `cardigan`.
        alike = [name.casefold() for name in names].count(names[number].casefold())
        return names[number] if alike == 1 else f"{names[number]}-{number}"

    def find_class(self, wanted: str | int) -> int:
        """Return the number of a class.

        Parameters
        ----------
        wanted : str or int
            A number, or a name: the whole of it or one of its synonyms, in capitals or not.

        Raises
        ------
        InputError
            If there is no such class, or several have that name.
        """
        text = str(wanted).strip()
        if text.isdecimal():
            if int(text) < len(self.class_names):
                return int(text)
            raise InputError(
                f"There is no class {text}: the network has the classes 0 to"
                f" {len(self.class_names) - 1}."
            )
        known: dict[str, list[int]] = {}
        for number, name in enumerate(self.class_names):
            for synonym in {name.casefold(), *name.casefold().split(", ")}:
                known.setdefault(synonym, []).append(number)
        found = known.get(text.casefold(), [])
        if len(found) == 1:
            return found[0]
        if found:
            named = " and ".join(f"{number} ({self.class_names[number]})" for number in found)
            raise InputError(f"Several classes are called {text}: give a number of {named}.")
        near = difflib.get_close_matches(text.casefold(), known, n=3)
        hint = f"the nearest are {', '.join(near)}" if near else "give its number"
        raise InputError(f"The network has no class {text!r}: {hint}.")


def load_network(
    network: str, weights: str = "imagenet", device: torch.device | None = None
) -> Classifier:
    """Load a classifier.

    Parameters
    ----------
    network : str
        `squeezenet1_1`, `squeezenet1_0` or `vgg16`; or the folder of a scene classifier, which
        `train_scene_classifier` made.
    weights : str
        Of the first three: `imagenet`, which is downloaded into resources/weights unless it is
        there; a file; or `random`.
    device : torch.device, optional
        Where to compute; on the processor by default.

    Returns
    -------
    Classifier

    Raises
    ------
    InputError
        If there is no such network, or its weights are not found or not its own.
    """
    device = device or torch.device("cpu")
    if os.path.isdir(network):  # noqa: PTH112 - of a name that no file can have, too
        scenes = load_scene_network(Path(network))
        return Classifier(
            scenes.to(device, memory_format=torch.channels_last),
            SCENE_PREPROCESSING,
            SCENE_CLASSES,
            {
                "backbone": "scenes",
                "weights": NETWORK,
                "weights_sha256": file_hash(Path(network) / NETWORK),
                "preprocessing": str(SCENE_PREPROCESSING),
            },
            several=True,
        )
    if network not in NETWORKS:
        raise InputError(
            f"There is no network {network!r}: give one of {', '.join(NETWORKS)}, or a folder that"
            " `recap train-scene-classifier` made."
        )
    source = weights_source(network, weights)
    if isinstance(source, RemoteFile):
        weights = str(WEIGHTS_FOLDER / source.name)
        if not Path(weights).exists():
            remedy = f"set `weights` to the file if you have it, or put it into {WEIGHTS_FOLDER}"
            fetch(source, Path(weights), remedy=remedy)
    backbone = load_backbone(network, weights)
    return Classifier(
        backbone.network.to(device, memory_format=torch.channels_last),
        backbone.preprocessing,
        IMAGENET_CLASSES,
        backbone.attributes,
    )


def _pool(scores: torch.Tensor) -> torch.Tensor:
    """Return scores of classes, as means over the places of a map where there are such."""
    return scores.flatten(2).mean(2) if scores.dim() == 4 else scores
