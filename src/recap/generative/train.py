"""Train a GAN."""

import csv
import math
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

import recap
from recap.core.checkpoint import environment, read_checkpoint, throttled, write_checkpoint
from recap.core.checks import require_seed
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
from recap.core.files import atomic_path, file_hash
from recap.core.json_files import write_json
from recap.core.outputs import OutputFolder
from recap.core.progress import progress
from recap.core.sole_owner import sole_owner
from recap.datasets.digits.idx import read_images
from recap.generative.folder import DISCRIMINATOR, GENERATOR
from recap.generative.recipe import GAN
from recap.generative.trainer import GANTrainer, draw_samples, sampling_noise, uniform_noise
from recap.generative.weights import CONFIG, save_weights

CHECKPOINT = "checkpoint.safetensors"
HISTORY = "history.csv"
SAMPLES = "samples.npz"
STAGES = 10  # of the training, at whose ends samples are drawn
SAMPLES_A_STAGE = 2_000
ROWS = 200  # of the history, about
LOST = 1e-3  # a discriminator's loss below which the generator learns nothing


@dataclass
class HistoryRow:
    """A line of `history.csv`: the mean losses of the steps since the last one."""

    step: int
    epoch: int
    discriminator_loss: float
    generator_loss: float


@dataclass
class _State:
    """How far a training has come, apart from what the trainer itself remembers.

    `losses` are those of the steps since the last row of the history.
    """

    step: int = 0
    losses: list[list[float]] = field(default_factory=list)
    history: list[HistoryRow] = field(default_factory=list)
    samples: list[np.ndarray] = field(default_factory=list)


def train_gan(
    images: Path,
    *,
    output: OutputFolder,
    recipe: GAN | None = None,
    seed: int = 0,
    device: Device = "auto",
    precision: Precision = "auto",
    threads: int | None = None,
) -> None:
    """Train a generator against a discriminator.

    A training that was interrupted goes on from its last checkpoint, and ends in the same bytes;
    one that is started again with other inputs, settings, versions or threads says so and starts
    anew. While another process trains into the same folder, it is waited for.

    Parameters
    ----------
    images : Path
        Training pictures, a gzipped IDX file.
    output : Path
        Folder to write into: `generator.safetensors` (the averaged weights, if the recipe
        averages), `discriminator.safetensors`, `config.json`, `history.csv` with the losses, and
        `samples.npz`: `images` of shape (11, 2000, 28, 28), uint8, drawn from the same noise at
        the start and after each tenth of the training, and `steps` of shape (11,).
    recipe : GAN, optional
        Networks, losses and schedule, as JSON on the command line; by default CS231n's
        convolutional GAN.
    seed : int
        Seed of weights, noise and order.
    device : {"auto", "cpu", "cuda", "mps"}
        Where to compute.
    precision : {"auto", "float32", "bfloat16"}
        Number format of the products; weights are kept in float32. `auto` takes bfloat16 where the
        device has units for it.
    threads : int, optional
        Threads to use; all by default.

    Raises
    ------
    InputError
        If a number is out of range, the file is missing, damaged or has too few pictures, or a
        loss is no longer finite.
    """
    recipe = recipe or GAN()
    require_seed(seed)
    threads = use_threads(threads)
    keep_freed_memory()
    place = choose_device(device)
    number_format = choose_precision(place, precision)
    pictures = _read_pictures(images, recipe, place)
    trainer = GANTrainer(recipe, seed, place, number_format)
    identity = {
        "images": file_hash(images),
        "recipe": asdict(recipe),
        "seed": seed,
        "device": place.type,
        "precision": str(number_format),
        "code": code_hash("recap.generative.train"),
        **environment(threads),
    }
    with sole_owner(output / CHECKPOINT) as awaited:
        state = _resume(output / CHECKPOINT, identity, trainer)
        keep = throttled(partial(_keep, output / CHECKPOINT, identity, trainer, state))
        _take_steps(trainer, recipe, pictures, seed, state, keep)
        facts = {"seed": seed, "precision": str(number_format).removeprefix("torch.")}
        _save(output, recipe, trainer, state, facts)
        if not awaited():
            (output / CHECKPOINT).unlink(missing_ok=True)


def steps_of(recipe: GAN, pictures: int) -> int:
    """Return how many steps a training on so many pictures takes in all."""
    return recipe.epochs * (pictures // recipe.batch_size)


def _read_pictures(images: Path, recipe: GAN, place: torch.device) -> torch.Tensor:
    """Return the training pictures as (N, 784) numbers from -1 to 1."""
    pictures = read_images(images)[: recipe.pictures or None]
    if len(pictures) < recipe.batch_size:
        raise InputError(
            f"{len(pictures)} pictures of {images} are used, fewer than a minibatch: lower"
            f" `batch_size` to {len(pictures)} or less, or raise `pictures`."
        )
    numbers = torch.tensor(pictures.reshape(len(pictures), -1), dtype=torch.float32)
    return (numbers / 127.5 - 1).to(place)


def _take_steps(
    trainer: GANTrainer,
    recipe: GAN,
    pictures: torch.Tensor,
    seed: int,
    state: _State,
    keep: Callable[[], None],
) -> None:
    """Take the steps that are still to be taken; `keep` is called now and then between two."""
    total = steps_of(recipe, len(pictures))
    ends = [round(total * stage / STAGES) for stage in range(STAGES + 1)]
    every = max(1, total // ROWS)
    noise = uniform_noise(SAMPLES_A_STAGE, recipe.noise_dim, sampling_noise(seed))
    order = np.arange(len(pictures))
    with progress(desc="train gan", total=total, initial=state.step, unit="step") as bar:
        for step in range(state.step, total):
            while ends[len(state.samples)] == step:
                state.samples.append(draw_samples(trainer.sampler(), noise))
            epoch, batch = divmod(step, total // recipe.epochs)
            if recipe.shuffle and (batch == 0 or step == bar.initial):
                order = np.random.default_rng([seed, epoch]).permutation(len(pictures))
            chosen = order[batch * recipe.batch_size : (batch + 1) * recipe.batch_size]
            losses = trainer.step(pictures[chosen], rate_at(recipe, step, total))
            state.losses.append([float(loss) for loss in losses])
            _check_finite(state.losses[-1], step)
            state.step += 1
            bar.update()
            if state.step % every == 0 or state.step == total:
                row = HistoryRow(state.step, epoch + 1, *np.mean(state.losses, axis=0).tolist())
                state.losses = []
                state.history.append(row)
                shown = {"D": row.discriminator_loss, "G": row.generator_loss}
                bar.set_postfix(shown, refresh=False)
            keep()
    while len(state.samples) < len(ends):
        state.samples.append(draw_samples(trainer.sampler(), noise))


def rate_at(recipe: GAN, step: int, steps: int) -> float:
    """Return the factor of the step sizes at a step among so many."""
    if not recipe.decay:
        return 1.0
    return min(1.0, 2 * (steps - step) / steps)


def _check_finite(losses: list[float], step: int) -> None:
    """Stop a training whose losses are infinite or NaN."""
    for name, loss in zip(("discriminator", "generator"), losses, strict=True):
        if not math.isfinite(loss):
            raise InputError(f"The {name}'s loss is {loss} at step {step}: lower `learning_rate`.")


def _keep(path: Path, identity: dict, trainer: GANTrainer, state: _State) -> None:
    """Write a checkpoint."""
    facts = asdict(state)
    samples = {f"samples.{stage}": drawn for stage, drawn in enumerate(facts.pop("samples"))}
    write_checkpoint(path, identity, trainer.state() | samples, facts)


def _resume(path: Path, identity: dict, trainer: GANTrainer) -> _State:
    """Bring the trainer to where an interrupted training was; return how far that is."""
    checkpoint = read_checkpoint(path, identity)
    if checkpoint is None:
        return _State()
    arrays, facts = checkpoint
    stages = sum(name.startswith("samples.") for name in arrays)
    samples = [arrays.pop(f"samples.{stage}") for stage in range(stages)]
    trainer.load_state(arrays)
    facts["history"] = [HistoryRow(**row) for row in facts["history"]]
    state = _State(**facts, samples=samples)
    print(f"training goes on from step {state.step}, where it was interrupted")
    return state


def _save(
    output: Path, recipe: GAN, trainer: GANTrainer, state: _State, facts: dict[str, Any]
) -> None:
    """Write what was trained; the generator's file comes last."""
    (output / GENERATOR).unlink(missing_ok=True)
    last = state.history[-1]
    if last.discriminator_loss < LOST:
        print(
            f"warning: the discriminator's loss fell to {last.discriminator_loss:.1g}: it tells all"
            " pictures apart, and the generator learns nothing more; lower `learning_rate`"
        )
    config = {
        "recipe": asdict(recipe),
        **facts,
        "steps": state.step,
        "discriminator_loss": last.discriminator_loss,
        "generator_loss": last.generator_loss,
        "lost": last.discriminator_loss < LOST,
        "versions": {"recap": recap.__version__, "torch": torch.__version__},
    }
    write_json(output / CONFIG, config, record_digest=True, indent=1)
    with (
        atomic_path(output / HISTORY, record_digest=True) as scratch,
        scratch.open("w", newline="") as file,
    ):
        writer = csv.DictWriter(file, fieldnames=list(HistoryRow.__annotations__))
        writer.writeheader()
        writer.writerows(map(asdict, state.history))
    steps = [round(state.step * stage / STAGES) for stage in range(STAGES + 1)]
    with atomic_path(output / SAMPLES, record_digest=True) as scratch, scratch.open("wb") as file:
        np.savez_compressed(file, steps=np.array(steps), images=np.stack(state.samples))
    save_weights(output / DISCRIMINATOR, trainer.discriminator)
    save_weights(output / GENERATOR, trainer.sampler())
