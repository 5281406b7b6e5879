"""What a GAN is made of and how it is trained."""

from dataclasses import dataclass
from typing import Literal

from recap.core.checks import bounded, require_options


@dataclass(frozen=True)
class GAN:
    """A GAN's networks, losses and schedule, as the config's `generative.gans` gives them.

    Attributes
    ----------
    networks : {"fully_connected", "convolutional"}
        CS231n's two pairs of networks.
    loss : {"cross_entropy", "least_squares"}
        `cross_entropy` is Goodfellow et al.'s with the non-saturating generator; `least_squares`
        is Mao et al.'s.
    initial_weights : {"default", "xavier"}
        PyTorch's, or Xavier-uniform ones for linear layers and transposed convolutions.
    noise_dim : int
        Uniform random numbers that the generator makes a picture of.
    epochs : int
        Passes over the training pictures.
    batch_size : int
        Pictures in a minibatch; what does not fill the last one is left out.
    shuffle : bool
        Whether each epoch has an order of its own; CS231n's is that of the file.
    pictures : int
        Training pictures to use, from the first; 0 for all.
    learning_rate : float
        Adam's step size, of both networks.
    beta1 : float
        Adam's decay of the mean of the gradients.
    beta2 : float
        Adam's decay of their squares.
    decay : bool
        Whether the step sizes fall to zero along a line in the second half of the training.
    spectral_norm : bool
        Whether the discriminator's weight matrices are divided by their largest singular value.
    average : float
        Decay of the moving average of the generator's weights, which samples are drawn with; 0 for
        the last weights.
    """

    networks: Literal["fully_connected", "convolutional"] = "convolutional"
    loss: Literal["cross_entropy", "least_squares"] = "cross_entropy"
    initial_weights: Literal["default", "xavier"] = "xavier"
    noise_dim: int = bounded(96, minimum=1, maximum=4096)
    epochs: int = bounded(5, minimum=1)
    batch_size: int = bounded(128, minimum=2)
    shuffle: bool = False
    pictures: int = bounded(50_000, minimum=0)
    learning_rate: float = bounded(1e-3, exclusiveMinimum=0)
    beta1: float = bounded(0.5, minimum=0, exclusiveMaximum=1)
    beta2: float = bounded(0.999, minimum=0, exclusiveMaximum=1)
    decay: bool = False
    spectral_norm: bool = False
    average: float = bounded(0.0, minimum=0, exclusiveMaximum=1)

    def __post_init__(self) -> None:
        """Refuse what is of another type or out of range."""
        require_options(self)
