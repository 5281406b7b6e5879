"""Maps of how much each part of a photo counts for each word of its caption."""

from dataclasses import dataclass, replace

import numpy as np
import torch
from torch.nn import functional

from recap.captioners.folder import TrainedCaptioner
from recap.captioners.stepwise import make_stepwise
from recap.captions.words import START
from recap.evaluation.origin import Origin
from recap.features.layers import LAYERS
from recap.features.pca import PCA
from recap.features.pooling import pool

SIDE = 28
"""Height and width of a map of pixels, in cells."""


@dataclass(frozen=True)
class WordMaps:
    """Maps of the T words of a caption.

    Attributes
    ----------
    log_probabilities : array of shape (T,), float32
        Of each word after those before it.
    gradient : array of shape (T, SIDE, SIDE), float32
        Nats, from 0 up.
    attention : array of shape (T, side, side), float32, or None
        The captioner's own weights of the photo's regions, which add up to 1; None where it has no
        attention.
    contrast : array of shape (SIDE, SIDE), float32
        How far the colours are from the photo's mean, whatever the captioner.
    """

    log_probabilities: np.ndarray
    gradient: np.ndarray
    attention: np.ndarray | None
    contrast: np.ndarray


class Explainer:
    """A captioner and all that comes before it, from the pixels on.

    Parameters
    ----------
    origin : Origin
        The network that makes the features, and its layer.
    pca : PCA
        What reduces the features.
    captioner : TrainedCaptioner
        In PyTorch or NumPy; PyTorch computes.
    device : torch.device
        Where to compute.
    dtype : torch.dtype
        Number format of all.
    """

    def __init__(
        self,
        origin: Origin,
        pca: PCA,
        captioner: TrainedCaptioner,
        device: torch.device,
        dtype: torch.dtype = torch.float32,
    ):
        name = origin.backbone.attributes["backbone"]
        self._layer = LAYERS[name][origin.layer]
        self._preprocess = origin.backbone.preprocessing.preprocess
        self._network = origin.backbone.network.to(device, dtype, memory_format=torch.channels_last)
        self._mean = torch.from_numpy(pca.mean).to(device, dtype)
        self._components = torch.from_numpy(pca.components).to(device, dtype)
        in_torch = replace(captioner, recipe=replace(captioner.recipe, backend="torch"))
        dim = pca.regions * len(pca.components)
        self._captioner = make_stepwise([in_torch], dim, device).to(dtype).requires_grad_(False)
        self._numbers = {word: number for number, word in enumerate(captioner.idx_to_word)}
        self._device, self._dtype = device, dtype

    def maps(self, pixels: np.ndarray, words: list[str]) -> WordMaps:
        """Compute the maps of a caption's words.

        Of each word the gradient of its log-probability, the words before it given, is taken with
        respect to the pixels, back through captioner, components and network. Times how far the
        pixels are from the photo's mean colour it tells, to first order, by how much the word would
        be less likely if a pixel had that colour; its absolute values are added up over cells. The
        scale of the pixels does not matter to it.

        Parameters
        ----------
        pixels : array of shape (crop, crop, 3), uint8
            As `Preprocessing.cut` makes them.
        words : list of T str
            Words of the captioner's vocabulary.
        """
        image = self.image(pixels)
        from_mean = image - image.mean((2, 3), keepdim=True)
        log_probabilities, attention = self.say(image.requires_grad_(), words)
        gradient = []
        for place, log_probability in enumerate(log_probabilities):
            (slope,) = torch.autograd.grad(
                log_probability, image, retain_graph=place < len(words) - 1
            )
            gradient.append(in_cells((slope * from_mean).sum(1)))
        return WordMaps(
            log_probabilities.detach().float().cpu().numpy(),
            torch.cat(gradient).float().cpu().numpy(),
            None if attention is None else attention.float().cpu().numpy(),
            in_cells(from_mean.abs().sum(1))[0].float().cpu().numpy(),
        )

    def image(self, pixels: np.ndarray) -> torch.Tensor:
        """Return pixels (crop, crop, 3), uint8, as the network sees them, (1, 3, crop, crop)."""
        return self._preprocess(torch.from_numpy(pixels)[None].to(self._device)).to(self._dtype)

    def say(
        self, image: torch.Tensor, words: list[str]
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Return the words' log-probabilities (T,), and attention (T, side, side) if there is any.

        `image` is (1, 3, height, width), preprocessed.
        """
        features = pool(self._network.maps(image, self._layer), self._layer)
        parts = features.view(-1, len(self._mean)) - self._mean
        state = self._captioner.first_state((parts @ self._components.T).view(1, -1))
        found, looks = [], []
        said = torch.tensor([self._numbers[START]], device=self._device)
        for word in words:
            log_probabilities, state = self._captioner.step(said, state)
            said = torch.tensor([self._numbers[word]], device=self._device)
            found.append(log_probabilities[0, said[0]])
            if self._captioner.attention:
                looks.append(self._captioner.attention_map(state).detach())
        attention = None
        if looks:
            side = round(looks[0].shape[1] ** 0.5)
            attention = torch.cat(looks).view(-1, side, side)
        return torch.stack(found), attention


def in_cells(values: torch.Tensor) -> torch.Tensor:
    """Return the sums of absolute values (N, height, width) over cells, (N, SIDE, SIDE)."""
    cells = functional.adaptive_avg_pool2d(values.abs(), SIDE)
    return cells * (values[0].numel() / SIDE**2)
