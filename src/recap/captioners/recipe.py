"""What a captioner is made of and how it is trained."""

from dataclasses import dataclass
from typing import Literal

from recap.core.checks import require, require_types
from recap.core.errors import InputError

# Of a hidden state; its weight matrix has the square of it.
LARGEST_DIM = 65_536

# What only the captioner in PyTorch has.
NOT_IN_NUMPY = ("dropout", "region_dropout", "attention", "self_critical_epochs")

# What needs the features of an image's regions.
OF_REGIONS = ("attention", "region_dropout")


@dataclass(frozen=True)
class Recipe:
    """A captioner's architecture and training, as the config's `models` gives them.

    Attributes
    ----------
    cell : {"rnn", "lstm"}
        Vanilla RNN or LSTM.
    backend : {"torch", "numpy"}
        What computes: PyTorch, or the reference in NumPy, which has neither dropout nor attention
        nor self-critical training.
    wordvec_dim : int
        Dimension of the word vectors, D.
    hidden_dim : int
        Dimension of the hidden state, H.
    attention : bool
        Whether the hidden state looks at regions of the image for each word; the features must be
        those of a grid.
    dropout : float
        Probability with which an entry of a word vector or hidden state is dropped in training.
    region_dropout : float
        Share of an image's regions that are hidden in training, drawn anew each time; the features
        must be those of a grid.
    epochs : int
        Passes over the training captions.
    batch_size : int
        Captions in a minibatch.
    learning_rate : float
        Adam's step size at its highest.
    schedule : {"constant", "one_cycle"}
        `one_cycle` rises over the first fifth of the steps and falls along a cosine, to nothing
        after the last.
    weight_decay : float
        AdamW's decoupled decay of the weight matrices.
    gradient_clip : float
        Largest norm of the gradient, over all parameters; a longer one is scaled down.
    patience : int
        Epochs without a lower validation loss after which training ends; 0 for no such end.
    self_critical_epochs : int
        Passes over the training images thereafter, in which captions that the captioner draws are
        rewarded by CIDEr-D.
    self_critical_learning_rate : float
        Adam's step size at its highest in these.

    Raises
    ------
    InputError
        If a value is of another type or out of range, or NumPy is asked for what it does not have.
    """

    cell: Literal["rnn", "lstm"] = "lstm"
    backend: Literal["torch", "numpy"] = "torch"
    wordvec_dim: int = 256
    hidden_dim: int = 512
    attention: bool = False
    dropout: float = 0.0
    region_dropout: float = 0.0
    epochs: int = 10
    batch_size: int = 128
    learning_rate: float = 1e-3
    schedule: Literal["constant", "one_cycle"] = "one_cycle"
    weight_decay: float = 0.0
    gradient_clip: float = 5.0
    patience: int = 0
    self_critical_epochs: int = 0
    self_critical_learning_rate: float = 2e-4

    def __post_init__(self) -> None:
        """Refuse numbers out of range."""
        require_types(self)
        for name in ("wordvec_dim", "hidden_dim"):
            value = getattr(self, name)
            wanted = f"at least 1 and at most {LARGEST_DIM}"
            require(1 <= value <= LARGEST_DIM, name, wanted, value)
        for name in ("epochs", "batch_size"):
            require(getattr(self, name) >= 1, name, "at least 1", getattr(self, name))
        for name in ("patience", "self_critical_epochs", "weight_decay"):
            require(getattr(self, name) >= 0, name, "at least 0", getattr(self, name))
        for name in ("learning_rate", "self_critical_learning_rate", "gradient_clip"):
            require(getattr(self, name) > 0, name, "more than 0", getattr(self, name))
        for name in ("dropout", "region_dropout"):
            value = getattr(self, name)
            require(0 <= value < 1, name, "at least 0 and less than 1", value)
        for name in NOT_IN_NUMPY:
            if self.backend == "numpy" and getattr(self, name):
                raise InputError(
                    f"The captioner in NumPy has no `{name}`: leave it out or set `backend: torch`."
                )
