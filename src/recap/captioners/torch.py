"""The captioner in PyTorch: CS231n's model, a recurrent network over trained word vectors."""

import math

import torch
from torch import nn
from torch.nn import functional as F  # noqa: N812

from recap.captioners.fused import run_recurrence
from recap.captioners.minibatch import Minibatch, Padding
from recap.captioners.recipe import GATES, Recipe
from recap.captioners.recurrences import (
    RECURRENCES,
    dropout,
    exact_precision,
)
from recap.captioners.trainable import TrainableCaptioner
from recap.core.devices import has_amx

State = tuple[torch.Tensor, ...]


def attend(queries: torch.Tensor, regions: torch.Tensor) -> torch.Tensor:
    """Return for each query the mean of an image's regions, those like the query counting most.

    Parameters
    ----------
    queries : tensor of shape (N, T, C)
    regions : tensor of shape (N, K, C)

    Returns
    -------
    tensor of shape (N, T, C)
    """
    return attention_weights(queries, regions).to(regions.dtype) @ regions


def attention_weights(queries: torch.Tensor, regions: torch.Tensor) -> torch.Tensor:
    """Return for each query how much each of an image's regions counts.

    They are `softmax(query · region / sqrt(C))`, as in A. Vaswani et al., "Attention is all you
    need", NeurIPS 2017.

    Parameters
    ----------
    queries : tensor of shape (N, T, C)
    regions : tensor of shape (N, K, C)

    Returns
    -------
    tensor of shape (N, T, K)
        In single precision at least; those of a query add up to 1.
    """
    likeness = queries @ regions.mT / math.sqrt(regions.shape[2])
    return likeness.to(exact_precision(likeness)).softmax(dim=2)


class Captioner(TrainableCaptioner):
    """A recurrent captioner whose first hidden state comes from an image's features.

    h_0 = features W_proj + b_proj; at each step the cell reads a word vector, and its hidden
    state gives a score to every word of the vocabulary as the next one. The parameters have
    CS231n's names and layouts: `W_embed` (V, D), `W_proj` (F, H), `b_proj` (H,), `Wx` (D, kH),
    `Wh` (H, kH), `b` (kH,), `W_vocab` (H, V), `b_vocab` (V,), with k = 1, 3 for the GRU, whose
    blocks stand in the order reset, update, candidate, or 4 for the LSTM: input, forget, output,
    candidate.

    Features may be of regions of the image; h_0 then comes from their mean. With attention each
    hidden state looks at the regions before it scores the words: to h_t is added
    attend(h_t W_query, regions) W_context, with `W_query` (H, F) and `W_context` (F, H), as in
    J. Lu et al., "Knowing when to look", CVPR 2017: the cell itself sees nothing of it, so that
    all steps look at once.

    Parameters
    ----------
    recipe : Recipe
        Cell, sizes, attention and dropout.
    feature_dim : int
        Numbers an image, or a region of it, F.
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
        super().__init__(recipe, feature_dim, null, precision)
        self.cell_type = recipe.architecture
        gates_dim = GATES[recipe.architecture] * recipe.hidden_dim

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
        if self.attention:
            self.W_query = weights(recipe.hidden_dim, feature_dim)
            self.W_context = weights(feature_dim, recipe.hidden_dim)

    def hidden_states(self, regions: torch.Tensor, batch: Minibatch) -> torch.Tensor:
        """Return the states, with what they saw (P, H); see `TrainableCaptioner`.

        Dropout drops the same entries of a word's vector in all the places where it stands; step by
        step, a word is projected once for all of them.
        """
        h0 = self._affine(regions.mean(1), self.W_proj, self.b_proj)
        vectors = dropout(F.embedding(batch.words, self.W_embed), self.dropout, self.training)
        if self.runs_at_once(regions.device):
            weights = tuple(part.to(h0.dtype) for part in (self.Wx, self.Wh, self.b))
            x = F.embedding(batch.places, vectors.to(h0.dtype)).unflatten(0, (-1, len(h0)))
            h = run_recurrence(self.cell_type, x, h0, *weights).flatten(0, 1)
        else:
            table = self._affine(vectors, self.Wx, self.b)
            run = RECURRENCES[self.cell_type].apply
            h = run(table, batch.places, h0, self.Wh.to(h0.dtype), batch.sizes)
        if self.attention:
            h = h + self._look(h, regions.to(h.dtype), batch)
        return dropout(h, self.dropout, self.training)

    def runs_at_once(self, device: torch.device) -> bool:
        """Return whether a library runs all steps; see `TrainableCaptioner`.

        oneDNN has an LSTM. It projects a word anew at each place, which is cheap with AMX alone.
        """
        lstm = self.cell_type == "lstm" and self.in_16_bits and has_amx(device)
        return lstm or super().runs_at_once(device)

    def vocabulary(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the weights (H, V) and the bias (V,) of the scores."""
        return self.W_vocab, self.b_vocab

    def _affine(self, x: torch.Tensor, W: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        precision = self.precision or W.dtype
        return torch.addmm(b.to(precision), x.to(precision), W.to(precision))

    def _look(self, h: torch.Tensor, regions: torch.Tensor, batch: Minibatch) -> torch.Tensor:
        """Return what attention adds to packed hidden states (P, H); regions are (N, K, F)."""
        padding = Padding(batch)
        queries = padding.pad(h @ self.W_query.to(h.dtype))
        return padding.pack(attend(queries, regions)) @ self.W_context.to(h.dtype)

    def first_state(self, features: torch.Tensor) -> State:
        """Return the state before the first word.

        Parameters
        ----------
        features : tensor of shape (N, K F)

        Returns
        -------
        tuple of tensors
            The hidden state (N, H), for the LSTM the cell state (N, H), zero, and with attention
            the regions (N, K, F).
        """
        regions = self.regions(features)
        hidden = regions.mean(1) @ self.W_proj + self.b_proj
        state = (hidden, torch.zeros_like(hidden)) if self.cell_type == "lstm" else (hidden,)
        return (*state, regions) if self.attention else state

    def step(self, words: torch.Tensor, state: State) -> tuple[torch.Tensor, State]:
        """Read a word and say how likely each word is to be next.

        Parameters
        ----------
        words : tensor of shape (N,), int64
        state : tuple of tensors
            As `first_state` gives it.

        Returns
        -------
        log_probabilities : tensor of shape (N, V)
        state : tuple of tensors
        """
        h, *rest = state
        # Beams say few different words at a time: each is projected once.
        words, places = words.unique(return_inverse=True)
        a = torch.addmm(self.b, self.W_embed[words], self.Wx)[places]
        if self.cell_type == "gru":
            (r, z, n), (u_r, u_z, u_n) = a.chunk(3, dim=1), (h @ self.Wh).chunk(3, dim=1)
            n = (n + (r + u_r).sigmoid() * u_n).tanh()
            h = n + (z + u_z).sigmoid() * (h - n)
        elif self.cell_type == "lstm":
            i, f, o, g = a.addmm(h, self.Wh).chunk(4, dim=1)
            rest[0] = f.sigmoid() * rest[0] + i.sigmoid() * g.tanh()
            h = o.sigmoid() * rest[0].tanh()
        else:
            h = a.addmm(h, self.Wh).tanh()
        seen = h
        if self.attention:
            queries = (h @ self.W_query)[:, None]
            seen = h + attend(queries, rest[-1])[:, 0] @ self.W_context
        return F.log_softmax(seen @ self.W_vocab + self.b_vocab, dim=1), (h, *rest)

    def attention_map(self, state: State) -> torch.Tensor:
        """Return how much each region counts for the word that is said after a step.

        Parameters
        ----------
        state : tuple of tensors
            As `step` returns it, of a captioner with attention.

        Returns
        -------
        tensor of shape (N, K)
        """
        return attention_weights((state[0] @ self.W_query)[:, None], state[-1])[:, 0]
