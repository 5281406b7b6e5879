"""A trained captioner's folder: `model.safetensors` and `config.json`."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.numpy
from safetensors import SafetensorError

from recap.captioners.recipe import GATES, Recipe
from recap.captions.words import SPECIAL_WORDS
from recap.core.checks import require
from recap.core.errors import InputError
from recap.core.files import atomic_path
from recap.core.json_files import read_json, write_json

MODEL = "model.safetensors"
CONFIG = "config.json"

# As it was trained, and as it was exported.
FORMATS = {np.dtype(np.float32), np.dtype(np.float16)}


@dataclass
class TrainedCaptioner:
    """A captioner as it lies in its folder.

    Attributes
    ----------
    recipe : Recipe
        Architecture and training.
    idx_to_word : list of str
        The vocabulary that its word numbers belong to.
    parameters : dict of arrays, float32
        Under CS231n's names and layouts, for features as they are in the feature file.
    facts : dict
        What else is told of its training: seed, best epoch, validation, versions.
    """

    recipe: Recipe
    idx_to_word: list[str]
    parameters: dict[str, np.ndarray]
    facts: dict = field(default_factory=dict)

    @property
    def feature_dim(self) -> int:
        """Numbers an image, of all its regions."""
        return self.region_dim * self.facts.get("regions", 1)

    @property
    def region_dim(self) -> int:
        """Numbers a region, or an image where its features are of no regions."""
        if self.recipe.architecture == "transformer":
            return self.parameters["visual_projection.weight"].shape[1]
        return len(self.parameters["W_proj"])


def save_captioner(folder: Path, captioner: TrainedCaptioner) -> None:
    """Write a captioner to its folder; `model.safetensors` comes last.

    Parameters
    ----------
    folder : Path
        Folder to write to.
    captioner : TrainedCaptioner
        What to write.
    """
    config = {
        "architecture": captioner.recipe.architecture,
        "recipe": captioner.recipe.settings(),
        "feature_dim": captioner.feature_dim,
        **captioner.facts,
        "idx_to_word": captioner.idx_to_word,
    }
    # A captioner that is replaced must never be half the old one: without its model it is none.
    (folder / MODEL).unlink(missing_ok=True)
    write_json(folder / CONFIG, config, record_digest=True, indent=1)
    with atomic_path(folder / MODEL, record_digest=True) as scratch:
        # Python does the writing: it tells what is wrong with a disk as an OSError.
        scratch.write_bytes(safetensors.numpy.save(captioner.parameters))


def load_captioner(folder: Path) -> TrainedCaptioner:
    """Read a captioner from its folder.

    Parameters
    ----------
    folder : Path
        What `recap train-captioner` wrote, such as `results/shapes/models/lstm/seed0`, or
        `recap export-captioner`.

    Raises
    ------
    InputError
        If a file is missing or damaged, or the two do not belong together.
    """
    if not (folder / CONFIG).exists():
        raise InputError(
            f"{folder} holds no trained captioner ({CONFIG} is missing): give a folder such as"
            " results/shapes/models/lstm/seed0."
        )
    config = read_config(folder / CONFIG)
    recipe, idx_to_word = Recipe(**config.pop("recipe")), config.pop("idx_to_word")
    try:
        parameters = safetensors.numpy.load_file(folder / MODEL)
    # Number formats that NumPy lacks make its reader fail with a TypeError or an AttributeError.
    except (SafetensorError, OSError, TypeError, AttributeError) as error:
        raise InputError(
            f"{folder / MODEL} cannot be read ({error}): train the captioner again."
        ) from None
    region_dim = config["feature_dim"] // config.get("regions", 1)
    expected = expected_shapes(recipe, region_dim, len(idx_to_word))
    shapes = {name: value.shape for name, value in parameters.items()}
    if shapes != expected or not {value.dtype for value in parameters.values()} <= FORMATS:
        raise InputError(
            f"{folder / MODEL} does not fit {CONFIG} beside it: train the captioner again."
        )
    for name, value in parameters.items():
        if not np.isfinite(value).all():
            raise InputError(
                f"{folder / MODEL} has numbers that are not finite ({name}): train the captioner"
                " again."
            )
    parameters = {name: value.astype(np.float32, copy=False) for name, value in parameters.items()}
    return TrainedCaptioner(recipe, idx_to_word, parameters, config)


def read_config(path: Path) -> dict[str, Any]:
    """Read what a captioner's `config.json` says.

    Parameters
    ----------
    path : Path
        JSON file.

    Returns
    -------
    dict
        With `recipe`, options of `Recipe`; `idx_to_word`, a vocabulary of captions; `feature_dim`,
        and what else was told of the training.

    Raises
    ------
    InputError
        If the file is missing or damaged, or says what no captioner could have.
    """
    config = read_json(path)
    try:
        recipe = config["recipe"]
        if isinstance(recipe, dict) and "cell" in recipe:  # what older versions call it
            recipe["architecture"] = recipe.pop("cell")
        Recipe(**recipe)
        _check_facts(config)
    except InputError as error:
        reason = str(error).rstrip(".")
    except KeyError as error:
        reason = f"it lacks {error}"
    except TypeError as error:
        reason = str(error)
    else:
        return config
    raise InputError(f"{path} does not describe a captioner ({reason}): train it again.")


def _check_facts(config: dict[str, Any]) -> None:
    """Refuse what a captioner could not have; a missing key is a KeyError."""
    words = config["idx_to_word"]
    if (
        not isinstance(words, list)
        or not all(isinstance(word, str) for word in words)
        or len(set(words)) < len(words)
        or not set(SPECIAL_WORDS) <= set(words)
    ):
        raise InputError(
            f"`idx_to_word` must be a list of different words, {', '.join(SPECIAL_WORDS)} among"
            " them"
        )
    for key in ("feature_dim", "regions", "best_epoch"):
        if key == "feature_dim" or key in config:
            value = config[key]
            require(type(value) is int and value >= 1, key, "a whole number from 1 up", value)
    numbers, regions = config["feature_dim"], config.get("regions", 1)
    require(numbers % regions == 0, "feature_dim", f"a multiple of {regions} regions", numbers)
    versions = config.get("versions", {})
    require(isinstance(versions, dict), "versions", "a mapping", versions)


def expected_shapes(
    recipe: Recipe, feature_dim: int, vocabulary_size: int
) -> dict[str, tuple[int, ...]]:
    """Return the shapes of a captioner's parameters by CS231n's names.

    Parameters
    ----------
    recipe : Recipe
        Architecture and sizes.
    feature_dim, vocabulary_size : int
        Numbers an image, or a region of it, and words.
    """
    if recipe.architecture == "transformer":
        return _transformer_shapes(recipe, feature_dim, vocabulary_size)
    hidden, gates = recipe.hidden_dim, GATES[recipe.architecture] * recipe.hidden_dim
    attention = {"W_query": (hidden, feature_dim), "W_context": (feature_dim, hidden)}
    return {
        "W_embed": (vocabulary_size, recipe.wordvec_dim),
        "W_proj": (feature_dim, hidden),
        "b_proj": (hidden,),
        "Wx": (recipe.wordvec_dim, gates),
        "Wh": (hidden, gates),
        "b": (gates,),
        "W_vocab": (hidden, vocabulary_size),
        "b_vocab": (vocabulary_size,),
        **(attention if recipe.attention else {}),
    }


def _transformer_shapes(
    recipe: Recipe, feature_dim: int, vocabulary_size: int
) -> dict[str, tuple[int, ...]]:
    """Return `expected_shapes` of a Transformer."""
    width, hidden = recipe.wordvec_dim, recipe.hidden_dim
    linear = {"visual_projection": (width, feature_dim), "output": (vocabulary_size, width)}
    norms = []
    for number in range(recipe.layers):
        layer = f"transformer.layers.{number}"
        for attention in ("self_attn", "multihead_attn"):
            for part in ("key", "query", "value", "proj"):
                linear[f"{layer}.{attention}.{part}"] = (width, width)
        linear |= {f"{layer}.linear1": (hidden, width), f"{layer}.linear2": (width, hidden)}
        norms += [f"{layer}.norm{which}" for which in (1, 2, 3)]
    shapes = {"embedding.weight": (vocabulary_size, width)}
    for name, shape in (linear | dict.fromkeys(norms, (width,))).items():
        shapes |= {f"{name}.weight": shape, f"{name}.bias": shape[:1]}
    return shapes
