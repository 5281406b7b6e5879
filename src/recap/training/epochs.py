"""Epochs of training: steps in order, the schedule, validation."""

import math
import time
from collections.abc import Callable

import numpy as np
from tqdm import tqdm

from recap.captioners.recipe import Recipe
from recap.core.checkpoint import throttled
from recap.core.errors import InputError
from recap.core.progress import progress
from recap.training.batches import CaptionedImages, draw_batches
from recap.training.state import HistoryRow, TrainingState
from recap.training.trainer import Trainer

ROWS_AN_EPOCH = 20
WARM_UP = 0.2  # share of the steps in which the one-cycle schedule rises
VALIDATION_BATCH = 512


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
    done = min(state.epoch * len(train) + state.batches * recipe.batch_size, total)
    save_now_and_then = throttled(save)

    def take(wanted: np.ndarray, rate: float) -> float:
        return trainer.step(*train.batch(wanted, null), rate)

    with progress(desc=recipe.architecture, total=total, initial=done, unit="caption") as bar:
        while state.rewarded_from is None and state.epoch < recipe.epochs:
            generator.bit_generator.state = state.order
            batches = draw_batches(train, recipe.batch_size, null, generator)
            steps = len(batches) * recipe.epochs

            def rate_at(step: int, steps: int = steps) -> float:
                return learning_rate(recipe, step, steps)

            take_steps(batches, take, rate_at, "loss", state, bar, save_now_and_then)
            end_epoch(trainer, dev, null, state, bar)
            state.order = generator.bit_generator.state
            row = state.history[-1]
            if row.validation_loss < state.best_loss:
                state.best_loss, state.best_epoch = row.validation_loss, state.epoch
                state.best_parameters = trainer.parameters()
            elif recipe.patience and state.epoch - state.best_epoch >= recipe.patience:
                print(f"no better validation loss for {recipe.patience} epochs: training ends")
                break
            save()


def end_epoch(
    trainer: Trainer, dev: CaptionedImages, null: int, state: TrainingState, bar: tqdm
) -> None:
    """Validate, note the loss in the last row of the history, and begin the next epoch.

    Raises
    ------
    InputError
        If the validation loss is no longer finite.
    """
    row = state.history[-1]
    row.validation_loss = validate(trainer, dev, null)
    check_finite(row.validation_loss, "validation loss", state, row.learning_rate)
    bar.set_postfix(epoch=row.epoch, validation=row.validation_loss)
    state.epoch, state.batches = state.epoch + 1, 0


def take_steps(
    batches: list[np.ndarray],
    take: Callable[[np.ndarray, float], float],
    rate_at: Callable[[int], float],
    measure: str,
    state: TrainingState,
    bar: tqdm,
    between: Callable[[], None],
) -> None:
    """Take the steps of an epoch that are still to be taken.

    Parameters
    ----------
    batches : list of arrays of int
        All minibatches of the epoch.
    take : callable
        Takes a step with a minibatch and a learning rate, and returns a measure of it.
    rate_at : callable
        Gives the learning rate of a step by its number.
    measure : {"loss", "reward"}
        Name of the measure, a field of `HistoryRow`.
    state : TrainingState
        Kept up to date; its history grows by about twenty rows.
    bar : tqdm
        Shows the progress.
    between : callable
        Called after each step but the last.

    Raises
    ------
    InputError
        If the measure is no longer finite.
    """
    every = max(1, len(batches) // ROWS_AN_EPOCH)
    seen, since = 0, time.perf_counter()
    for wanted in batches[state.batches :]:
        rate = rate_at(state.step)
        value = take(wanted, rate)
        state.step += 1
        state.batches += 1
        check_finite(value, measure, state, rate)
        state.losses.append(value)
        seen += len(wanted)
        bar.update(len(wanted))
        last = state.batches == len(batches)
        if last or state.step % every == 0:
            row = HistoryRow(
                step=state.step,
                epoch=state.epoch + 1,
                learning_rate=rate,
                captions_per_second=seen / (time.perf_counter() - since),
                **{measure: float(np.mean(state.losses))},
            )
            bar.set_postfix({"epoch": row.epoch, measure: getattr(row, measure)})
            state.history.append(row)
            state.losses = []
            seen, since = 0, time.perf_counter()
        if not last:
            between()


def check_finite(loss: float, name: str, state: TrainingState, rate: float) -> None:
    """Stop a training whose loss is infinite or NaN with an InputError that names the remedy."""
    if not math.isfinite(loss):
        setting = "learning_rate" if state.rewarded_from is None else "self_critical_learning_rate"
        raise InputError(
            f"The {name} is {loss} at step {state.step} with learning rate {rate:.2g}: lower"
            f" `{setting}` or `gradient_clip`."
        )


def learning_rate(recipe: Recipe, step: int, steps: int) -> float:
    """Return the learning rate of a step among so many by the recipe's schedule; more than zero."""
    if recipe.schedule == "constant":
        return recipe.learning_rate
    # Zero is where the step before the first and the one after the last would be.
    done = (step + 1) / (steps + 1)
    if done < WARM_UP:
        return recipe.learning_rate * done / WARM_UP
    return recipe.learning_rate * (1 + math.cos(math.pi * (done - WARM_UP) / (1 - WARM_UP))) / 2


def validate(trainer: Trainer, dev: CaptionedImages, null: int) -> float:
    """Return the mean loss over all captions of a split, in nats a caption."""
    total = 0.0
    for start in range(0, len(dev), VALIDATION_BATCH):
        wanted = np.arange(start, min(start + VALIDATION_BATCH, len(dev)))
        total += trainer.loss(*dev.batch(wanted, null)) * len(wanted)
    return total / len(dev)
