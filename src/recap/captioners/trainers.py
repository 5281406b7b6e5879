"""Take training steps: the captioner in PyTorch or in NumPy, with one interface."""

from typing import Protocol

import numpy as np
import torch
from torch import nn

from recap.captioners.numpy import CaptioningRNN
from recap.captioners.recipe import Recipe
from recap.captioners.torch import Captioner
from recap.optim import adam
from recap.vocabulary import NULL


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


def make_trainer(
    recipe: Recipe, feature_dim: int, idx_to_word: list[str], seed: int, device: torch.device
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
    """
    if recipe.backend == "numpy":
        return NumpyTrainer(recipe, feature_dim, idx_to_word, seed)
    return TorchTrainer(recipe, feature_dim, idx_to_word, seed, device)


class TorchTrainer:
    """Trains `recap.captioners.torch.Captioner`; parameters as in `make_trainer`."""

    def __init__(
        self,
        recipe: Recipe,
        feature_dim: int,
        idx_to_word: list[str],
        seed: int,
        device: torch.device,
    ):
        torch.manual_seed(seed)
        torch.use_deterministic_algorithms(True, warn_only=True)
        self.captioner = Captioner(
            recipe, feature_dim, len(idx_to_word), idx_to_word.index(NULL)
        ).to(device)
        self._device = device
        self._gradient_clip = recipe.gradient_clip
        self._trained = [p for p in self.captioner.parameters() if p.requires_grad]
        self._optimizer = torch.optim.AdamW(
            [
                {"params": [p for p in self._trained if p.dim() == 2]},
                {"params": [p for p in self._trained if p.dim() == 1], "weight_decay": 0.0},
            ],
            weight_decay=recipe.weight_decay,
            fused=True,
        )

    def step(self, features: np.ndarray, captions: np.ndarray, learning_rate: float) -> float:
        """Take one step of Adam and return the loss before it."""
        for group in self._optimizer.param_groups:
            group["lr"] = learning_rate
        self.captioner.train()
        self._optimizer.zero_grad(set_to_none=True)
        loss = self.captioner(*self._tensors(features, captions))
        loss.backward()
        nn.utils.clip_grad_norm_(self._trained, self._gradient_clip)
        self._optimizer.step()
        return loss.item()

    @torch.inference_mode()
    def loss(self, features: np.ndarray, captions: np.ndarray) -> float:
        """Return the loss without dropout."""
        self.captioner.eval()
        return self.captioner(*self._tensors(features, captions)).item()

    def parameters(self) -> dict[str, np.ndarray]:
        """Return a copy of the parameters under CS231n's names and layouts, float32."""
        return self.captioner.course_parameters()

    def _tensors(self, features: np.ndarray, captions: np.ndarray) -> tuple[torch.Tensor, ...]:
        return (
            torch.from_numpy(features).to(self._device),
            torch.from_numpy(captions.astype(np.int64)).to(self._device),
        )


class NumpyTrainer:
    """Trains `recap.captioners.numpy.CaptioningRNN`; parameters as in `make_trainer`."""

    def __init__(self, recipe: Recipe, feature_dim: int, idx_to_word: list[str], seed: int):
        np.random.seed(seed)  # noqa: NPY002  (CaptioningRNN draws as the course's code does)
        self.captioner = CaptioningRNN(
            {word: number for number, word in enumerate(idx_to_word)},
            input_dim=feature_dim,
            wordvec_dim=recipe.wordvec_dim,
            hidden_dim=recipe.hidden_dim,
            cell_type=recipe.cell,
        )
        self._recipe = recipe
        self._adam: dict[str, dict] = {name: {} for name in self.captioner.params}

    def step(self, features: np.ndarray, captions: np.ndarray, learning_rate: float) -> float:
        """Take one step of Adam and return the loss before it."""
        loss, gradients = self.captioner.loss(features, captions)
        norm = np.sqrt(sum(np.vdot(gradient, gradient) for gradient in gradients.values()))
        shrink = min(1.0, self._recipe.gradient_clip / (norm + 1e-6))
        for name, weights in self.captioner.params.items():
            if weights.ndim == 2:
                weights *= 1 - learning_rate * self._recipe.weight_decay
            self._adam[name]["learning_rate"] = learning_rate
            self.captioner.params[name], self._adam[name] = adam(
                weights, gradients[name] * weights.dtype.type(shrink), self._adam[name]
            )
        return float(loss)

    def loss(self, features: np.ndarray, captions: np.ndarray) -> float:
        """Return the loss."""
        return float(self.captioner.loss(features, captions)[0])

    def parameters(self) -> dict[str, np.ndarray]:
        """Return a copy of the parameters under CS231n's names and layouts, float32."""
        return {name: weights.copy() for name, weights in self.captioner.params.items()}
