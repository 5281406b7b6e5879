"""Epochs: which steps are taken and told, the schedule, and what is kept; without a captioner."""

import math
from types import SimpleNamespace

import numpy as np
import pytest

from recap.captioners.recipe import Recipe
from recap.core.errors import InputError
from recap.training import epochs
from recap.training.batches import CaptionedImages
from recap.training.epochs import (
    check_finite,
    learning_rate,
    run_epochs,
    take_steps,
    validate,
)
from recap.training.state import TrainingState


class Clock:
    """Shows the time that the test sets."""

    def __init__(self):
        self.now = 1000.0

    def monotonic(self):
        return self.now

    perf_counter = monotonic


class Bar:
    """Notes what it is made with, and how far it comes."""

    def __init__(self, **options):
        self.options, self.updates = options, []

    def __enter__(self):
        return self

    def __exit__(self, *error):
        pass

    def update(self, count):
        self.updates.append(count)

    def set_postfix(self, *shown, **named):
        pass


class Trainer:
    """Has the validation losses that the test gives; its one parameter counts its steps."""

    def __init__(self, *validation_losses):
        self.validation_losses = iter(validation_losses)
        self.rates = []

    def step(self, features, captions, rate):
        self.rates.append(rate)
        return 1.0

    def loss(self, features, captions):
        return next(self.validation_losses)

    def parameters(self):
        return {"steps": np.array(len(self.rates))}


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(epochs, "time", clock)
    return clock


def made_images(count):
    captions = np.tile(np.int32([1, 4, 2]), (count, 1))
    return CaptionedImages(np.eye(count, dtype=np.float32), captions, np.arange(count))


def run(trainer, state=None, save=lambda: None, **settings):
    """Train on ten captions, in batches of four: three steps an epoch."""
    state = state or TrainingState(order=np.random.default_rng(0).bit_generator.state)
    recipe = Recipe(batch_size=4, **settings)
    run_epochs(trainer, recipe, made_images(10), made_images(2), 0, state, save)
    return state


# --- steps and the history ----------------------------------------------------------------------


def test_a_row_is_of_the_steps_since_the_last_one(clock):
    """The second epoch of 405 steps goes on after ten; steps are of three captions and of five."""
    batches = [np.arange(3 + 2 * (number % 2)) for number in range(405)]
    state = TrainingState(order={}, epoch=1, batches=10, step=415, losses=[7.0] * 10)
    bar, pauses = Bar(), []

    def take(wanted, rate):
        assert len(wanted) == len(batches[state.step - 405])
        clock.now += 0.5
        return float(state.step)

    take_steps(
        batches,
        take,
        lambda step: step / 1000,
        "loss",
        state,
        bar,
        lambda: pauses.append(clock.now),
    )
    ends = [*range(420, 801, 20), 810]
    begins = [415, *ends[:-1]]
    assert [row.step for row in state.history] == ends
    assert {row.epoch for row in state.history} == {2}
    assert [row.learning_rate for row in state.history] == [(end - 1) / 1000 for end in ends]
    losses = [np.mean([*[7.0] * 10, *range(415, 420)])]
    losses += [np.mean(range(*pair)) for pair in zip(begins[1:], ends[1:], strict=True)]
    assert [row.loss for row in state.history] == pytest.approx(losses)
    for row, begin, end in zip(state.history, begins, ends, strict=True):
        captions = sum(len(batches[step - 405]) for step in range(begin, end))
        assert row.captions_per_second == pytest.approx(captions / (0.5 * (end - begin)))
    assert (state.step, state.batches, state.losses) == (810, 405, [])
    assert bar.updates == [len(batch) for batch in batches[10:]]
    assert len(pauses) == 394


def test_an_epoch_of_few_steps_has_a_row_for_each():
    state = TrainingState(order={})
    take_steps(
        [np.arange(2)] * 3, lambda *_: 1.0, lambda _: 0.1, "reward", state, Bar(), lambda: None
    )
    assert [(row.step, row.reward, row.loss) for row in state.history] == [
        (1, 1.0, None),
        (2, 1.0, None),
        (3, 1.0, None),
    ]


def test_a_step_whose_loss_is_no_number_ends_the_training():
    losses = iter([1.0, math.nan])
    state = TrainingState(order={})
    batches = [np.arange(2)] * 3
    with pytest.raises(InputError, match="^The reward is nan at step 2 with learning rate 0.1:"):
        take_steps(
            batches,
            lambda *_: next(losses),
            lambda _: 0.1,
            "reward",
            state,
            Bar(),
            lambda: None,
        )
    assert [row.step for row in state.history] == [1]


def test_a_bar_ends_at_its_total_where_the_training_was_interrupted(monkeypatch):
    bars = []
    monkeypatch.setattr(
        epochs, "progress", lambda **options: bars.append(Bar(**options)) or bars[-1]
    )
    state = TrainingState(order=np.random.default_rng(0).bit_generator.state)
    state.epoch, state.batches, state.step = 1, 1, 4
    state.best_loss = 0.0
    run(Trainer(1.0, 1.0), state, epochs=3)
    (bar,) = bars
    assert bar.options["total"] == 30
    assert bar.options["initial"] == 14
    # The second epoch's batch that was taken may have been the short one.
    assert sum(bar.updates) in (16, 18)


# --- epochs -------------------------------------------------------------------------------------


def test_the_first_of_the_best_epochs_is_kept():
    saves = []
    trainer = Trainer(3.0, 2.0, 2.0, 4.0)
    state = run(trainer, save=lambda: saves.append(len(trainer.rates)), epochs=4)
    assert (state.best_loss, state.best_epoch, state.epoch, state.step) == (2.0, 2, 4, 12)
    assert state.best_parameters == {"steps": 6}
    told = [row.validation_loss for row in state.history]
    assert told == [None, None, 3.0, None, None, 2.0, None, None, 2.0, None, None, 4.0]
    assert saves == [3, 6, 9, 12]


@pytest.mark.parametrize(("patience", "last"), [(0, 6), (1, 3), (2, 4), (3, 6)])
def test_the_epochs_without_a_better_loss_that_patience_bears(patience, last):
    state = run(Trainer(3.0, 2.0, 2.0, 2.5, 1.0, 1.0), epochs=6, patience=patience)
    assert state.epoch == last


def test_a_finished_training_takes_no_more_steps():
    state = run(Trainer(3.0, 2.0), epochs=2)
    trainer = Trainer()
    run(trainer, state, epochs=2)
    assert trainer.rates == []


def test_each_epoch_has_an_order_of_its_own_that_the_state_gives():
    def orders(state):
        """Return the images of each step."""
        trainer, seen = Trainer(2.0, 1.0), []
        step = trainer.step

        def noted(features, captions, rate):
            seen.append(features.argmax(axis=1).tolist())
            return step(features, captions, rate)

        trainer.step = noted
        run(trainer, state, epochs=2)
        return seen

    def state(seed):
        return TrainingState(order=np.random.default_rng(seed).bit_generator.state)

    first = orders(state(0))
    assert first == orders(state(0))
    assert first != orders(state(1))
    assert first[:3] != first[3:]
    for epoch in (first[:3], first[3:]):
        assert sorted(sum(epoch, [])) == list(range(10))


def test_a_validation_loss_that_is_no_number_names_the_last_step():
    rate = learning_rate(Recipe(), 5, 9)
    told = rf"^The validation loss is nan at step 6 with learning rate {rate:.2g}: lower `learning"
    with pytest.raises(InputError, match=told):
        run(Trainer(1.0, math.nan), epochs=3)


@pytest.mark.parametrize("loss", [math.inf, math.nan])
@pytest.mark.parametrize(
    ("rewarded_from", "setting"), [(None, "learning_rate"), (2, "self_critical_learning_rate")]
)
def test_the_setting_to_lower_is_that_of_the_phase(loss, rewarded_from, setting):
    state = TrainingState(order={}, step=9, rewarded_from=rewarded_from)
    check_finite(1e30, "loss", state, 0.5)
    told = f"^The loss is {loss} at step 9 with learning rate 0.5: lower `{setting}` or"
    with pytest.raises(InputError, match=told):
        check_finite(loss, "loss", state, 0.5)


# --- the schedule and the validation loss -------------------------------------------------------


def test_the_one_cycle_schedule_rises_to_the_learning_rate_and_falls_to_nothing():
    recipe = Recipe(learning_rate=0.5)
    rates = [learning_rate(recipe, step, 1000) for step in range(1000)]
    assert max(rates) == pytest.approx(0.5, rel=1e-4)
    assert rates.index(max(rates)) == pytest.approx(200, abs=2)
    assert rates[0] < 0.01
    assert rates[-1] == pytest.approx(0, abs=1e-5)
    assert min(rates) > 0
    constant = Recipe(learning_rate=0.5, schedule="constant")
    assert {learning_rate(constant, step, 10) for step in range(10)} == {0.5}


@pytest.mark.parametrize("steps", range(1, 8))
def test_no_step_of_a_short_schedule_is_lost(steps):
    rates = [learning_rate(Recipe(learning_rate=0.5), step, steps) for step in range(steps)]
    assert min(rates) > 0.02 * max(rates)
    assert max(rates) > 0.25


def test_points_of_the_one_cycle_schedule():
    """Of nine steps, each a tenth of the way: half at one, all at two, half at six of the ten."""
    rates = [learning_rate(Recipe(learning_rate=0.5), step, 9) for step in range(-1, 10)]
    fall = [0.25 * (1 + math.cos(math.pi * eighths / 8)) for eighths in range(9)]
    assert rates == pytest.approx([0, 0.25, *fall], abs=1e-12)


def test_the_schedule_has_as_many_steps_as_the_training():
    trainer = Trainer(1.0, 1.0, 1.0)
    run(trainer, epochs=3, learning_rate=0.5)
    assert trainer.rates == [learning_rate(Recipe(learning_rate=0.5), step, 9) for step in range(9)]


def test_the_validation_loss_is_a_mean_over_captions(monkeypatch):
    """Each of the 50 captions once, whatever the batches: a caption's loss is its image's row."""

    def loss(features, captions):
        return features.argmax(axis=1).mean()

    monkeypatch.setattr("recap.training.epochs.VALIDATION_BATCH", 7)
    trainer = SimpleNamespace(loss=loss)
    assert validate(trainer, made_images(50), 0) == pytest.approx(np.arange(50).mean())
