"""What style transfer minimises, and the ways down."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import torch

from recap.backbones.network import Network
from recap.core.checks import require
from recap.vision.lbfgs import descend_lbfgs
from recap.vision.networks import Classifier
from recap.vision.settings import StyleTransfer
from recap.vision.style_losses import Gradient, content_loss, gram_matrix, style_loss, tv_loss

# Layers of the content and of the style, by network: those of Gatys et al. for VGG-16. The others
# have SqueezeNet's layers, and those of CS231n's third assignment.
VGG16_LAYERS = ("conv4_2", ("conv1_1", "conv2_1", "conv3_1", "conv4_1", "conv5_1"))
SQUEEZENET_LAYERS = ("fire2", ("conv1", "fire3", "fire4", "fire5"))
SCENE_LAYERS = ("conv3", ("conv1", "conv2", "conv3", "conv4"))

# The course's schedule: Adam's last steps at the low rate, those of them in which the image is no
# longer clamped, and where to.
FINE_STEPS, FREE_STEPS, CLAMP = 20, 10, 1.5


@dataclass(frozen=True)
class StyleObjective:
    """The losses of an image: content, style and total variation.

    Attributes
    ----------
    network : Network
        What gives the maps.
    content : dict of str to (tensor of shape (1, channels, height, width), float)
        By layer, the content's map and its weight.
    styles : dict of str to (tensor of shape (channels, channels), float)
        By layer, the style's Gram matrix and its weight.
    tv_weight : float
        Weight of the total variation.
    """

    network: Network
    content: dict[str, tuple[torch.Tensor, float]]
    styles: dict[str, tuple[torch.Tensor, float]]
    tv_weight: float

    def __call__(self, image: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the losses of an image, and the gradient of their sum.

        Parameters
        ----------
        image : tensor of shape (1, 3, height, width)
            Preprocessed.

        Returns
        -------
        tuple of (tensor of shape (3,), tensor of shape (1, 3, height, width))
            Losses of content, style and total variation.
        """
        image = image.detach().requires_grad_()
        maps = self.network.maps(image, {*self.content, *self.styles})
        losses = image.new_zeros(3)
        with torch.no_grad():
            losses[2], smooth = tv_loss(image, self.tv_weight)
            for layer, features in maps.items():
                gradients = []
                kinds = ((content_loss, self.content), (style_loss, self.styles))
                for kind, (compute, targets) in enumerate(kinds):
                    if layer in targets:
                        loss, gradient = compute(features.detach(), *targets[layer])
                        losses[kind] += loss
                        gradients.append(gradient)
                # They are added on the way back, when what follows the layer is done with.
                features.register_hook(partial(_add, gradients))
        # All others are freed as soon as the way back has passed them.
        del maps
        (gradient,) = torch.autograd.grad(features, image, torch.zeros_like(features))
        return losses, gradient.add_(smooth)


def _add(gradients: list[Gradient], gradient: torch.Tensor) -> torch.Tensor:
    """Return the sum of a gradient and those that functions give, which are let go."""
    while gradients:
        gradient = gradients.pop()().add_(gradient)
    return gradient


def make_objective(
    classifier: Classifier,
    content: torch.Tensor,
    styles: Sequence[torch.Tensor],
    shares: Sequence[float],
    settings: StyleTransfer,
) -> StyleObjective:
    """Return what an image must minimise to look like the content, painted in the styles.

    Parameters
    ----------
    classifier : Classifier
        Its network gives the maps.
    content : tensor of shape (1, 3, height, width)
        Preprocessed, as large as the image will be.
    styles : sequence of tensor of shape (1, 3, height, width)
        Preprocessed, of any size.
    shares : sequence of float
        Of each style, with the sum 1: their Gram matrices are averaged. The distance to the mean
        is, but for a constant, the mean of the distances.
    settings : StyleTransfer
        Layers and weights.

    Raises
    ------
    InputError
        If the network has no such layer, or there are not as many weights as layers.
    """
    content_layer, style_layers = choose_layers(classifier, settings)
    weights = [*settings.style_weights] * (
        len(style_layers) if len(settings.style_weights) == 1 else 1
    )
    many = len(style_layers)
    require(len(weights) == many, "style_weights", f"one number, or {many}", weights)
    network = classifier.network
    targets, grams = {}, {}
    with torch.no_grad():
        if settings.content_weight:
            target = network.maps(content, [content_layer])[content_layer]
            size = 1 if settings.absolute_weights else target.square().sum()
            targets[content_layer] = (target, float(settings.content_weight / size))
        weighted = {
            layer: weight for layer, weight in zip(style_layers, weights, strict=True) if weight
        }
        for share, style in zip(shares, styles, strict=True) if weighted else ():
            for layer, features in network.maps(style, weighted).items():
                grams[layer] = grams.get(layer, 0) + share * gram_matrix(features)
        for layer, gram in grams.items():
            size = 1 if settings.absolute_weights else gram.square().sum()
            grams[layer] = (gram, float(weighted[layer] / size))
    tv_weight = settings.tv_weight / (1 if settings.absolute_weights else content.numel())
    return StyleObjective(network, targets, grams, tv_weight)


def choose_layers(classifier: Classifier, settings: StyleTransfer) -> tuple[str, tuple[str, ...]]:
    """Return the layers of the content and of the style.

    Parameters
    ----------
    classifier : Classifier
        Network.
    settings : StyleTransfer
        The layers that are chosen, if any.

    Raises
    ------
    InputError
        If the network has no such layer.
    """
    others = {"vgg16": VGG16_LAYERS, "scenes": SCENE_LAYERS}
    content, styles = others.get(classifier.attributes.get("backbone"), SQUEEZENET_LAYERS)
    content = settings.content_layer or content
    styles = tuple(settings.style_layers) or styles
    for layer in (content, *styles):
        classifier.require_layer(layer, classifier.feature_layers)
    return content, styles


def descend(
    objective: StyleObjective,
    start: torch.Tensor,
    settings: StyleTransfer,
    clamp: Callable[[torch.Tensor], torch.Tensor],
    each: Callable[[torch.Tensor], None],
) -> tuple[torch.Tensor, list[float]]:
    """Change an image step by step, so that its losses fall.

    Parameters
    ----------
    objective : StyleObjective
        What gives the losses.
    start : tensor of shape (1, 3, height, width)
        Left as it is.
    settings : StyleTransfer
        How.
    clamp : callable
        Returns the nearest image within the range of colours, which L-BFGS keeps to.
    each : callable
        Called with the image before each step.

    Returns
    -------
    tuple of (tensor of shape (1, 3, height, width), list of float)
        The image, and the sum of the losses before each step.
    """
    if settings.optimizer == "adam":
        return descend_adam(objective, start, settings, each)
    return descend_lbfgs(objective, start, clamp, settings.steps, each)


def descend_adam(
    objective: StyleObjective,
    start: torch.Tensor,
    settings: StyleTransfer,
    each: Callable[[torch.Tensor], None],
) -> tuple[torch.Tensor, list[float]]:
    """Change an image by the course's schedule of Adam; parameters as of `descend`."""
    image = start.clone(memory_format=torch.channels_last)
    sums = []
    for step in range(settings.steps):
        left = settings.steps - step
        if step == 0:
            optimizer = torch.optim.Adam([image], settings.learning_rate, fused=True)
        elif left == FINE_STEPS:
            optimizer = torch.optim.Adam([image], settings.fine_learning_rate, fused=True)
        if left > FREE_STEPS:
            image.clamp_(-CLAMP, CLAMP)
        each(image)
        losses, gradient = objective(image)
        # The fused optimizer takes numbers as they lie in memory.
        image.grad = gradient.contiguous(memory_format=torch.channels_last)
        optimizer.step()
        sums.append(float(losses.sum()))
    image.grad = None
    return image, sums
