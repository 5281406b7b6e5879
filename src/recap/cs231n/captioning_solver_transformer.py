"""CS231n's solver for its Transformer."""

from typing import Any

from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from recap.cs231n.captioning_solver_pytorch import CaptioningSolverPytorch
from recap.cs231n.classifiers.transformer import CaptioningTransformer

__all__ = ["CaptioningSolverTransformer"]


class CaptioningSolverTransformer(CaptioningSolverPytorch):
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
        super().__init__(
            model, data, learning_rate, batch_size, num_epochs, print_every, verbose, **unknown
        )
        self.idx_to_word = idx_to_word

    def train(self) -> None:
        """Train for `num_epochs` epochs."""
        self._take_steps()

    def _parameters(self) -> list[Tensor]:
        return list(self.model.parameters())

    def _loss(self, features: Tensor, captions: Tensor) -> Tensor:
        inputs, targets = captions[:, :-1], captions[:, 1:]
        scores = self.model(features.float(), inputs)
        mask = targets != self.model._null
        return self.transformer_temporal_softmax_loss(scores, targets, mask)

    def transformer_temporal_softmax_loss(self, x: Tensor, y: Tensor, mask: Tensor) -> Tensor:
        """Return the cross-entropy of scores (N, T, V), a mean over all steps, padding too."""
        losses = F.cross_entropy(x.flatten(0, 1), y.flatten(), reduction="none")
        return (losses * mask.flatten()).mean()
