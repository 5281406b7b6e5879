"""What the captioners in PyTorch share: the loss over packed captions, and their parameters."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import nn

from recap.captioners.fused import vocabulary_loss
from recap.captioners.minibatch import Minibatch, pack_minibatch
from recap.captioners.recipe import Recipe
from recap.captioners.recurrences import VocabularyLoss

# Products in 16 bits are made for matrices of so many rows, or several times as many. For each new
# shape oneDNN makes a kernel, which takes longer than the product: few shapes are to occur.
ROWS = 16


class TrainableCaptioner(nn.Module):
    """A captioner whose loss is computed for all words of a minibatch at once, without padding.

    Of an architecture, `hidden_states` gives a vector for each word, and `vocabulary` what makes
    scores of it.

    Parameters
    ----------
    recipe : Recipe
        Architecture, sizes, attention and dropout.
    feature_dim : int
        Numbers an image, or a region of it, F.
    null : int
        The number of `<NULL>`, which is no target.
    precision : torch.dtype, optional
        Number format of the matrix products in `forward`; that of the parameters by default.

    Attributes
    ----------
    in_16_bits : bool
        Whether these products are.
    row_multiple : int
        What numbers of rows in products are filled up to a multiple of.
    """

    def __init__(
        self, recipe: Recipe, feature_dim: int, null: int, precision: torch.dtype | None = None
    ):
        super().__init__()
        self.attention = recipe.attention
        self.dropout = recipe.dropout
        self.feature_dim = feature_dim
        self.null = null
        self.precision = precision
        self.in_16_bits = precision is not None and precision.itemsize == 2
        self.row_multiple = ROWS if self.in_16_bits else 1

    def hidden_states(self, regions: torch.Tensor, batch: Minibatch) -> torch.Tensor:
        """Return what the scores of the words after each input are made of.

        Parameters
        ----------
        regions : tensor of shape (N, K, F)
            Of each image, in the captions' packed order.
        batch : Minibatch
            Captions.

        Returns
        -------
        tensor of shape (P, H)
        """
        raise NotImplementedError

    def vocabulary(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the weights (H, V) and the bias (V,) of the scores."""
        raise NotImplementedError

    def forward(
        self,
        features: torch.Tensor,
        captions: np.ndarray,
        factors: np.ndarray | None = None,
        banned_tokens: Sequence[int] = (),
    ) -> torch.Tensor:
        """Compute the loss: cross-entropy summed over words, averaged over captions.

        Parameters
        ----------
        features : tensor of shape (N, K F)
            Of K regions, one after another.
        captions : integer array of shape (N, T)
            Each `<START>`, words, `<END>`, `<NULL>`s.
        factors : array of shape (N,), optional
            What each caption's loss is multiplied by.
        banned_tokens : sequence of int
            Words whose probability is zero, whatever their scores.

        Returns
        -------
        tensor of shape ()
            Nats a caption.
        """
        batch = self.pack(captions, factors, features.device).to(features.device)
        return self.loss(features, batch, banned_tokens)

    def pack(
        self, captions: np.ndarray, factors: np.ndarray | None, device: torch.device
    ) -> Minibatch:
        """Return what `loss` takes, on the CPU.

        Nothing is computed for what follows a caption's last real target, but for what fills up the
        rows of a step to a multiple of `row_multiple`, or all captions to the length of the longest
        (see `runs_at_once`). On a GPU all shapes follow from that of the captions: such a step can
        be recorded.

        Parameters
        ----------
        captions, factors
            As of `forward`.
        device : torch.device
            Where the loss is going to be computed.
        """
        multiple = len(captions) if self.runs_at_once(device) else self.row_multiple
        words = captions[:, 1:].size if device.type == "cuda" else self.row_multiple
        return pack_minibatch(captions, self.null, factors, multiple, words)

    def runs_at_once(self, device: torch.device) -> bool:
        """Return whether all steps of captions, which are then of one length, are run at once.

        Parameters
        ----------
        device : torch.device
            Where.
        """
        return device.type == "cuda"

    def loss(
        self, features: torch.Tensor, batch: Minibatch, banned_tokens: Sequence[int] = ()
    ) -> torch.Tensor:
        """Compute the loss of packed captions; parameters as of `forward`."""
        h = self.hidden_states(self.regions(features).index_select(0, batch.order), batch)
        W, b = (part.to(h.dtype) for part in self.vocabulary())
        if banned_tokens:
            # Not infinite: it is multiplied by zero where `<NULL>` stands.
            never = torch.finfo(b.dtype).min / 2
            b = b.index_fill(0, torch.tensor(banned_tokens, device=b.device), never)
        loss = vocabulary_loss if h.is_cuda else VocabularyLoss.apply
        return loss(h, W, b, batch.targets, batch.weights)

    def regions(self, features: torch.Tensor) -> torch.Tensor:
        """Return features (N, K F) by region, (N, K, F)."""
        return features.view(len(features), -1, self.feature_dim)

    def course_parameters(self) -> dict[str, np.ndarray]:
        """Return a copy of the parameters under CS231n's names and layouts."""
        return {
            name: parameter.detach().cpu().numpy().copy()
            for name, parameter in self.named_parameters()
        }

    @torch.no_grad()
    def load_course_parameters(self, parameters: dict[str, np.ndarray]) -> None:
        """Take over parameters under CS231n's names and layouts.

        Parameters
        ----------
        parameters : dict of arrays
            As `course_parameters` returns them.
        """
        for name, parameter in self.named_parameters():
            parameter.copy_(torch.from_numpy(parameters[name]))
