"""Train a captioner."""

import csv
import math
import platform
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch

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
from recap.devices import Device, choose_device, use_threads
from recap.errors import InputError
from recap.files import atomic_path
from recap.progress import progress
from recap.vocabulary import NULL, read_vocabulary

HISTORY = "history.csv"
ROWS_AN_EPOCH = 20
WARM_UP = 0.2  # share of the steps in which the one-cycle schedule rises
VALIDATION_BATCH = 512


@dataclass
class HistoryRow:
    """A line of `history.csv`; losses are in nats a caption."""

    step: int
    epoch: int
    loss: float
    learning_rate: float
    captions_per_second: float
    validation_loss: float | None = None


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
    threads: int | None = None,
) -> None:
    """Train a captioner and keep its best epoch by the validation loss.

    The validation loss is taken on the dev split if there is one, and else on a share of the
    training images, drawn by seed and left out of training; never on the split that is scored.

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
    idx_to_word = read_vocabulary(vocabulary)
    null = idx_to_word.index(NULL)
    generator = np.random.default_rng(seed)
    train = read_captioned_images(features, captions, "train", len(idx_to_word))
    if dev_features and dev_captions:
        dev = read_captioned_images(dev_features, dev_captions, "dev", len(idx_to_word))
        validation = f"the dev split: {len(dev)} captions"
    else:
        train, dev = hold_out(train, dev_share, generator)
        validation = f"{dev_share:.0%} of the training images, drawn by seed: {len(dev)} captions"

    # Adam's steps have the size of the learning rate whatever the features' scale, so they are
    # trained on at scale 1; the scale then goes into W_proj.
    used = train.features[np.unique(train.image_idxs)]
    size = np.sqrt(np.mean(np.square(used), dtype=np.float64))
    if not 0 < size < math.inf:
        raise InputError(f"The features in {features} are all zero or not finite: make them again.")
    scale = 1 / size
    for part in (train, dev):
        part.features = part.features * np.float32(scale)

    trainer = make_trainer(
        recipe, train.features.shape[1], idx_to_word, seed, choose_device(device)
    )
    history: list[HistoryRow] = []
    best_loss, best_epoch, best_parameters = math.inf, 0, {}
    for row in run_epochs(trainer, recipe, train, dev, null, generator):
        history.append(row)
        if row.validation_loss is not None and row.validation_loss < best_loss:
            best_loss, best_epoch = row.validation_loss, row.epoch
            best_parameters = trainer.parameters()
    best_parameters["W_proj"] *= np.float32(scale)

    facts = {
        "seed": seed,
        "validation": validation,
        "best_epoch": best_epoch,
        "best_validation_loss": best_loss,
        "versions": {
            "python": platform.python_version(),
            "torch": torch.__version__,
            "numpy": np.__version__,
            "recap": recap.__version__,
        },
    }
    write_history(output / HISTORY, history)
    save_captioner(output, TrainedCaptioner(recipe, idx_to_word, best_parameters, facts))
    print(f"best epoch: {best_epoch} of {recipe.epochs}, validation loss {best_loss:.3f}")


def run_epochs(
    trainer: Trainer,
    recipe: Recipe,
    train: CaptionedImages,
    dev: CaptionedImages,
    null: int,
    generator: np.random.Generator,
) -> Iterator[HistoryRow]:
    """Train for the recipe's epochs and yield the history as it comes.

    Parameters
    ----------
    trainer : Trainer
        Takes the steps.
    recipe : Recipe
        Epochs, batch size and schedule.
    train, dev : CaptionedImages
        What is learnt from, and what the validation loss is taken on.
    null : int
        The number of `<NULL>`.
    generator : numpy.random.Generator
        Draws the order of the captions.

    Yields
    ------
    HistoryRow
        About twenty an epoch; the last of an epoch has the validation loss.

    Raises
    ------
    InputError
        If the loss is no longer finite.
    """
    steps_an_epoch = math.ceil(len(train) / recipe.batch_size)
    steps = steps_an_epoch * recipe.epochs
    every = max(1, steps_an_epoch // ROWS_AN_EPOCH)
    step = 0
    shown: dict[str, str] = {}
    with progress(desc=recipe.cell, total=len(train) * recipe.epochs, unit="caption") as bar:
        for epoch in range(1, recipe.epochs + 1):
            losses, seen, since = [], 0, time.perf_counter()
            for wanted in draw_batches(train, recipe.batch_size, null, generator):
                rate = learning_rate(recipe, step, steps)
                loss = trainer.step(*train.batch(wanted, null), rate)
                step += 1
                check_finite(loss, "loss", step, rate)
                losses.append(loss)
                seen += len(wanted)
                bar.update(len(wanted))
                last = step == epoch * steps_an_epoch
                if not last and step % every:
                    continue
                speed = seen / (time.perf_counter() - since)
                row = HistoryRow(step, epoch, float(np.mean(losses)), rate, speed)
                if last:
                    row.validation_loss = validate(trainer, dev, null)
                    check_finite(row.validation_loss, "validation loss", step, rate)
                    shown["validation"] = f"{row.validation_loss:.2f}"
                shown |= {"epoch": f"{epoch}/{recipe.epochs}", "loss": f"{row.loss:.2f}"}
                bar.set_postfix(shown)
                yield row
                losses, seen, since = [], 0, time.perf_counter()


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


def write_history(path: Path, history: list[HistoryRow]) -> None:
    """Write the course of a training as CSV.

    Parameters
    ----------
    path : Path
        File to write, with a column for each field of `HistoryRow`.
    history : list of HistoryRow
        In the order of the steps.
    """
    with atomic_path(path) as scratch, scratch.open("w", newline="") as file:
        writer = csv.DictWriter(file, fieldnames=list(HistoryRow.__annotations__))
        writer.writeheader()
        writer.writerows(asdict(row) for row in history)
