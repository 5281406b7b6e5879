import itertools

import numpy as np
import pytest

from recap.report import statistics
from recap.report.statistics import (
    holm,
    interval,
    mean_and_deviation,
    permutation_p_values,
    resampled_means,
)


def interval_of(values, seed=0):
    return interval(resampled_means(values[None], seed=seed)[:, 0])


def test_interval_agrees_with_the_normal_theory():
    values = np.random.default_rng(3).normal(0.5, 2.0, size=2_000)
    low, high = interval_of(values)
    half = 1.96 * values.std() / np.sqrt(len(values))
    assert low == pytest.approx(values.mean() - half, abs=0.05 * half)
    assert high == pytest.approx(values.mean() + half, abs=0.05 * half)


def test_interval_covers_the_true_mean_about_as_often_as_it_says(monkeypatch):
    monkeypatch.setattr(statistics, "RESAMPLES", 1_000)
    generator = np.random.default_rng(11)
    covered = 0
    for _ in range(200):
        low, high = interval_of(generator.exponential(size=60), seed=5)
        covered += low <= 1.0 <= high
    assert 170 <= covered <= 199


def test_interval_of_a_constant_is_the_constant():
    assert interval_of(np.full(7, 0.25)) == (0.25, 0.25)


def test_interval_depends_on_the_seed_only():
    values = np.random.default_rng(0).normal(size=50)
    assert interval_of(values, seed=1) == interval_of(values, seed=1)
    assert interval_of(values, seed=1) != interval_of(values, seed=2)


def test_an_image_is_drawn_with_all_its_values():
    values = np.random.default_rng(0).normal(size=(3, 40))
    means = resampled_means(np.stack([*values, values[0] - values[1]]), seed=0)
    assert means.shape == (statistics.RESAMPLES, 4)
    assert means[:, 0] - means[:, 1] == pytest.approx(means[:, 3])


def test_all_resamples_are_drawn_when_they_do_not_fit_at_once(monkeypatch):
    monkeypatch.setattr(statistics, "DRAWS_AT_ONCE", 3 * 100)
    values = np.arange(100.0)[None]
    means = resampled_means(values, seed=0)
    assert means.shape == (statistics.RESAMPLES, 1)
    assert means.mean() == pytest.approx(values.mean(), abs=0.2)
    assert permutation_p_values(values, seed=0)[0] == pytest.approx(1 / 10_001)


def test_p_values_agree_with_all_permutations():
    differences = np.array([[0.3, -0.1, 0.4, 0.2, 0.5, -0.2, 0.1, 0.6]])
    signs = np.array(list(itertools.product([-1, 1], repeat=8)))
    exact = (np.abs(signs @ differences[0]) >= differences.sum() - 1e-12).mean()
    assert permutation_p_values(differences, seed=0)[0] == pytest.approx(exact, abs=0.01)


def test_p_values_have_no_direction_and_no_zero():
    differences = np.random.default_rng(0).normal(0.5, 1, size=200)
    both = permutation_p_values(np.stack([differences, -differences]), seed=0)
    assert both[0] == both[1] == 1 / 10_001
    assert permutation_p_values(np.zeros((1, 30)), seed=0)[0] == 1.0


def test_p_values_of_chance_are_spread_evenly(monkeypatch):
    monkeypatch.setattr(statistics, "RESAMPLES", 500)
    chance = np.random.default_rng(1).normal(size=(400, 50))
    p_values = permutation_p_values(chance, seed=0)
    assert (p_values < 0.05).mean() == pytest.approx(0.05, abs=0.03)
    assert p_values.mean() == pytest.approx(0.5, abs=0.05)


def test_holm_by_hand():
    adjusted = holm(np.array([0.01, 0.04, 0.03, 0.005]))
    assert adjusted == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm(np.array([0.7, 0.6])) == pytest.approx([1.0, 1.0])
    assert holm(np.array([0.2])) == pytest.approx([0.2])


def test_mean_and_sample_deviation():
    assert mean_and_deviation([0.5]) == (0.5, None)
    mean, deviation = mean_and_deviation([1.0, 2.0, 4.0])
    assert mean == pytest.approx(7 / 3)
    assert deviation == pytest.approx(1.5275252316519468)
