"""How each method works: its hyperparameters, their bounds, and what they mean."""

from dataclasses import dataclass
from typing import Literal

from recap.core.checks import bounded, require_options
from recap.core.errors import InputError

# Pixels of a side that every network can look at.
SMALLEST_OCTAVE = 32


@dataclass(frozen=True)
class SceneClassifier:
    """How `train_scene_classifier` draws its scenes and trains its network.

    Attributes
    ----------
    scenes : int
        Scenes to learn from.
    held_out : int
        Scenes to measure the network on.
    kept : int
        How many of these are written, for the other methods to look at.
    examples : int
        How many of those with two objects are written for the methods that take minutes.
    epochs : int
        Passes over the scenes.
    batch_size : int
        Scenes in a minibatch.
    learning_rate : float
        AdamW's step size at its highest.
    shift : int
        Pixels by which pictures are moved in training at most, along each axis.

    Raises
    ------
    InputError
        If a value is of another type or out of range.
    """

    scenes: int = bounded(2500, minimum=1, maximum=1_000_000)
    held_out: int = bounded(600, minimum=1, maximum=1_000_000)
    kept: int = bounded(40, minimum=1)
    examples: int = bounded(2, minimum=1)
    epochs: int = bounded(5, minimum=1)
    batch_size: int = bounded(32, minimum=1)
    learning_rate: float = bounded(1e-2, exclusiveMinimum=0)
    shift: int = bounded(6, minimum=0)

    def __post_init__(self) -> None:
        """Refuse what is out of range."""
        require_options(self)


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
        Points on the way from gray to the picture at which integrated gradients takes gradients.
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


@dataclass(frozen=True)
class Fooling:
    """How `fool_network` changes a photo until the network takes it for another class.

    Attributes
    ----------
    learning_rate : float
        Length of a step, in the network's normalised units.
    steps : int
        Steps at most.
    margin : float
        How far the target's score must be above the best other, once pixels are rounded; for the
        recipe `margin` alone.
    magnified : float
        Factor by which pictures of differences are magnified.

    Raises
    ------
    InputError
        If a value is of another type or out of range.
    """

    learning_rate: float = bounded(1.0, exclusiveMinimum=0)
    steps: int = bounded(100, minimum=1)
    margin: float = bounded(0.0, minimum=0)
    magnified: float = bounded(10.0, exclusiveMinimum=0)

    def __post_init__(self) -> None:
        """Refuse what is out of range."""
        require_options(self)


@dataclass(frozen=True)
class ClassVisualization:
    """How `visualize_classes` finds images of a class.

    Attributes
    ----------
    steps : int
        Steps by frequencies.
    rate : float
        Adam's step size by frequencies.
    jitter : float
        Pixels by which an image is moved at most, each way, before it is looked at.
    scale : float
        Share by which it is made larger or smaller at most.
    rotation : float
        Degrees by which it is turned at most, each way.
    course_steps : int
        Steps by pixels, as the course takes them.
    course_rate : float
        Length of a step by pixels.
    normalize : bool
        Whether the gradient is brought to length 1 first.
    l2 : float
        Weight of the penalty of an image's squares, by pixels.
    course_jitter : int
        Pixels by which an image is moved at most, down and across, by pixels.
    blur_every : int
        Steps by pixels from one blur to the next.
    blur : float
        Standard deviation of the blur, in pixels.

    Raises
    ------
    InputError
        If a value is of another type or out of range.
    """

    steps: int = bounded(256, minimum=1)
    rate: float = bounded(0.05, exclusiveMinimum=0)
    jitter: float = bounded(16.0, minimum=0)
    scale: float = bounded(0.1, minimum=0, exclusiveMaximum=1)
    rotation: float = bounded(5.0, minimum=0, maximum=180)
    course_steps: int = bounded(100, minimum=1)
    course_rate: float = bounded(25.0, exclusiveMinimum=0)
    normalize: bool = True
    l2: float = bounded(1e-3, minimum=0)
    course_jitter: int = bounded(16, minimum=0)
    blur_every: int = bounded(10, minimum=1)
    blur: float = bounded(0.5, exclusiveMinimum=0)

    def __post_init__(self) -> None:
        """Refuse what is out of range."""
        require_options(self)


@dataclass(frozen=True)
class Inversion:
    """How `invert_features` finds an image that has the maps of a photo.

    Attributes
    ----------
    layers : tuple of str
        Layers whose maps are inverted, each for itself; none for all before the classifier.
    steps : int
        Tries of L-BFGS, of each layer: one that lowers nothing is tried again at half its length.
    tv_weight : float
        Weight of the total variation, the mean square of differences of neighbours, beside the
        error of the map, a share of the photo's.
    l2_weight : float
        Weight of the mean square of the image, in the network's normalised units.

    Raises
    ------
    InputError
        If a value is of another type or out of range.
    """

    layers: tuple[str, ...] = ()
    steps: int = bounded(200, minimum=1)
    tv_weight: float = bounded(0.01, minimum=0)
    l2_weight: float = bounded(0.0, minimum=0)

    def __post_init__(self) -> None:
        """Refuse what is out of range."""
        require_options(self)


@dataclass(frozen=True)
class Dream:
    """How `dream_images` gives photos more of what a layer sees in them.

    Attributes
    ----------
    layer : str
        Layer whose map is to grow; empty for the last before the classifier.
    channel : int
        Channel of it; -1 for all.
    size : int
        Pixels of the shorter side of the dream.
    octaves : int
        Sizes that are dreamed at, from small to large; 1 for the size itself alone, as in CS231n.
    octave_scale : float
        How many times as large one is as the one before.
    steps : int
        Steps at each.
    learning_rate : float
        Mean change of a step, in the network's normalised units.
    jitter : int
        Pixels by which the image is shifted at most, anew for each step.

    Raises
    ------
    InputError
        If a value is of another type or out of range, or the smallest octave is too small.
    """

    layer: str = ""
    channel: int = bounded(-1, minimum=-1)
    size: int = bounded(384, minimum=32, maximum=4096)
    octaves: int = bounded(4, minimum=1, maximum=10)
    octave_scale: float = bounded(1.4, minimum=1.1, maximum=4)
    steps: int = bounded(10, minimum=1)
    learning_rate: float = bounded(0.03, exclusiveMinimum=0)
    jitter: int = bounded(16, minimum=0)

    def __post_init__(self) -> None:
        """Refuse what is out of range, and octaves that come down to nothing."""
        require_options(self)
        if self.size / self.octave_scale ** (self.octaves - 1) < SMALLEST_OCTAVE:
            raise InputError(
                f"The smallest octave would have a side of less than {SMALLEST_OCTAVE} pixels: set"
                " fewer `octaves`, a smaller `octave_scale` or a larger `size`."
            )


@dataclass(frozen=True)
class StyleTransfer:
    """How `transfer_style` paints a photo.

    Attributes
    ----------
    size : int
        Pixels of the shorter side of the painted photo.
    style_size : int
        Pixels of the shorter side of the styles; larger ones give larger strokes.
    content_layer : str
        Layer whose map is to stay the photo's; empty for the network's usual one.
    style_layers : tuple of str
        Layers whose Gram matrices are to become the style's; none for the network's usual ones.
    content_weight : float
        Weight of the content's loss.
    style_weights : tuple of float
        Weight of each style layer's loss; a single one is that of each.
    tv_weight : float
        Weight of the total variation, which makes the painted photo smooth.
    absolute_weights : bool
        Whether weights are of plain sums, as in CS231n's third assignment; otherwise each loss is
        taken in shares of what its target has, so that weights fit any network and size.
    start : {"content", "random"}
        What the painting starts from: the photo, or random numbers from 0 to 1.
    optimizer : {"lbfgs", "adam"}
        L-BFGS within the range of colours, or Adam as the course uses it.
    steps : int
        Steps of Adam; of L-BFGS, tries: one that lowers nothing is tried again at half its length.
    learning_rate : float
        Adam's step size.
    fine_learning_rate : float
        Its step size in the last 20 steps, in which it starts anew.
    keep_colors : bool
        Whether the painted photo takes its brightness alone from the painting, and its colours
        from the photo.

    Raises
    ------
    InputError
        If a value is of another type or out of range, or there is nothing to reach.
    """

    size: int = bounded(384, minimum=32, maximum=4096)
    style_size: int = bounded(384, minimum=32, maximum=4096)
    content_layer: str = ""
    style_layers: tuple[str, ...] = ()
    content_weight: float = bounded(1.0, minimum=0)
    style_weights: tuple[float, ...] = bounded((20.0,), minimum=0)
    tv_weight: float = bounded(0.5, minimum=0)
    absolute_weights: bool = False
    start: Literal["content", "random"] = "content"
    optimizer: Literal["lbfgs", "adam"] = "lbfgs"
    steps: int = bounded(200, minimum=1)
    learning_rate: float = bounded(3.0, exclusiveMinimum=0)
    fine_learning_rate: float = bounded(0.1, exclusiveMinimum=0)
    keep_colors: bool = False

    def __post_init__(self) -> None:
        """Refuse what is out of range, and weights of nothing but smoothness."""
        require_options(self)
        if not self.content_weight and not any(self.style_weights):
            raise InputError(
                "Neither the content nor the style has a weight: set `content_weight` or"
                " `style_weights`."
            )


METHODS = {
    "classifier": SceneClassifier,
    "saliency": Saliency,
    "fooling": Fooling,
    "classes": ClassVisualization,
    "inversion": Inversion,
    "dreams": Dream,
    "style": StyleTransfer,
}
"""By the key of the configuration's `vision`, which is the name of the method's folder, too."""
