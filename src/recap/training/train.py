"""Train a captioner."""

import math
import platform
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch

import recap
from recap.captioners.folder import TrainedCaptioner, save_captioner
from recap.captioners.recipe import Recipe
from recap.captions.files import read_vocabulary
from recap.captions.words import NULL
from recap.core.checkpoint import environment
from recap.core.checks import require, require_seed
from recap.core.code_hash import code_hash
from recap.core.devices import (
    Device,
    Precision,
    choose_device,
    choose_precision,
    keep_freed_memory,
    use_threads,
)
from recap.core.errors import InputError
from recap.core.files import file_hash
from recap.core.outputs import OutputFolder
from recap.core.sole_owner import sole_owner
from recap.features.files import FEATURES, open_features, skipped_rows
from recap.training.batches import CaptionedImages, hold_out, read_captioned_images
from recap.training.epochs import run_epochs
from recap.training.self_critical import train_self_critically
from recap.training.state import TrainingState, resume, save_state, write_history
from recap.training.tensorboard import open_events
from recap.training.trainer import Trainer, make_trainer

HISTORY = "history.csv"
EVENTS = "tensorboard"
CHECKPOINT = "checkpoint.safetensors"
NOTABLE_RISE = 1.01
MEGABYTE = 10**6
FEW_CAPTIONS = 50  # to choose an epoch on
MEETS_FEATURES = {"W_proj", "W_query", "W_context", "visual_projection.weight"}


def train_captioner(
    features: Path,
    captions: Path,
    vocabulary: Path,
    *,
    output: OutputFolder,
    recipe: Recipe | None = None,
    seed: int = 0,
    dev_features: Path | None = None,
    dev_captions: Path | None = None,
    dev_share: float = 0.02,
    dataset: str = "",
    feature_memory: int = 10_000,
    device: Device = "auto",
    precision: Precision = "auto",
    threads: int | None = None,
) -> None:
    """Train a captioner and keep its best epoch by the validation loss.

    The validation loss is taken on the dev split if there is one, and else on a share of the
    training images, drawn by seed and left out of training; never on the split that is scored.
    A training that was interrupted goes on from its last checkpoint, and ends in the same bytes. So
    that this holds, one that is started again with other inputs or settings, other versions of
    PyTorch or NumPy, or another number of threads, says so and starts anew: sums are then rounded
    otherwise, and going on would end in bytes that no undisturbed training gives.
    While another process trains into the same folder, it is waited for.

    Parameters
    ----------
    features : Path
        HDF5 file with the training images' features.
    captions : Path
        HDF5 file with `train_captions` and `train_image_idxs`.
    vocabulary : Path
        The vocabulary that the captions are written in.
    output : Path
        Folder to write `model.safetensors`, `config.json` and `history.csv` to; and the same
        history as events in `tensorboard`, if that package is installed.
    recipe : Recipe, optional
        Architecture and training: options such as `--recipe.hidden-dim 256`, or JSON.
    seed : int
        Seed of the initial weights, the order of the captions, dropout and the dev share.
    dev_features : Path, optional
        HDF5 file with the features of a dev split's images.
    dev_captions : Path, optional
        HDF5 file with `dev_captions` and `dev_image_idxs`.
    dev_share : float
        Share of the training images to validate on where there is no dev split.
    dataset : str
        Name of the data set, such as `shapes`, which the captioner's `config.json` then tells.
    feature_memory : int
        Megabytes of features to hold in memory. Of more, parts are read from the file, which the
        seed draws anew each epoch; other sizes then give other bytes.
    device : {"auto", "cpu", "cuda", "mps"}
        Where to compute.
    precision : {"auto", "float32", "bfloat16"}
        Number format of the matrix products; weights are kept in float32. `auto` takes bfloat16
        where the device has units for it.
    threads : int, optional
        Threads to use; all by default.

    Raises
    ------
    InputError
        If a number is out of range, a file is missing, damaged, or belongs to another study, or
        the loss is no longer finite.
    """
    recipe = recipe or Recipe()
    require_seed(seed)
    require(feature_memory >= 1, "feature_memory", "at least 1", feature_memory)
    require(0 < dev_share < 1, "dev_share", "more than 0 and less than 1", dev_share)
    if (dev_features is None) != (dev_captions is None):
        raise InputError("A dev split needs both its features and its captions: give the other.")
    threads = use_threads(threads)
    keep_freed_memory()
    files = {
        "features": features,
        "captions": captions,
        "vocabulary": vocabulary,
        "dev features": dev_features,
        "dev captions": dev_captions,
    }
    idx_to_word = read_vocabulary(vocabulary)
    generator = np.random.default_rng(seed)
    train, dev, validation = _read_splits(
        files, len(idx_to_word), dev_share, generator, feature_memory * MEGABYTE
    )
    warnings = _check_splits(train, dev, recipe, features)
    _scale(train, dev, features)

    place = choose_device(device)
    number_format = choose_precision(place, precision)
    region_dim = train.features.shape[1] // train.regions
    trainer = make_trainer(recipe, region_dim, idx_to_word, seed, place, number_format)
    identity = _identity(files, recipe, seed, dev_share, place, number_format, threads)
    identity |= {"feature memory": feature_memory}
    with sole_owner(output / CHECKPOINT) as awaited:
        state = TrainingState(order=generator.bit_generator.state)
        state = resume(output / CHECKPOINT, identity, trainer) or state
        _run(trainer, recipe, train, dev, idx_to_word, state, output, identity)
        facts = {"seed": seed, "dataset": dataset, "validation": validation, "warnings": warnings}
        _save(output, recipe, idx_to_word, train, state, number_format, facts)
        if not awaited():
            (output / CHECKPOINT).unlink(missing_ok=True)
    print(f"kept epoch: {state.best_epoch} of {state.epoch}, validation loss {state.best_loss:.3f}")


def _read_splits(
    files: dict[str, Path | None],
    vocabulary_size: int,
    dev_share: float,
    generator: np.random.Generator,
    most_bytes: int,
) -> tuple[CaptionedImages, CaptionedImages, str]:
    """Return what is trained on, what is validated on, and what the latter is in words."""
    train = read_captioned_images(
        files["features"], files["captions"], "train", vocabulary_size, most_bytes
    )
    if files["dev features"]:
        dev = read_captioned_images(
            files["dev features"], files["dev captions"], "dev", vocabulary_size, most_bytes
        )
        return train, dev.in_memory(), f"the dev split: {len(dev)} captions"
    images = len(np.unique(train.image_idxs))
    train, dev = hold_out(train, dev_share, generator)
    share = f"{len(np.unique(dev.image_idxs)):,} of the {images:,} training images, drawn by seed"
    return train, dev.in_memory(), f"{share}: {len(dev)} captions"


def _check_splits(
    train: CaptionedImages, dev: CaptionedImages, recipe: Recipe, features: Path
) -> list[str]:
    """Refuse features that the recipe cannot be trained on; print and return what to warn of."""
    warnings = []
    if len(dev) < FEW_CAPTIONS:
        warnings.append(
            f"the epoch to keep is chosen on {len(dev)} captions, hardly better than by chance:"
            " raise `dev_share`, or give a dev split"
        )
    with open_features(features) as file:
        skipped, images = len(skipped_rows(file[FEATURES])), len(file[FEATURES])
    if skipped:
        warnings.append(
            f"{skipped:,} of the {images:,} training images could not be read and were left out;"
            " the log of extract_features names them"
        )
    for warning in warnings:
        print(f"warning: {warning}")
    try:
        recipe.require_regions(train.regions)
    except InputError as error:
        raise InputError(f"{features}: {error}") from None
    return warnings


def _scale(train: CaptionedImages, dev: CaptionedImages, features: Path) -> None:
    """Have features read at scale 1: Adam's steps are of one size, whatever the scale is."""
    size = train.feature_size()
    if not 0 < size < math.inf:
        raise InputError(f"The features in {features} are all zero or not finite: make them again.")
    train.scale = dev.scale = 1 / size


def _identity(
    files: dict[str, Path | None],
    recipe: Recipe,
    seed: int,
    dev_share: float,
    place: torch.device,
    number_format: torch.dtype,
    threads: int,
) -> dict:
    """Return what the training depends on; its checkpoints are of no use to any other."""
    return {
        **{name: path and file_hash(path) for name, path in files.items()},
        "recipe": asdict(recipe),
        "seed": seed,
        "dev share": dev_share,
        "device": place.type,
        "precision": str(number_format),
        "code": code_hash("recap.training.train"),
        **environment(threads),
    }


def _run(
    trainer: Trainer,
    recipe: Recipe,
    train: CaptionedImages,
    dev: CaptionedImages,
    idx_to_word: list[str],
    state: TrainingState,
    output: Path,
    identity: dict,
) -> None:
    """Train from a state to the end; the history and a checkpoint are written meanwhile."""
    write_events = open_events(output / EVENTS)

    def save_history() -> None:
        write_history(output / HISTORY, state.history)
        write_events(state.history)

    def save() -> None:
        save_history()
        save_state(output / CHECKPOINT, identity, trainer, state)

    run_epochs(trainer, recipe, train, dev, idx_to_word.index(NULL), state, save)
    last_loss = state.history[-1].validation_loss
    if state.rewarded_from is None and last_loss > NOTABLE_RISE * state.best_loss:
        print(
            f"warning: after epoch {state.best_epoch} the validation loss rose to"
            f" {last_loss:.3f}: the captioner overfits; more `dropout` or `weight_decay`, or fewer"
            " `epochs`, may help"
        )
    if recipe.self_critical_epochs:
        train_self_critically(trainer, recipe, train, dev, idx_to_word, state, save)
    save_history()


def _save(
    output: Path,
    recipe: Recipe,
    idx_to_word: list[str],
    train: CaptionedImages,
    state: TrainingState,
    number_format: torch.dtype,
    facts: dict,
) -> None:
    """Write the captioner of the best epoch, for features as they lie in the file."""
    parameters = {
        # Where features are met, the weights take over the scale.
        name: value * np.float32(train.scale) if name in MEETS_FEATURES else value
        for name, value in state.best_parameters.items()
    }
    facts = {
        **facts,
        "best_epoch": state.best_epoch,
        "best_validation_loss": state.best_loss,
        "precision": str(number_format).removeprefix("torch."),
        "regions": train.regions,
        "versions": {
            "python": platform.python_version(),
            "torch": torch.__version__,
            "numpy": np.__version__,
            "recap": recap.__version__,
        },
    }
    save_captioner(output, TrainedCaptioner(recipe, idx_to_word, parameters, facts))
