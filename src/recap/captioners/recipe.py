"""What a captioner is made of and how it is trained."""

from dataclasses import asdict, dataclass, fields
from typing import Any, Literal

from recap.core.checks import bounded, require_options
from recap.core.errors import InputError

# Of a hidden state; its weight matrix has the square of it.
LARGEST_DIM = 65_536

MOST_LAYERS = 100

# Blocks of H columns in the weights of a recurrent network.
GATES = {"rnn": 1, "gru": 3, "lstm": 4}

# What only the captioner in PyTorch has.
TORCH_ONLY = ("dropout", "region_dropout", "attention", "self_critical_epochs")

# What only the Transformer has.
TRANSFORMER_ONLY = ("layers", "heads")

# What needs the features of an image's regions.
NEEDS_REGIONS = ("attention", "region_dropout")


@dataclass(frozen=True)
class Recipe:
    """A captioner's architecture and training, as the config's `models` gives them.

    Attributes
    ----------
    architecture : {"rnn", "gru", "lstm", "transformer"}
        Vanilla RNN, GRU (its reset gate after the product, as PyTorch's), LSTM or CS231n's
        Transformer.
    backend : {"torch", "numpy"}
        What computes: PyTorch, or the reference in NumPy, which has neither dropout nor attention
        nor self-critical training nor a Transformer.
    wordvec_dim : int
        Dimension of the word vectors, D, and of all that a Transformer computes.
    hidden_dim : int
        Dimension of the hidden state, H, or of a Transformer's feed-forward layers.
    layers : int
        Layers of a Transformer.
    heads : int
        Heads of a Transformer's attentions; they share the `wordvec_dim`.
    attention : bool
        Whether regions of the image are looked at for each word; the features must be those of a
        grid.
    dropout : float
        Probability with which an entry of a word vector or hidden state is dropped in training;
        of a Transformer, an attention weight too.
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

    architecture: Literal["rnn", "gru", "lstm", "transformer"] = "lstm"
    backend: Literal["torch", "numpy"] = "torch"
    wordvec_dim: int = bounded(256, minimum=1, maximum=LARGEST_DIM)
    hidden_dim: int = bounded(512, minimum=1, maximum=LARGEST_DIM)
    layers: int = bounded(2, minimum=1, maximum=MOST_LAYERS)
    heads: int = bounded(4, minimum=1, maximum=LARGEST_DIM)
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
        if self.architecture == "transformer":
            self._check_transformer()
        else:
            self._check_recurrent()
        for name in TORCH_ONLY:
            if self.backend == "numpy" and getattr(self, name):
                raise InputError(
                    f"The captioner in NumPy has no `{name}`: leave it out or set `backend: torch`."
                )

    def _check_transformer(self) -> None:
        if self.backend == "numpy":
            raise InputError("The captioner in NumPy has no Transformer: set `backend: torch`.")
        if self.wordvec_dim % 2 or self.wordvec_dim % self.heads:
            raise InputError(
                f"A Transformer's `wordvec_dim` must be even and a multiple of its `heads`, not"
                f" {self.wordvec_dim} with {self.heads}: change one of them."
            )

    def _check_recurrent(self) -> None:
        for field in fields(self):
            if field.name in TRANSFORMER_ONLY and getattr(self, field.name) != field.default:
                raise InputError(
                    f"`{field.name}` means something only with `architecture: transformer`: give"
                    " both or neither."
                )

    def settings(self) -> dict[str, Any]:
        """Return the options by name, without those that mean nothing to the architecture."""
        recurrent = self.architecture != "transformer"
        return {
            name: value
            for name, value in asdict(self).items()
            if not (recurrent and name in TRANSFORMER_ONLY)
        }

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
