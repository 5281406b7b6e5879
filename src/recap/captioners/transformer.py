"""The captioner with a Transformer: CS231n's, over an image's features or over its regions."""

import torch
from torch import nn
from torch.nn import functional as F  # noqa: N812

from recap.captioners.minibatch import Minibatch, Padding
from recap.captioners.recipe import Recipe
from recap.captioners.recurrences import dropout
from recap.captioners.trainable import TrainableCaptioner
from recap.captioners.transformer_layers import (
    PositionalEncoding,
    TransformerDecoder,
    TransformerDecoderLayer,
    init_weights,
)

State = tuple[torch.Tensor, ...]


def _pairs(parts: State) -> list[State]:
    """Return keys and values, layer by layer."""
    return list(zip(parts[::2], parts[1::2], strict=True))


class Dropout(nn.Dropout):
    """`recap.captioners.recurrences.dropout` as a layer: PyTorch's takes a quarter of a step."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Drop entries in training."""
        return dropout(x, self.p, self.training)


def _drop_fast(module: nn.Module) -> None:
    """Replace the dropout that a module has; for `nn.Module.apply`."""
    for name, child in module.named_children():
        if isinstance(child, nn.Dropout):
            setattr(module, name, Dropout(child.p))


class TransformerCaptioner(TrainableCaptioner):
    """A Transformer whose words look at those before them, and at what is seen of the image.

    That is the image's features, or with attention those of each region, projected. The parameters
    have the names of `recap.cs231n.classifiers.transformer.CaptioningTransformer`. All that sees
    each word alone is computed on packed words; only attention needs captions of one length.

    Parameters
    ----------
    recipe : Recipe
        Sizes, heads and layers, attention and dropout; `wordvec_dim` is the width W of the
        Transformer, `hidden_dim` that of its feed-forward layers.
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
        width = recipe.wordvec_dim
        self.visual_projection = nn.Linear(feature_dim, width)
        self.embedding = nn.Embedding(vocabulary_size, width)
        self.positional_encoding = PositionalEncoding(width, recipe.dropout)
        layer = TransformerDecoderLayer(width, recipe.heads, recipe.hidden_dim, recipe.dropout)
        self.transformer = TransformerDecoder(layer, recipe.layers)
        self.apply(init_weights)
        # Last, as in the course: it keeps PyTorch's own initial weights.
        self.output = nn.Linear(width, vocabulary_size)
        self.apply(_drop_fast)

    def hidden_states(self, regions: torch.Tensor, batch: Minibatch) -> torch.Tensor:
        """Return the last layer's outputs (P, W); see `TrainableCaptioner`."""
        device, steps = regions.device, len(batch.sizes)
        padding = Padding(batch)
        causal = torch.ones(steps, steps, dtype=torch.bool, device=device).tril()
        with torch.autocast(device.type, torch.bfloat16, self.in_16_bits):
            seen = self._memory(regions)
            x = self._words(batch.words[batch.places], batch.steps)
            for layer in self.transformer.layers:
                own = tuple(padding.pad(part) for part in layer.self_attn.keys_and_values(x))
                looked_at = layer.multihead_attn.keys_and_values(seen)
                x, _ = layer.read(x, own, looked_at, causal, padding)
        return x.to(self.precision or x.dtype)

    def vocabulary(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the weights (W, V) and the bias (V,) of the scores."""
        return self.output.weight.T, self.output.bias

    def _memory(self, regions: torch.Tensor) -> torch.Tensor:
        """Return what is looked at (N, K, W): the regions, or one that is their mean."""
        return self.visual_projection(regions if self.attention else regions.mean(1, keepdim=True))

    def _words(self, words: torch.Tensor, places: torch.Tensor | int) -> torch.Tensor:
        """Return the vectors (N, W) of words (N,) at their places in the caption."""
        vectors = self.embedding(words) + self.positional_encoding.pe[0, places]
        return self.positional_encoding.dropout(vectors)

    def first_state(self, features: torch.Tensor) -> State:
        """Return the state before the first word.

        Parameters
        ----------
        features : tensor of shape (N, K F)

        Returns
        -------
        tuple of tensors
            Of each layer the keys and the values of the words so far, (N, 0, W); of each layer
            those of what is looked at, (N, K, W); and how much each region counted, (N, K).
        """
        seen = self._memory(self.regions(features))
        parts = [layer.multihead_attn.keys_and_values(seen) for layer in self.transformer.layers]
        own = [seen[:, :0]] * (2 * len(parts))
        return (*own, *sum(parts, ()), torch.zeros_like(seen[..., 0]))

    def step(self, words: torch.Tensor, state: State) -> tuple[torch.Tensor, State]:
        """Read a word and say how likely each word is to be next.

        Only the new word goes through the layers: keys and values of those before it are kept.

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
        layers = self.transformer.layers
        own, seen = state[: 2 * len(layers)], state[2 * len(layers) : -1]
        x = self._words(words, own[0].shape[1])[:, None]
        after = []
        for layer, before, looked_at in zip(layers, _pairs(own), _pairs(seen), strict=True):
            new = layer.self_attn.keys_and_values(x)
            pair = [torch.cat([old, one], 1) for old, one in zip(before, new, strict=True)]
            x, weights = layer.read(x, pair, looked_at)
            after += pair
        scores = self.output(x[:, 0])
        return F.log_softmax(scores, dim=1), (*after, *seen, weights.mean(1)[:, 0])

    def attention_map(self, state: State) -> torch.Tensor:
        """Return how much each region counts for the word that is said after a step.

        Parameters
        ----------
        state : tuple of tensors
            As `step` returns it, of a captioner with attention.

        Returns
        -------
        tensor of shape (N, K)
            The mean over the heads of the last layer.
        """
        return state[-1]
