"""Change images a little, until a network takes them for another class."""

from typing import Literal

import torch

from recap.vision.networks import Classifier
from recap.vision.settings import Fooling

Recipe = Literal["margin", "course"]


def fool(
    classifier: Classifier,
    images: torch.Tensor,
    targets: torch.Tensor,
    settings: Fooling,
    recipe: Recipe = "margin",
) -> tuple[torch.Tensor, torch.Tensor]:
    """Ascend until the target's score is the highest, each image for itself.

    `course` is CS231n's: it ascends the target's score and looks at images as they are. Most of
    what it makes is a hair beyond the border, and a third falls back once it is rounded to pixels.
    `margin` ascends the difference to the best other score, unless a picture may show several
    classes; it stays in the range of pixels, and looks at them rounded.

    Parameters
    ----------
    classifier : Classifier
        Network.
    images : tensor of shape (N, 3, height, width)
        Preprocessed. They stay as they are.
    targets : tensor of shape (N,), int64
        Classes to be taken for.
    settings : Fooling
        Length and number of steps, margin.
    recipe : {"margin", "course"}
        How.

    Returns
    -------
    tuple of (tensor of shape (N, 3, height, width), tensor of shape (N,), int64)
        The images, and how many steps each was taken.
    """
    fooled = images.detach().clone()
    steps = torch.zeros_like(targets)
    rows = torch.arange(len(images), device=images.device)
    for _ in range(settings.steps):
        # Rounding has no gradient: that at the rounded image serves.
        seen = rounded(classifier, fooled[rows]) if recipe == "margin" else fooled[rows]
        seen.requires_grad_()
        own, ahead = lead(classifier, seen, targets[rows])
        # Of classes that a picture may show together, the others need not become less.
        climbed = ahead if recipe == "margin" and not classifier.several else own
        (gradients,) = torch.autograd.grad(climbed.sum(), seen)
        to_do = ahead <= (settings.margin if recipe == "margin" else 0)
        rows, gradients = rows[to_do], gradients[to_do]
        if not len(rows):
            break
        # A score that is cut off at 0 has no gradient, and no way to go.
        lengths = gradients.flatten(1).norm(dim=1).clamp(min=1e-12).view(-1, 1, 1, 1)
        fooled[rows] += settings.learning_rate * gradients / lengths
        if recipe == "margin":
            fooled[rows] = classifier.clamp(fooled[rows])
        steps[rows] += 1
    return fooled, steps


def lead(
    classifier: Classifier, images: torch.Tensor, targets: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the targets' scores, and how far they are above the best others, (N,) each."""
    scores = classifier.scores(images)
    own = scores.gather(1, targets[:, None])
    others = scores.scatter(1, targets[:, None], -torch.inf)
    return own[:, 0], own[:, 0] - others.amax(1)


def rounded(classifier: Classifier, images: torch.Tensor) -> torch.Tensor:
    """Return images as they are once they have been written with 8 bits."""
    return classifier.preprocessing.preprocess(classifier.preprocessing.deprocess(images))
