"""Training of a captioner as PyTorch's users write it: the contenders of `train.py`.

Nothing here comes from recap.
"""

from collections.abc import Callable

import torch
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence

NETWORKS = {"rnn": nn.RNN, "gru": nn.GRU, "lstm": nn.LSTM}
NULL = 0
LAYERS, HEADS, LONGEST = 2, 4, 64  # of the Transformer; words of a caption


class UsualCaptioner(nn.Module):
    """A captioner of PyTorch's own layers, over padded or packed captions."""

    def __init__(
        self, cell: str, packed: bool, features: int, words: int, word_vector: int, hidden: int
    ):
        super().__init__()
        self.packed = packed
        self.projection = nn.Linear(features, hidden)
        self.embedding = nn.Embedding(words, word_vector)
        self.network = NETWORKS[cell](word_vector, hidden, batch_first=True)
        self.vocabulary = nn.Linear(hidden, words)

    def forward(self, features: torch.Tensor, captions: torch.Tensor) -> torch.Tensor:
        """Return the loss."""
        inputs, targets = captions[:, :-1], captions[:, 1:]
        # Under autocast a product is in bfloat16, and the cell wants its inputs in one format.
        state = self.projection(features)[None].float()
        if self.packed:
            lengths = (targets != NULL).sum(1).cpu()
            lengths, order = lengths.sort(descending=True)
            words = pack_padded_sequence(self.embedding(inputs[order]), lengths, batch_first=True)
            targets = pack_padded_sequence(targets[order], lengths, batch_first=True).data
            state = state[:, order]
        else:
            words = self.embedding(inputs)
        if isinstance(self.network, nn.LSTM):
            state = (state, torch.zeros_like(state))
        hidden, _ = self.network(words, state)
        scores = self.vocabulary(hidden.data if self.packed else hidden.flatten(0, 1))
        return nn.functional.cross_entropy(scores, targets.flatten(), ignore_index=NULL)


class UsualTransformer(nn.Module):
    """A captioner of PyTorch's decoder, over padded captions; `packed` scores real words alone."""

    def __init__(self, packed: bool, features: int, words: int, width: int, feed_forward: int):
        super().__init__()
        self.packed = packed
        self.projection = nn.Linear(features, width)
        self.embedding = nn.Embedding(words, width)
        self.places = nn.Embedding(LONGEST, width)
        layer = nn.TransformerDecoderLayer(width, HEADS, feed_forward, dropout=0, batch_first=True)
        self.network = nn.TransformerDecoder(layer, LAYERS)
        self.vocabulary = nn.Linear(width, words)

    def forward(self, features: torch.Tensor, captions: torch.Tensor) -> torch.Tensor:
        """Return the loss."""
        inputs, targets = captions[:, :-1], captions[:, 1:]
        length = inputs.shape[1]
        words = self.embedding(inputs) + self.places.weight[:length]
        causal = nn.Transformer.generate_square_subsequent_mask(length, features.device)
        memory = self.projection(features)[:, None]
        hidden = self.network(words, memory, causal, tgt_is_causal=True)
        if self.packed:
            hidden, targets = hidden[targets != NULL], targets[targets != NULL]
        scores = self.vocabulary(hidden).flatten(0, -2)
        return nn.functional.cross_entropy(scores, targets.flatten(), ignore_index=NULL)


def usual_captioner(architecture: str, packed: bool, *sizes: int) -> nn.Module:
    """Return a captioner for features, words, word vectors and hidden states of these sizes."""
    if architecture == "transformer":
        return UsualTransformer(packed, *sizes)
    return UsualCaptioner(architecture, packed, *sizes)


def usual_epoch(
    captioner: nn.Module,
    features: torch.Tensor,
    captions: torch.Tensor,
    batch_size: int,
    fused: bool,
    product: torch.dtype,
) -> Callable[[], None]:
    """Return what trains a captioner on all captions once, all of it on one device.

    `product` is the number format of matrix products; weights are in float32.
    """
    optimizer = torch.optim.AdamW(captioner.parameters(), lr=1e-3, fused=fused)
    device = features.device

    def epoch() -> None:
        for rows in torch.randperm(len(captions), device=device).split(batch_size):
            optimizer.zero_grad()
            with torch.autocast(device.type, product, enabled=product != torch.float32):
                loss = captioner(features[rows], captions[rows])
            loss.backward()
            optimizer.step()

    return epoch
