"""The architectures of captioners in PyTorch."""

import torch

from recap.captioners.recipe import Recipe
from recap.captioners.torch import Captioner
from recap.captioners.transformer import TransformerCaptioner


def make_captioner(
    recipe: Recipe,
    feature_dim: int,
    vocabulary_size: int,
    null: int,
    precision: torch.dtype | None = None,
) -> Captioner | TransformerCaptioner:
    """Make the captioner of a recipe, with initial weights from PyTorch's generator.

    Parameters
    ----------
    recipe, feature_dim, vocabulary_size, null, precision
        As of `recap.captioners.torch.Captioner`.
    """
    kind = TransformerCaptioner if recipe.architecture == "transformer" else Captioner
    return kind(recipe, feature_dim, vocabulary_size, null, precision)
