"""The captioner in PyTorch: CS231n's model, a vanilla RNN or an LSTM over trained word vectors."""

import math

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F  # noqa: N812

from recap.captioners.recipe import Recipe

# CS231n's LSTM keeps its gates in the order input, forget, output, candidate; PyTorch in the
# order input, forget, candidate, output. The same exchange leads either way.
EXCHANGE_GATES = {"lstm": [0, 1, 3, 2], "rnn": [0]}

State = tuple[torch.Tensor, ...]


class Captioner(nn.Module):
    """A recurrent captioner whose first hidden state comes from an image's features.

    h_0 = features W_proj + b_proj; at each step the cell reads a word vector, and its hidden
    state gives a score to every word of the vocabulary as the next one.

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
    """

    def __init__(self, recipe: Recipe, feature_dim: int, vocabulary_size: int, null: int):
        super().__init__()
        self.cell_type = recipe.cell
        self.null = null
        self.embedding = nn.Embedding(vocabulary_size, recipe.wordvec_dim)
        self.projection = nn.Linear(feature_dim, recipe.hidden_dim)
        cell = nn.LSTM if recipe.cell == "lstm" else nn.RNN
        self.cell = cell(recipe.wordvec_dim, recipe.hidden_dim, batch_first=True)
        self.vocabulary = nn.Linear(recipe.hidden_dim, vocabulary_size)
        self.dropout = nn.Dropout(recipe.dropout)
        self._initialise()

    @torch.no_grad()
    def _initialise(self) -> None:
        """Draw normal weights as CS231n does: 1/100 for word vectors, else 1/sqrt(fan in)."""
        for name, parameter in self.named_parameters():
            if name == "embedding.weight":
                parameter.normal_(std=0.01)
            elif parameter.dim() == 2:
                parameter.normal_(std=1 / math.sqrt(parameter.shape[1]))
            else:
                parameter.zero_()
        # The course's cell has one bias: PyTorch's second one stays at zero.
        self.cell.bias_hh_l0.requires_grad_(False)

    def forward(self, features: torch.Tensor, captions: torch.Tensor) -> torch.Tensor:
        """Compute the loss: cross-entropy summed over words, averaged over captions.

        Parameters
        ----------
        features : tensor of shape (N, F)
        captions : tensor of shape (N, T), int64
            Each `<START>`, words, `<END>`, `<NULL>`s.

        Returns
        -------
        tensor of shape ()
            Nats a caption.
        """
        inputs, targets = captions[:, :-1], captions[:, 1:]
        state = tuple(part.unsqueeze(0) for part in self.first_state(features))
        state = state if self.cell_type == "lstm" else state[0]
        hidden, _ = self.cell(self.dropout(self.embedding(inputs)), state)
        # Only real targets are worth a row of the largest product.
        real = targets != self.null
        scores = self.vocabulary(self.dropout(hidden[real]))
        return F.cross_entropy(scores, targets[real], reduction="sum") / len(captions)

    def first_state(self, features: torch.Tensor) -> State:
        """Return the state before the first word.

        Parameters
        ----------
        features : tensor of shape (N, F)

        Returns
        -------
        tuple of tensors of shape (N, H)
            The hidden state, and for the LSTM the cell state.
        """
        hidden = self.projection(features)
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
        weights = (
            self.cell.weight_ih_l0,
            self.cell.weight_hh_l0,
            self.cell.bias_ih_l0,
            self.cell.bias_hh_l0,
        )
        x = self.embedding(words)
        if self.cell_type == "lstm":
            state = torch.lstm_cell(x, state, *weights)
        else:
            state = (torch.rnn_tanh_cell(x, state[0], *weights),)
        return F.log_softmax(self.vocabulary(state[0]), dim=1), state

    def course_parameters(self, dtype: torch.dtype = torch.float32) -> dict[str, np.ndarray]:
        """Return a copy of the parameters under CS231n's names and layouts.

        Parameters
        ----------
        dtype : torch.dtype
            Number format of the copy.

        Returns
        -------
        dict of arrays
            `W_embed` (V, D), `W_proj` (F, H), `b_proj` (H,), `Wx` (D, kH), `Wh` (H, kH), `b`
            (kH,), `W_vocab` (H, V), `b_vocab` (V,), with k = 1, or 4 for the LSTM.
        """
        tensors = {
            "W_embed": self.embedding.weight,
            "W_proj": self.projection.weight.T,
            "b_proj": self.projection.bias,
            "Wx": self._exchange_gates(self.cell.weight_ih_l0).T,
            "Wh": self._exchange_gates(self.cell.weight_hh_l0).T,
            "b": self._exchange_gates(self.cell.bias_ih_l0 + self.cell.bias_hh_l0),
            "W_vocab": self.vocabulary.weight.T,
            "b_vocab": self.vocabulary.bias,
        }
        return {
            name: tensor.detach().to("cpu", dtype).contiguous().numpy().copy()
            for name, tensor in tensors.items()
        }

    @torch.no_grad()
    def load_course_parameters(self, parameters: dict[str, np.ndarray]) -> None:
        """Take over parameters under CS231n's names and layouts.

        Parameters
        ----------
        parameters : dict of arrays
            As `course_parameters` returns them.
        """
        tensors = {name: torch.from_numpy(value) for name, value in parameters.items()}
        self.embedding.weight.copy_(tensors["W_embed"])
        self.projection.weight.copy_(tensors["W_proj"].T)
        self.projection.bias.copy_(tensors["b_proj"])
        self.cell.weight_ih_l0.copy_(self._exchange_gates(tensors["Wx"].T))
        self.cell.weight_hh_l0.copy_(self._exchange_gates(tensors["Wh"].T))
        self.cell.bias_ih_l0.copy_(self._exchange_gates(tensors["b"]))
        self.cell.bias_hh_l0.zero_()
        self.vocabulary.weight.copy_(tensors["W_vocab"].T)
        self.vocabulary.bias.copy_(tensors["b_vocab"])

    def _exchange_gates(self, weights: torch.Tensor) -> torch.Tensor:
        order = EXCHANGE_GATES[self.cell_type]
        return torch.cat([weights.chunk(len(order))[gate] for gate in order])
