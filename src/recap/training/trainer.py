"""What takes training steps, whatever computes."""

from typing import Protocol

import numpy as np
import torch

from recap.captioners.recipe import Recipe
from recap.training.numpy_trainer import NumpyTrainer
from recap.training.torch_trainer import TorchTrainer


class Trainer(Protocol):
    """A captioner that can be trained, whatever the schedule and the order of the captions.

    Features are arrays of shape (N, F), float32; captions of shape (N, T), int32, each `<START>`,
    words, `<END>`, `<NULL>`s. Losses are in nats a caption.
    """

    def step(self, features: np.ndarray, captions: np.ndarray, learning_rate: float) -> float:
        """Take one step of Adam and return the loss before it."""

    def loss(self, features: np.ndarray, captions: np.ndarray) -> float:
        """Return the loss without dropout."""

    def parameters(self) -> dict[str, np.ndarray]:
        """Return a copy of the parameters under CS231n's names and layouts, float32."""

    def state(self) -> dict[str, np.ndarray]:
        """Return all that later steps depend on: parameters, moments, generators."""

    def load_state(self, state: dict[str, np.ndarray]) -> None:
        """Go on from what `state` returned."""


def make_trainer(
    recipe: Recipe,
    feature_dim: int,
    idx_to_word: list[str],
    seed: int,
    device: torch.device,
    precision: torch.dtype,
) -> Trainer:
    """Make a captioner with initial weights drawn from a seed, ready to be trained.

    Parameters
    ----------
    recipe : Recipe
        Architecture, backend, weight decay and gradient clipping.
    feature_dim : int
        Numbers an image, F.
    idx_to_word : list of str
        Vocabulary.
    seed : int
        Seed of the initial weights and of dropout.
    device : torch.device
        Where PyTorch computes; NumPy always computes on the CPU.
    precision : torch.dtype
        Number format of PyTorch's matrix products; NumPy's are float32.
    """
    if recipe.backend == "numpy":
        return NumpyTrainer(recipe, feature_dim, idx_to_word, seed)
    return TorchTrainer(recipe, feature_dim, idx_to_word, seed, device, precision)
