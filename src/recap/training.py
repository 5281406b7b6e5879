"""Train a captioner."""

import math
import platform
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
from tqdm import tqdm

import recap
from recap.captioned_images import (
    CaptionedImages,
    draw_batches,
    hold_out,
    read_captioned_images,
)
from recap.captioners.folder import TrainedCaptioner, save_captioner
from recap.captioners.recipe import Recipe
from recap.captioners.trainers import Trainer, make_trainer
from recap.code_hash import code_hash
from recap.devices import (
    Device,
    Precision,
    choose_device,
    choose_precision,
    keep_freed_memory,
    use_threads,
)
from recap.errors import InputError
from recap.files import file_hash
from recap.progress import progress
from recap.training_state import (
    HistoryRow,
    TrainingState,
    resume,
    write_checkpoint,
    write_history,
)
from recap.vocabulary import NULL, read_vocabulary

HISTORY = "history.csv"
CHECKPOINT = "checkpoint.safetensors"
CHECKPOINT_SECONDS = 30
ROWS_AN_EPOCH = 20
WARM_UP = 0.2  # share of the steps in which the one-cycle schedule rises
VALIDATION_BATCH = 512
NOTABLE_RISE = 1.01


def train_captioner(
    features: Path,
    captions: Path,
    vocabulary: Path,
    *,
    output: Path,
    recipe: Recipe | None = None,
    seed: int = 0,
    dev_features: Path | None = None,
    dev_captions: Path | None = None,
    dev_share: float = 0.02,
    device: Device = "auto",
    precision: Precision = "auto",
    threads: int | None = None,
) -> None:
    """Train a captioner and keep its best epoch by the validation loss.

    The validation loss is taken on the dev split if there is one, and else on a share of the
    training images, drawn by seed and left out of training; never on the split that is scored.
    A training that was interrupted goes on from its last checkpoint, and ends in the same bytes.

    Parameters
    ----------
    features : Path
        HDF5 file with the training images' features.
    captions : Path
        HDF5 file with `train_captions` and `train_image_idxs`.
    vocabulary : Path
        The vocabulary that the captions are written in.
    output : Path
        Folder to write `model.safetensors`, `config.json` and `history.csv` to.
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
        If a file is missing, damaged, or belongs to another study, or if the loss is no longer
        finite.
    """
    recipe = recipe or Recipe()
    if (dev_features is None) != (dev_captions is None):
        raise InputError("A dev split needs both its features and its captions: give the other.")
    use_threads(threads)
    keep_freed_memory()
    idx_to_word = read_vocabulary(vocabulary)
    generator = np.random.default_rng(seed)
    train = read_captioned_images(features, captions, "train", len(idx_to_word))
    if dev_features and dev_captions:
        dev = read_captioned_images(dev_features, dev_captions, "dev", len(idx_to_word))
        validation = f"the dev split: {len(dev)} captions"
    else:
        train, dev = hold_out(train, dev_share, generator)
        validation = f"{dev_share:.0%} of the training images, drawn by seed: {len(dev)} captions"

    if recipe.attention and train.regions == 1:
        raise InputError(
            f"Attention needs features of regions, but those in {features} are of whole images: set"
            " `layer` to fire9_grid or conv5_3_grid, or `attention: false`."
        )
    if recipe.backend == "numpy" and train.regions > 1:
        raise InputError(
            f"The captioner in NumPy needs features of whole images, but those in {features} are of"
            f" {train.regions} regions: set another `layer`, or `backend: torch`."
        )

    # Adam's steps have the size of the learning rate whatever the features' scale, so they are
    # trained on at scale 1; the scale then goes into the weights that the features meet.
    used = train.features[np.unique(train.image_idxs)]
    size = np.sqrt(np.mean(np.square(used), dtype=np.float64))
    if not 0 < size < math.inf:
        raise InputError(f"The features in {features} are all zero or not finite: make them again.")
    scale = 1 / size
    for part in (train, dev):
        part.features = part.features * np.float32(scale)

    place = choose_device(device)
    number_format = choose_precision(place, precision)
    region_dim = train.features.shape[1] // train.regions
    trainer = make_trainer(recipe, region_dim, idx_to_word, seed, place, number_format)
    files = {
        "features": features,
        "captions": captions,
        "vocabulary": vocabulary,
        "dev features": dev_features,
        "dev captions": dev_captions,
    }
    training = {
        **{name: path and file_hash(path) for name, path in files.items()},
        "recipe": asdict(recipe),
        "seed": seed,
        "dev share": dev_share,
        "device": place.type,
        "precision": str(number_format),
        "code": code_hash("recap.training"),
    }
    output.mkdir(parents=True, exist_ok=True)
    checkpoint = output / CHECKPOINT
    state = resume(checkpoint, training, trainer) or TrainingState(
        order=generator.bit_generator.state
    )

    def save() -> None:
        write_history(output / HISTORY, state.history)
        write_checkpoint(checkpoint, training, trainer, state)

    run_epochs(trainer, recipe, train, dev, idx_to_word.index(NULL), state, save)

    for name in {"W_proj", "W_query", "W_context"} & state.best_parameters.keys():
        state.best_parameters[name] *= np.float32(scale)
    facts = {
        "seed": seed,
        "validation": validation,
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
    write_history(output / HISTORY, state.history)
    save_captioner(output, TrainedCaptioner(recipe, idx_to_word, state.best_parameters, facts))
    checkpoint.unlink(missing_ok=True)
    print(f"best epoch: {state.best_epoch} of {state.epoch}, validation loss {state.best_loss:.3f}")
    last_loss = state.history[-1].validation_loss
    if last_loss > NOTABLE_RISE * state.best_loss:
        print(
            f"warning: the validation loss then rose to {last_loss:.3f}: the captioner learns its"
            " captions by heart; more `dropout` or `weight_decay`, or fewer `epochs`, may help"
        )


def run_epochs(
    trainer: Trainer,
    recipe: Recipe,
    train: CaptionedImages,
    dev: CaptionedImages,
    null: int,
    state: TrainingState,
    save: Callable[[], None],
) -> None:
    """Train for the recipe's epochs, or until its patience is at an end.

    Parameters
    ----------
    trainer : Trainer
        Takes the steps.
    recipe : Recipe
        Epochs, batch size, schedule and patience.
    train, dev : CaptionedImages
        What is learnt from, and what the validation loss is taken on.
    null : int
        The number of `<NULL>`.
    state : TrainingState
        Where to begin; it is kept up to date.
    save : callable
        Called now and then between two steps, to keep the trainer's state and the state.

    Raises
    ------
    InputError
        If the loss is no longer finite.
    """
    generator = np.random.default_rng()
    total = len(train) * recipe.epochs
    done = min(state.step * recipe.batch_size, total)
    saved = time.monotonic()

    def save_now_and_then() -> None:
        nonlocal saved
        if time.monotonic() - saved > CHECKPOINT_SECONDS:
            save()
            saved = time.monotonic()

    with progress(desc=recipe.cell, total=total, initial=done, unit="caption") as bar:
        while state.epoch < recipe.epochs:
            generator.bit_generator.state = state.order
            batches = draw_batches(train, recipe.batch_size, null, generator)
            take_steps(trainer, recipe, train, batches, null, state, bar, save_now_and_then)
            row = state.history[-1]
            row.validation_loss = validate(trainer, dev, null)
            check_finite(row.validation_loss, "validation loss", row.step, row.learning_rate)
            bar.set_postfix(epoch=row.epoch, loss=row.loss, validation=row.validation_loss)
            state.epoch, state.batches = state.epoch + 1, 0
            state.order = generator.bit_generator.state
            if row.validation_loss < state.best_loss:
                state.best_loss, state.best_epoch = row.validation_loss, state.epoch
                state.best_parameters = trainer.parameters()
            elif recipe.patience and state.epoch - state.best_epoch >= recipe.patience:
                print(f"no better validation loss for {recipe.patience} epochs: training ends")
                break
            save()


def take_steps(
    trainer: Trainer,
    recipe: Recipe,
    train: CaptionedImages,
    batches: list[np.ndarray],
    null: int,
    state: TrainingState,
    bar: tqdm,
    between: Callable[[], None],
) -> None:
    """Take the steps of an epoch that are still to be taken.

    Parameters
    ----------
    trainer : Trainer
        Takes the steps.
    recipe : Recipe
        Epochs and schedule.
    train : CaptionedImages
        What is learnt from.
    batches : list of arrays of int
        All minibatches of the epoch.
    null : int
        The number of `<NULL>`.
    state : TrainingState
        Kept up to date; its history grows by about twenty rows.
    bar : tqdm
        Shows the progress.
    between : callable
        Called after each step but the last.

    Raises
    ------
    InputError
        If the loss is no longer finite.
    """
    steps = len(batches) * recipe.epochs
    every = max(1, len(batches) // ROWS_AN_EPOCH)
    seen, since = 0, time.perf_counter()
    for wanted in batches[state.batches :]:
        rate = learning_rate(recipe, state.step, steps)
        loss = trainer.step(*train.batch(wanted, null), rate)
        state.step += 1
        state.batches += 1
        check_finite(loss, "loss", state.step, rate)
        state.losses.append(loss)
        seen += len(wanted)
        bar.update(len(wanted))
        last = state.batches == len(batches)
        if last or state.step % every == 0:
            speed = seen / (time.perf_counter() - since)
            mean = float(np.mean(state.losses))
            row = HistoryRow(state.step, state.epoch + 1, mean, rate, speed)
            bar.set_postfix(epoch=row.epoch, loss=mean)
            state.history.append(row)
            state.losses = []
            seen, since = 0, time.perf_counter()
        if not last:
            between()


def check_finite(loss: float, name: str, step: int, rate: float) -> None:
    """Stop training whose loss has left the numbers.

    Parameters
    ----------
    loss : float
        Of the step.
    name : str
        What to call it.
    step : int
        Steps taken.
    rate : float
        Learning rate of the step.

    Raises
    ------
    InputError
        If the loss is infinite or not a number.
    """
    if not math.isfinite(loss):
        raise InputError(
            f"The {name} is {loss} at step {step} with learning rate {rate:.2g}: lower"
            " `learning_rate` or `gradient_clip`."
        )


def learning_rate(recipe: Recipe, step: int, steps: int) -> float:
    """Return the learning rate of a step by the recipe's schedule.

    Parameters
    ----------
    recipe : Recipe
        Schedule and highest rate.
    step, steps : int
        Steps taken, and in all.
    """
    if recipe.schedule == "constant":
        return recipe.learning_rate
    done = (step + 1) / steps
    if done < WARM_UP:
        return recipe.learning_rate * done / WARM_UP
    return recipe.learning_rate * (1 + math.cos(math.pi * (done - WARM_UP) / (1 - WARM_UP))) / 2


def validate(trainer: Trainer, dev: CaptionedImages, null: int) -> float:
    """Return the mean loss over all captions of a split, in nats a caption.

    Parameters
    ----------
    trainer : Trainer
        Knows the captioner.
    dev : CaptionedImages
        Captions to take the loss on.
    null : int
        The number of `<NULL>`.
    """
    total = 0.0
    for start in range(0, len(dev), VALIDATION_BATCH):
        wanted = np.arange(start, min(start + VALIDATION_BATCH, len(dev)))
        total += trainer.loss(*dev.batch(wanted, null)) * len(wanted)
    return total / len(dev)
