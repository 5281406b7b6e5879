"""Self-critical training: a captioner learns from how good its own captions are.

S. Rennie et al., "Self-critical sequence training for image captioning", CVPR 2017. A caption's
reward counts by how far it exceeds the mean of the other captions drawn for the same image
(R. Luo, "A better variant of self-critical sequence training", 2020). Two things keep a captioner
of few photos from forgetting how people speak: captions are drawn at a low temperature, from where
it is surest and a search will look, which is not quite the gradient of the expected reward any
more; and it goes on learning from people beside its own captions.
"""

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from recap.captioners.recipe import Recipe
from recap.captions.metrics.cider import CiderD
from recap.captions.metrics.ngrams import References
from recap.captions.words import NULL, captions_by_image, without_padding
from recap.core.checkpoint import throttled
from recap.core.progress import progress
from recap.training.batches import CaptionedImages
from recap.training.epochs import end_epoch, learning_rate, take_steps
from recap.training.state import TrainingState
from recap.training.torch_trainer import TorchTrainer

SAMPLES = 5  # captions drawn for an image
TEMPERATURE = 0.5  # that they are drawn at
REFERENCE_WEIGHT = 0.3  # of the loss of people's captions beside that of drawn ones


class Critic:
    """Rewards captions in numbers by CIDEr-D against the training captions of their images.

    `<END>` counts as a word, so that a caption is rewarded for ending where people end.

    Parameters
    ----------
    train : CaptionedImages
        Captions of people.
    idx_to_word : list of str
        Vocabulary.
    """

    def __init__(self, train: CaptionedImages, idx_to_word: list[str]):
        self._idx_to_word = idx_to_word
        self._images, references = captions_by_image(train.captions, train.image_idxs, idx_to_word)
        self._cider = CiderD(References(references))

    def __call__(self, images: np.ndarray, captions: np.ndarray) -> np.ndarray:
        """Return the rewards of captions.

        Parameters
        ----------
        images : integer array of shape (N,)
            Row of each caption's image.
        captions : integer array of shape (N, T)
            Each `<START>`, words, `<END>`, `<NULL>`s.

        Returns
        -------
        array of shape (N,), float64
            From 0 to 10.
        """
        words = without_padding(captions, self._idx_to_word)
        return self._cider(np.searchsorted(self._images, images), words)


def advantages(rewards: np.ndarray) -> np.ndarray:
    """Return how far each reward exceeds the mean of the others of its image.

    Parameters
    ----------
    rewards : array of shape (N * SAMPLES,)
        Those of an image stand together.
    """
    by_image = rewards.reshape(-1, SAMPLES)
    others = (by_image.sum(axis=1, keepdims=True) - by_image) / (SAMPLES - 1)
    return (by_image - others).ravel()


def train_self_critically(
    trainer: TorchTrainer,
    recipe: Recipe,
    train: CaptionedImages,
    dev: CaptionedImages,
    idx_to_word: list[str],
    state: TrainingState,
    save: Callable[[], None],
) -> None:
    """Train on from the best parameters so far, for the recipe's self-critical epochs.

    The last epoch is kept: the validation loss says nothing of the reward.

    Parameters
    ----------
    trainer : TorchTrainer
        Draws captions and takes the steps.
    recipe : Recipe
        Self-critical epochs and learning rate, batch size and schedule.
    train, dev : CaptionedImages
        What captions are drawn for and held against, and what the validation loss is taken on.
    idx_to_word : list of str
        Vocabulary.
    state : TrainingState
        Where to begin; it is kept up to date.
    save : callable
        Called now and then between two steps, to keep the state of the training.

    Raises
    ------
    InputError
        If the loss is no longer finite.
    """
    null = idx_to_word.index(NULL)
    if state.rewarded_from is None:
        trainer.restart(state.best_parameters)
        state.rewarded_from, state.rewarded_from_step = state.epoch, state.step
    critic = Critic(train, idx_to_word)
    images = np.unique(train.image_idxs)
    size = max(1, recipe.batch_size // SAMPLES)
    steps = math.ceil(len(images) / size) * recipe.self_critical_epochs
    pace = replace(recipe, learning_rate=recipe.self_critical_learning_rate)
    max_words = train.captions.shape[1] - 2

    def rate_at(step: int) -> float:
        return learning_rate(pace, step - state.rewarded_from_step, steps)

    def take(wanted: np.ndarray, rate: float) -> float:
        photos = np.unique(wanted)
        # All captions of an image are drawn from the same view of it, and people's learnt from it.
        seen = trainer.hide_regions(train.look(photos))
        views = np.repeat(seen, SAMPLES, axis=0)
        captions = trainer.sample(views, max_words, TEMPERATURE)
        rewards = critic(np.repeat(photos, SAMPLES), captions)
        rows = np.flatnonzero(np.isin(train.image_idxs, photos))
        references = seen[np.searchsorted(photos, train.image_idxs[rows])], train.captions[rows]
        loss = trainer.self_critical_step(
            (views, captions), advantages(rewards), references, REFERENCE_WEIGHT, rate
        )
        return float(rewards.mean()) if math.isfinite(loss) else loss

    generator = np.random.default_rng()
    end = state.rewarded_from + recipe.self_critical_epochs
    total = SAMPLES * len(images) * recipe.self_critical_epochs
    epochs_done = state.epoch - state.rewarded_from
    done = SAMPLES * (epochs_done * len(images) + state.batches * size)
    save_now_and_then = throttled(save)
    with progress(desc="self-critical", total=total, initial=done, unit="caption") as bar:
        while state.epoch < end:
            generator.bit_generator.state = state.order
            order = images[np.concatenate(train.shuffled(images, generator))]
            batches = [
                np.repeat(order[start : start + size], SAMPLES)
                for start in range(0, len(order), size)
            ]
            take_steps(batches, take, rate_at, "reward", state, bar, save_now_and_then)
            end_epoch(trainer, dev, null, state, bar)
            state.order = generator.bit_generator.state
            state.best_loss, state.best_epoch = state.history[-1].validation_loss, state.epoch
            state.best_parameters = trainer.parameters()
            save()
