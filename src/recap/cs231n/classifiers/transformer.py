"""CS231n's captioner with a Transformer, as the course has it from 2021 to 2024."""

import numpy as np
import torch
from torch import Tensor, nn

from recap.captioners.transformer_layers import (
    PositionalEncoding,
    TransformerDecoder,
    TransformerDecoderLayer,
    clones,
    init_weights,
)

__all__ = ["CaptioningTransformer", "TransformerDecoder", "TransformerDecoderLayer", "clones"]


class CaptioningTransformer(nn.Module):
    """A Transformer that writes captions over an image's features, as a memory of length one.

    Parameters
    ----------
    word_to_idx : dict of str to int
        The vocabulary, of V words.
    input_dim : int
        Width F of the image features.
    wordvec_dim : int
        Width W of the word vectors, and of the Transformer.
    num_heads, num_layers : int
        Of the decoder.
    max_length : int
        The longest caption.
    """

    def __init__(
        self,
        word_to_idx: dict[str, int],
        input_dim: int,
        wordvec_dim: int,
        num_heads: int = 4,
        num_layers: int = 2,
        max_length: int = 50,
    ):
        super().__init__()
        self.vocab_size = len(word_to_idx)
        self._null = word_to_idx["<NULL>"]
        self._start = word_to_idx.get("<START>")
        self._end = word_to_idx.get("<END>")
        self.visual_projection = nn.Linear(input_dim, wordvec_dim)
        self.embedding = nn.Embedding(self.vocab_size, wordvec_dim, padding_idx=self._null)
        self.positional_encoding = PositionalEncoding(wordvec_dim, max_len=max_length)
        layer = TransformerDecoderLayer(input_dim=wordvec_dim, num_heads=num_heads)
        self.transformer = TransformerDecoder(layer, num_layers)
        self.apply(init_weights)
        # The course makes it last, so that it keeps PyTorch's own initial weights.
        self.output = nn.Linear(wordvec_dim, self.vocab_size)

    def forward(self, features: Tensor, captions: Tensor) -> Tensor:
        """Return the scores of each next word.

        Parameters
        ----------
        features : tensor of shape (N, F)
        captions : integer tensor of shape (N, T)

        Returns
        -------
        tensor of shape (N, T, V)
        """
        length = captions.shape[1]
        words = self.positional_encoding(self.embedding(captions))
        memory = self.visual_projection(features)[:, None]
        causal = torch.ones(length, length, dtype=torch.bool, device=captions.device).tril()
        return self.output(self.transformer(words, memory, causal))

    @torch.no_grad()
    def sample(self, features: np.ndarray | Tensor, max_length: int = 30) -> np.ndarray:
        """Write a caption (N, max_length), int32, for each row of features (N, F), greedily.

        What follows an `<END>` means nothing, as in the course. Nothing is dropped meanwhile.
        """
        training = self.training
        self.eval()
        features = torch.as_tensor(features, dtype=self.output.weight.dtype)
        captions = torch.full((len(features), 1), self._start)
        for _ in range(max_length):
            words = self(features, captions)[:, -1].argmax(dim=1, keepdim=True)
            captions = torch.cat([captions, words], dim=1)
        self.train(training)
        return captions[:, 1:].numpy().astype(np.int32)
