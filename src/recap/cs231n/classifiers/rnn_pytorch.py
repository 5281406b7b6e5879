"""CS231n's captioning network in PyTorch, as the course has it since 2025."""

import math

import torch
from torch import Tensor

from recap.cs231n.rnn_layers_pytorch import (
    affine_forward,
    lstm_forward,
    lstm_step_forward,
    rnn_forward,
    rnn_step_forward,
    temporal_affine_forward,
    temporal_softmax_loss,
    word_embedding_forward,
)

__all__ = ["CaptioningRNN"]


class CaptioningRNN:
    """`recap.captioners.numpy.CaptioningRNN` on tensors: PyTorch differentiates its loss.

    Parameters
    ----------
    word_to_idx, input_dim, wordvec_dim, hidden_dim, cell_type
        As there.
    dtype : torch.dtype
        float32 to train, float64 to check gradients.

    Attributes
    ----------
    params : dict of str to tensor
        Under the names and in the layouts of NumPy's, drawn from PyTorch's global generator.

    Raises
    ------
    ValueError
        If the cell type is unknown.
    """

    def __init__(
        self,
        word_to_idx: dict[str, int],
        input_dim: int = 512,
        wordvec_dim: int = 128,
        hidden_dim: int = 128,
        cell_type: str = "rnn",
        dtype: torch.dtype = torch.float32,
    ):
        if cell_type not in ("rnn", "lstm"):
            raise ValueError(f"cell_type is {cell_type!r}; it must be one of rnn, lstm.")
        self.cell_type = cell_type
        self.dtype = dtype
        self.word_to_idx = word_to_idx
        self.idx_to_word = {number: word for word, number in word_to_idx.items()}
        self._null = word_to_idx["<NULL>"]
        self._start = word_to_idx.get("<START>")
        self._end = word_to_idx.get("<END>")
        vocab_size = len(word_to_idx)
        gates_dim = {"rnn": 1, "lstm": 4}[cell_type] * hidden_dim

        def normal(rows: int, columns: int, deviation: float) -> Tensor:
            return (torch.randn(rows, columns) * deviation).to(dtype)

        self.params = {
            "W_embed": normal(vocab_size, wordvec_dim, 0.01),
            "W_proj": normal(input_dim, hidden_dim, 1 / math.sqrt(input_dim)),
            "b_proj": torch.zeros(hidden_dim, dtype=dtype),
            "Wx": normal(wordvec_dim, gates_dim, 1 / math.sqrt(wordvec_dim)),
            "Wh": normal(hidden_dim, gates_dim, 1 / math.sqrt(hidden_dim)),
            "b": torch.zeros(gates_dim, dtype=dtype),
            "W_vocab": normal(hidden_dim, vocab_size, 1 / math.sqrt(hidden_dim)),
            "b_vocab": torch.zeros(vocab_size, dtype=dtype),
        }

    def loss(self, features: Tensor, captions: Tensor) -> Tensor:
        """Return the loss of a minibatch: features (N, F), captions (N, T + 1), int64."""
        p = self.params
        inputs, targets = captions[:, :-1], captions[:, 1:]
        h0 = affine_forward(features, p["W_proj"], p["b_proj"])
        x = word_embedding_forward(inputs, p["W_embed"])
        forward = lstm_forward if self.cell_type == "lstm" else rnn_forward
        h = forward(x, h0, p["Wx"], p["Wh"], p["b"])
        scores = temporal_affine_forward(h, p["W_vocab"], p["b_vocab"])
        return temporal_softmax_loss(scores, targets, targets != self._null)

    @torch.no_grad()
    def sample(self, features: Tensor, max_length: int = 30) -> Tensor:
        """Write a caption (N, max_length), int64, for each row of features (N, F), greedily."""
        p = self.params
        h = affine_forward(features, p["W_proj"], p["b_proj"])
        c = torch.zeros_like(h)
        words, captions = torch.full((len(h),), self._start), []
        for _ in range(max_length):
            x = word_embedding_forward(words, p["W_embed"])
            if self.cell_type == "lstm":
                h, c = lstm_step_forward(x, h, c, p["Wx"], p["Wh"], p["b"])
            else:
                h = rnn_step_forward(x, h, p["Wx"], p["Wh"], p["b"])
            words = affine_forward(h, p["W_vocab"], p["b_vocab"]).argmax(dim=1)
            captions.append(words)
        return torch.stack(captions, dim=1)
