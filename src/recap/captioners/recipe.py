"""What a captioner is made of and how it is trained."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Recipe:
    """A captioner's architecture and training, as the config's `models` gives them.

    Attributes
    ----------
    cell : {"rnn", "lstm"}
        Vanilla RNN or LSTM.
    backend : {"torch", "numpy"}
        What computes: PyTorch, or the reference in NumPy, which has no dropout.
    wordvec_dim : int
        Numbers a word vector.
    hidden_dim : int
        Numbers in the hidden state.
    dropout : float
        Share of the word vectors' and hidden states' numbers that is dropped in training.
    epochs : int
        Passes over the training captions.
    batch_size : int
        Captions a step.
    learning_rate : float
        Adam's step size at its highest.
    schedule : {"constant", "one_cycle"}
        `one_cycle` rises over the first fifth of the steps and falls to nothing along a cosine.
    weight_decay : float
        AdamW's decoupled decay of the weight matrices.
    gradient_clip : float
        Longest gradient, as the Euclidean norm over all parameters.
    """

    cell: Literal["rnn", "lstm"] = "lstm"
    backend: Literal["torch", "numpy"] = "torch"
    wordvec_dim: int = 256
    hidden_dim: int = 512
    dropout: float = 0.0
    epochs: int = 10
    batch_size: int = 128
    learning_rate: float = 1e-3
    schedule: Literal["constant", "one_cycle"] = "one_cycle"
    weight_decay: float = 0.0
    gradient_clip: float = 5.0
