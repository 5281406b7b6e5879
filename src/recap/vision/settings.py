"""How each method works: its hyperparameters, their bounds, and what they mean."""

from dataclasses import dataclass

from recap.core.checks import bounded, require_options


@dataclass(frozen=True)
class Saliency:
    """How `show_saliency` looks for the pixels that a score depends on.

    Attributes
    ----------
    samples : int
        Noisy copies of a picture whose gradients SmoothGrad averages.
    noise : float
        Standard deviation of their noise, as a share of the picture's range.
    steps : int
        Points on the way from black to the picture at which integrated gradients takes gradients.
    erasures : int
        Parts in which a photo is erased by saliency, and given back, while the network looks on.
    checked : int
        Maps that are compared with those of a network whose weights are shuffled.

    Raises
    ------
    InputError
        If a value is of another type or out of range.
    """

    samples: int = bounded(50, minimum=1)
    noise: float = bounded(0.15, minimum=0)
    steps: int = bounded(50, minimum=1)
    erasures: int = bounded(14, minimum=1)
    checked: int = bounded(8, minimum=0)

    def __post_init__(self) -> None:
        """Refuse what is out of range."""
        require_options(self)
