"""CS231n's solver for its network in PyTorch, as the course has it since 2025."""

from typing import Any

import numpy as np
import torch
from torch import Tensor

from recap.cs231n.classifiers.rnn_pytorch import CaptioningRNN
from recap.cs231n.coco_utils import sample_coco_minibatch

__all__ = ["CaptioningSolverPytorch"]


class CaptioningSolverPytorch:
    """Trains a network of `rnn_pytorch` with PyTorch's Adam.

    Parameters
    ----------
    model : CaptioningRNN
        Its `params` are changed in place.
    data : dict
        From `recap.cs231n.coco_utils.load_coco_data`.
    learning_rate : float
        Of Adam.
    batch_size, num_epochs, print_every, verbose
        As of `recap.cs231n.captioning_solver.CaptioningSolver`.
    **unknown
        Refused.

    Attributes
    ----------
    loss_history : list of arrays of shape ()
        The loss of each step's minibatch, before the step.
    epoch : int
        Epochs that have ended.

    Raises
    ------
    ValueError
        If an argument is unknown.
    """

    def __init__(
        self,
        model: CaptioningRNN,
        data: dict,
        learning_rate: float = 0.001,
        batch_size: int = 100,
        num_epochs: int = 10,
        print_every: int = 10,
        verbose: bool = True,
        **unknown: Any,
    ):
        if unknown:
            raise ValueError(f"Unrecognized arguments {', '.join(map(repr, unknown))}.")
        self.model = model
        self.data = data
        self.learning_rate = learning_rate
        self.batch_size = batch_size
        self.num_epochs = num_epochs
        self.print_every = print_every
        self.verbose = verbose
        self.optim = torch.optim.Adam(self._parameters(), learning_rate)
        self._reset()

    def _reset(self) -> None:
        self.epoch = 0
        self.loss_history: list[np.ndarray] = []

    def train(self) -> None:
        """Train for `num_epochs` epochs; the parameters ask for gradients only meanwhile."""
        for parameter in self._parameters():
            parameter.requires_grad_()
        self._take_steps()
        for parameter in self._parameters():
            parameter.requires_grad_(False)

    def _take_steps(self) -> None:
        steps_per_epoch = max(len(self.data["train_captions"]) // self.batch_size, 1)
        n_steps = self.num_epochs * steps_per_epoch
        for step in range(n_steps):
            self._step()
            if self.verbose and step % self.print_every == 0:
                print(f"(Iteration {step + 1} / {n_steps}) loss: {self.loss_history[-1]:f}")
            self.epoch += (step + 1) % steps_per_epoch == 0

    def _step(self) -> None:
        captions, features, _ = sample_coco_minibatch(self.data, self.batch_size, "train")
        loss = self._loss(torch.from_numpy(features), torch.from_numpy(captions).long())
        self.optim.zero_grad()
        loss.backward()
        self.optim.step()
        self.loss_history.append(loss.detach().numpy())

    def _parameters(self) -> list[Tensor]:
        return list(self.model.params.values())

    def _loss(self, features: Tensor, captions: Tensor) -> Tensor:
        return self.model.loss(features, captions)
