"""CS231n's solver for its Transformer."""

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from recap.captioners.numpy import sample_coco_minibatch
from recap.cs231n.classifiers.transformer import CaptioningTransformer

__all__ = ["CaptioningSolverTransformer"]


class CaptioningSolverTransformer:
    """Trains a `CaptioningTransformer` with PyTorch's Adam.

    Parameters
    ----------
    model : CaptioningTransformer
        Its parameters are changed in place.
    data : dict
        From `recap.cs231n.coco_utils.load_coco_data`.
    idx_to_word : list of str
        The vocabulary.
    learning_rate : float
        Of Adam.
    batch_size, num_epochs, print_every, verbose
        As of `recap.captioners.numpy.CaptioningSolver`.
    **unknown
        Refused.

    Attributes
    ----------
    loss_history : list of arrays of shape ()
        The loss of each step's minibatch, before the step.

    Raises
    ------
    ValueError
        If an argument is unknown.
    """

    def __init__(
        self,
        model: CaptioningTransformer,
        data: dict,
        idx_to_word: list[str],
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
        self.idx_to_word = idx_to_word
        self.batch_size = batch_size
        self.num_epochs = num_epochs
        self.print_every = print_every
        self.verbose = verbose
        self.optim = torch.optim.Adam(model.parameters(), learning_rate)
        self._reset()

    def _reset(self) -> None:
        self.epoch = 0
        self.loss_history = []

    def train(self) -> None:
        """Train for `num_epochs` epochs."""
        steps_per_epoch = max(len(self.data["train_captions"]) // self.batch_size, 1)
        n_steps = self.num_epochs * steps_per_epoch
        for step in range(n_steps):
            self._step()
            if self.verbose and step % self.print_every == 0:
                print(f"(Iteration {step + 1} / {n_steps}) loss: {self.loss_history[-1]:f}")
            self.epoch += (step + 1) % steps_per_epoch == 0

    def _step(self) -> None:
        captions, features, _ = sample_coco_minibatch(self.data, self.batch_size, "train")
        captions = torch.from_numpy(captions).long()
        inputs, targets = captions[:, :-1], captions[:, 1:]
        scores = self.model(torch.from_numpy(features).float(), inputs)
        mask = targets != self.model._null
        loss = self.transformer_temporal_softmax_loss(scores, targets, mask)
        self.optim.zero_grad()
        loss.backward()
        self.optim.step()
        self.loss_history.append(loss.detach().numpy())

    def transformer_temporal_softmax_loss(self, x: Tensor, y: Tensor, mask: Tensor) -> Tensor:
        """Return the cross-entropy of scores (N, T, V), a mean over all steps, padding too."""
        losses = F.cross_entropy(x.flatten(0, 1), y.flatten(), reduction="none")
        return (losses * mask.flatten()).mean()
