"""The layers of a Transformer that decodes captions, under CS231n's names and with its values.

A. Vaswani et al., "Attention is all you need", NeurIPS 2017. A layer of the decoder looks at the
words so far, then at the image, then at each place alone; to each of the three its input is added,
and the sum is normalised.

Shapes: `N` captions, `S` queries and `T` keys of each, `E` numbers in each vector.
"""

import copy
import math

import torch
from torch import nn

from recap.captioners.minibatch import Padding
from recap.captioners.recurrences import exact_precision

Pair = tuple[torch.Tensor, torch.Tensor]


class PositionalEncoding(nn.Module):
    """Adds to each vector of a sequence what tells its place, and drops entries in training.

    Of place t, entry 2k is `sin(t / 10000^(2k / E))` and entry 2k + 1 the cosine.

    Parameters
    ----------
    embed_dim : int
        E, even.
    dropout : float
        Probability with which an entry is dropped.
    max_len : int
        The longest sequence.

    Raises
    ------
    ValueError
        If E is odd.
    """

    def __init__(self, embed_dim: int, dropout: float = 0.1, max_len: int = 5000):
        super().__init__()
        if embed_dim % 2:
            raise ValueError(f"embed_dim is {embed_dim}; it must be even.")
        self.dropout = nn.Dropout(dropout)
        places = torch.arange(max_len, dtype=torch.float64)[:, None]
        angles = places / 10000 ** (torch.arange(0, embed_dim, 2, dtype=torch.float64) / embed_dim)
        pairs = torch.stack([angles.sin(), angles.cos()], dim=2)
        self.register_buffer("pe", pairs.flatten(1)[None].to(torch.get_default_dtype()))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return sequences (N, S, E) with their places."""
        return self.dropout(x + self.pe[:, : x.shape[1]])


class MultiHeadAttention(nn.Module):
    """Attention of several heads, each on its own E / H numbers of the projections.

    Parameters
    ----------
    embed_dim : int
        E.
    num_heads : int
        H, a divisor of E.
    dropout : float
        Probability with which an attention weight is dropped.

    Raises
    ------
    ValueError
        If H does not divide E.
    """

    def __init__(self, embed_dim: int, num_heads: int, dropout: float = 0.1):
        super().__init__()
        if embed_dim % num_heads:
            raise ValueError(f"num_heads is {num_heads}; it must divide embed_dim, {embed_dim}.")
        # In the course's order: the seed's draws are then the course's.
        self.key = nn.Linear(embed_dim, embed_dim)
        self.query = nn.Linear(embed_dim, embed_dim)
        self.value = nn.Linear(embed_dim, embed_dim)
        self.proj = nn.Linear(embed_dim, embed_dim)
        self.attn_drop = nn.Dropout(dropout)
        self.n_head = num_heads

    def forward(
        self,
        query: torch.Tensor,
        key: torch.Tensor,
        value: torch.Tensor,
        attn_mask: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """Return for each query the values of the keys that are like it, weighted and projected.

        Parameters
        ----------
        query : tensor of shape (N, S, E)
        key, value : tensors of shape (N, T, E)
        attn_mask : tensor of shape (S, T), optional
            Zero where a query must not look at a key.

        Returns
        -------
        tensor of shape (N, S, E)
        """
        context, _ = self._attend(self.query(query), self.key(key), self.value(value), attn_mask)
        return self.proj(context)

    def keys_and_values(self, x: torch.Tensor) -> Pair:
        """Return what is looked at in `x` (..., E)."""
        return self.key(x), self.value(x)

    def look(
        self, x: torch.Tensor, at: Pair, mask: torch.Tensor | None, padding: Padding | None
    ) -> Pair:
        """Return what `x` sees `at` keys and values (N, T, E), and the weights (N, H, S, T).

        `x` is (N, S, E), or packed rows (P, E) with their padding.
        """
        query = self.query(x)
        if padding is None:
            context, weights = self._attend(query, *at, mask)
        else:
            context, weights = self._attend(padding.pad(query), *at, mask)
            context = padding.pack(context)
        return self.proj(context), weights

    def _attend(
        self,
        query: torch.Tensor,
        key: torch.Tensor,
        value: torch.Tensor,
        mask: torch.Tensor | None,
    ) -> Pair:
        """Return the heads' means of projected values (N, S, E), and their weights."""
        query, key, value = (
            part.unflatten(2, (self.n_head, -1)).transpose(1, 2) for part in (query, key, value)
        )
        likeness = query @ key.mT / math.sqrt(query.shape[3])
        likeness = likeness.to(exact_precision(likeness))
        if mask is not None:
            likeness = likeness.masked_fill(mask == 0, -math.inf)
        weights = self.attn_drop(likeness.softmax(dim=3))
        return (weights.to(value.dtype) @ value).transpose(1, 2).flatten(2), weights


class TransformerDecoderLayer(nn.Module):
    """A layer of the decoder, normalised after each of its three sums.

    Parameters
    ----------
    input_dim : int
        E.
    num_heads : int
        Heads of both attentions.
    dim_feedforward : int
        Width of the layer that sees each place alone.
    dropout : float
        Probability with which an entry is dropped of attention weights, of that layer, and of what
        is added.
    """

    def __init__(
        self, input_dim: int, num_heads: int, dim_feedforward: int = 2048, dropout: float = 0.1
    ):
        super().__init__()
        self.self_attn = MultiHeadAttention(input_dim, num_heads, dropout)
        self.multihead_attn = MultiHeadAttention(input_dim, num_heads, dropout)
        self.linear1 = nn.Linear(input_dim, dim_feedforward)
        self.dropout = nn.Dropout(dropout)
        self.linear2 = nn.Linear(dim_feedforward, input_dim)
        self.norm1, self.norm2, self.norm3 = (nn.LayerNorm(input_dim) for _ in range(3))
        self.dropout1, self.dropout2, self.dropout3 = (nn.Dropout(dropout) for _ in range(3))
        self.activation = nn.ReLU()

    def forward(
        self, tgt: torch.Tensor, memory: torch.Tensor, tgt_mask: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Return the captions (N, S, E) after the layer.

        Parameters
        ----------
        tgt : tensor of shape (N, S, E)
            Captions.
        memory : tensor of shape (N, T, E)
            What is seen of the image.
        tgt_mask : tensor of shape (S, S), optional
            Zero where a word must not look at another.
        """
        own = self.self_attn.keys_and_values(tgt)
        return self.read(tgt, own, self.multihead_attn.keys_and_values(memory), tgt_mask)[0]

    def read(
        self,
        x: torch.Tensor,
        own: Pair,
        memory: Pair,
        mask: torch.Tensor | None = None,
        padding: Padding | None = None,
    ) -> Pair:
        """Return what becomes of `x`, and the weights of the image's parts, (N, H, S, T).

        Parameters
        ----------
        x : tensor of shape (N, S, E), or (P, E) with padding
            Words of captions, or packed ones.
        own, memory : tuples of two tensors of shape (N, T, E)
            Keys and values of the captions and of the image.
        mask : tensor of shape (S, T), optional
            Zero where a word must not look at another.
        padding : Padding, optional
            Of packed words.
        """
        said, _ = self.self_attn.look(x, own, mask, padding)
        x = self.norm1(x + self.dropout1(said))
        seen, weights = self.multihead_attn.look(x, memory, None, padding)
        x = self.norm2(x + self.dropout2(seen))
        hidden = self.dropout(self.activation(self.linear1(x)))
        return self.norm3(x + self.dropout3(self.linear2(hidden))), weights


class TransformerDecoder(nn.Module):
    """Several layers, each a copy of one.

    Parameters
    ----------
    decoder_layer : TransformerDecoderLayer
    num_layers : int
    """

    def __init__(self, decoder_layer: TransformerDecoderLayer, num_layers: int):
        super().__init__()
        self.layers = clones(decoder_layer, num_layers)
        self.num_layers = num_layers

    def forward(
        self, tgt: torch.Tensor, memory: torch.Tensor, tgt_mask: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Return the captions after all layers; see `TransformerDecoderLayer.forward`."""
        for layer in self.layers:
            tgt = layer(tgt, memory, tgt_mask)
        return tgt


def clones(module: nn.Module, N: int) -> nn.ModuleList:  # noqa: N803 (the course's name)
    """Return N copies of a module, each with parameters of its own."""
    return nn.ModuleList([copy.deepcopy(module) for _ in range(N)])


def init_weights(module: nn.Module) -> None:
    """Draw a module's weights as the course does; for `nn.Module.apply`."""
    if isinstance(module, nn.Linear | nn.Embedding):
        nn.init.normal_(module.weight, std=0.02)
    if isinstance(module, nn.Linear):
        nn.init.zeros_(module.bias)
