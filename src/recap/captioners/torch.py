"""The captioner in PyTorch: CS231n's model, a vanilla RNN or an LSTM over trained word vectors."""

import math

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F  # noqa: N812

from recap.captioners.functions import RECURRENCES, LookUp, VocabularyLoss, dropout
from recap.captioners.recipe import Recipe
from recap.layers.packing import pack_captions

GATES = {"rnn": 1, "lstm": 4}

State = tuple[torch.Tensor, ...]


class Captioner(nn.Module):
    """A recurrent captioner whose first hidden state comes from an image's features.

    h_0 = features W_proj + b_proj; at each step the cell reads a word vector, and its hidden
    state gives a score to every word of the vocabulary as the next one. The parameters have
    CS231n's names and layouts: `W_embed` (V, D), `W_proj` (F, H), `b_proj` (H,), `Wx` (D, kH),
    `Wh` (H, kH), `b` (kH,), `W_vocab` (H, V), `b_vocab` (V,), with k = 1, or 4 for the LSTM, whose
    gates stand in the order input, forget, output, candidate.

    Parameters
    ----------
    recipe : Recipe
        Cell, sizes and dropout.
    feature_dim : int
        Numbers an image, F.
    vocabulary_size : int
        Words, V.
    null : int
        The number of `<NULL>`, which is no target.
    precision : torch.dtype, optional
        Number format of the matrix products in `forward`; that of the parameters by default.
    """

    def __init__(
        self,
        recipe: Recipe,
        feature_dim: int,
        vocabulary_size: int,
        null: int,
        precision: torch.dtype | None = None,
    ):
        super().__init__()
        self.cell_type = recipe.cell
        self.dropout = recipe.dropout
        self.null = null
        self.precision = precision
        gates_dim = GATES[recipe.cell] * recipe.hidden_dim

        def normal(rows: int, columns: int, deviation: float) -> nn.Parameter:
            return nn.Parameter(torch.randn(rows, columns) * deviation)

        def weights(rows: int, columns: int) -> nn.Parameter:
            return normal(rows, columns, 1 / math.sqrt(rows))

        self.W_embed = normal(vocabulary_size, recipe.wordvec_dim, 0.01)
        self.W_proj = weights(feature_dim, recipe.hidden_dim)
        self.b_proj = nn.Parameter(torch.zeros(recipe.hidden_dim))
        self.Wx = weights(recipe.wordvec_dim, gates_dim)
        self.Wh = weights(recipe.hidden_dim, gates_dim)
        self.b = nn.Parameter(torch.zeros(gates_dim))
        self.W_vocab = weights(recipe.hidden_dim, vocabulary_size)
        self.b_vocab = nn.Parameter(torch.zeros(vocabulary_size))

    def forward(self, features: torch.Tensor, captions: np.ndarray) -> torch.Tensor:
        """Compute the loss: cross-entropy summed over words, averaged over captions.

        Nothing is computed for what follows a caption's last real target. A word is projected once
        for all the places where it stands; dropout therefore drops the same entries of its vector
        in all of them.

        Parameters
        ----------
        features : tensor of shape (N, F)
        captions : integer array of shape (N, T)
            Each `<START>`, words, `<END>`, `<NULL>`s.

        Returns
        -------
        tensor of shape ()
            Nats a caption.
        """
        order, sizes, inputs, targets = pack_captions(captions, self.null)
        words, places = np.unique(inputs, return_inverse=True)
        order, words, places, targets = (
            torch.from_numpy(numbers.astype(np.int64)).to(features.device)
            for numbers in (order, words, places, targets)
        )
        weights = (targets != self.null) / len(captions)

        h0 = self._affine(features[order], self.W_proj, self.b_proj)
        vectors = dropout(self.W_embed[words], self.dropout, self.training)
        a = LookUp.apply(self._affine(vectors, self.Wx, self.b), places)
        recurrence = RECURRENCES[self.cell_type]
        h = recurrence.apply(a, h0, self.Wh.to(a.dtype), sizes.tolist())
        h = dropout(h, self.dropout, self.training)
        W, b = self.W_vocab.to(h.dtype), self.b_vocab.to(h.dtype)
        return VocabularyLoss.apply(h, W, b, targets, weights)

    def _affine(self, x: torch.Tensor, W: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        precision = self.precision or W.dtype
        return torch.addmm(b.to(precision), x.to(precision), W.to(precision))

    def first_state(self, features: torch.Tensor) -> State:
        """Return the state before the first word.

        Parameters
        ----------
        features : tensor of shape (N, F)

        Returns
        -------
        tuple of tensors of shape (N, H)
            The hidden state, and for the LSTM the cell state, zero.
        """
        hidden = features @ self.W_proj + self.b_proj
        return (hidden, torch.zeros_like(hidden)) if self.cell_type == "lstm" else (hidden,)

    def step(self, words: torch.Tensor, state: State) -> tuple[torch.Tensor, State]:
        """Read a word and say how likely each word is to be next.

        Parameters
        ----------
        words : tensor of shape (N,), int64
        state : tuple of tensors of shape (N, H)

        Returns
        -------
        log_probabilities : tensor of shape (N, V)
        state : tuple of tensors of shape (N, H)
        """
        h, *memory = state
        a = self.W_embed[words] @ self.Wx + h @ self.Wh + self.b
        if memory:
            i, f, o, g = a.chunk(4, dim=1)
            c = f.sigmoid() * memory[0] + i.sigmoid() * g.tanh()
            state = o.sigmoid() * c.tanh(), c
        else:
            state = (a.tanh(),)
        return F.log_softmax(state[0] @ self.W_vocab + self.b_vocab, dim=1), state

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
