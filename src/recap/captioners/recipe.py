"""What a captioner is made of and how it is trained."""

from dataclasses import dataclass
from typing import Literal

from recap.core.checks import bounded, require_options
from recap.core.errors import InputError

# Of a hidden state; its weight matrix has the square of it.
LARGEST_DIM = 65_536

# Blocks of H columns in a cell's weights.
GATES = {"rnn": 1, "gru": 3, "lstm": 4}

# What only the captioner in PyTorch has.
TORCH_ONLY = ("dropout", "region_dropout", "attention", "self_critical_epochs")

# What needs the features of an image's regions.
NEEDS_REGIONS = ("attention", "region_dropout")


@dataclass(frozen=True)
class Recipe:
    """A captioner's architecture and training, as the config's `models` gives them.

    Attributes
    ----------
    cell : {"rnn", "gru", "lstm"}
        Vanilla RNN, GRU (its reset gate after the product, as PyTorch's) or LSTM.
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

    cell: Literal["rnn", "gru", "lstm"] = "lstm"
    backend: Literal["torch", "numpy"] = "torch"
    wordvec_dim: int = bounded(256, minimum=1, maximum=LARGEST_DIM)
    hidden_dim: int = bounded(512, minimum=1, maximum=LARGEST_DIM)
    attention: bool = False
    dropout: float = bounded(0.0, minimum=0, exclusiveMaximum=1)
    region_dropout: float = bounded(0.0, minimum=0, exclusiveMaximum=1)
    epochs: int = bounded(10, minimum=1)
    batch_size: int = bounded(128, minimum=1)
    learning_rate: float = bounded(1e-3, exclusiveMinimum=0)
    schedule: Literal["constant", "one_cycle"] = "one_cycle"
    weight_decay: float = bounded(0.0, minimum=0)
    gradient_clip: float = bounded(5.0, exclusiveMinimum=0)
    patience: int = bounded(0, minimum=0)
    self_critical_epochs: int = bounded(0, minimum=0)
    self_critical_learning_rate: float = bounded(2e-4, exclusiveMinimum=0)

    def __post_init__(self) -> None:
        """Refuse what is out of range, and what the captioner in NumPy does not have."""
        require_options(self)
        for name in TORCH_ONLY:
            if self.backend == "numpy" and getattr(self, name):
                raise InputError(
                    f"The captioner in NumPy has no `{name}`: leave it out or set `backend: torch`."
                )

    def require_regions(self, regions: int) -> None:
        """Refuse features that a captioner cannot be trained on.

        Parameters
        ----------
        regions : int
            Regions of an image that have features of their own; 1 for those of whole images.

        Raises
        ------
        InputError
            If the recipe needs features of regions and there are none, or the other way round.
        """
        for name in NEEDS_REGIONS:
            if getattr(self, name) and regions == 1:
                raise InputError(
                    f"`{name}` needs features of regions: set `layer: grid`, or leave it out."
                )
        if self.backend == "numpy" and regions > 1:
            raise InputError(
                "The captioner in NumPy needs features of whole images: set another `layer`, or"
                " `backend: torch`."
            )
