import numpy as np
import pytest

from recap.report import statistics
from recap.report.statistics import bootstrap_interval, mean_and_deviation


def test_interval_agrees_with_the_normal_theory():
    values = np.random.default_rng(3).normal(0.5, 2.0, size=2_000)
    low, high = bootstrap_interval(values, seed=0)
    half = 1.96 * values.std() / np.sqrt(len(values))
    assert low == pytest.approx(values.mean() - half, abs=0.05 * half)
    assert high == pytest.approx(values.mean() + half, abs=0.05 * half)


def test_interval_covers_the_true_mean_about_as_often_as_it_says(monkeypatch):
    monkeypatch.setattr(statistics, "RESAMPLES", 1_000)
    generator = np.random.default_rng(11)
    covered = 0
    for _ in range(200):
        low, high = bootstrap_interval(generator.exponential(size=60), seed=5)
        covered += low <= 1.0 <= high
    assert 170 <= covered <= 199


def test_interval_of_a_constant_is_the_constant():
    assert bootstrap_interval(np.full(7, 0.25), seed=0) == (0.25, 0.25)


def test_interval_depends_on_the_seed_only():
    values = np.random.default_rng(0).normal(size=50)
    assert bootstrap_interval(values, seed=1) == bootstrap_interval(values, seed=1)
    assert bootstrap_interval(values, seed=1) != bootstrap_interval(values, seed=2)


def test_all_resamples_are_drawn_when_they_do_not_fit_at_once(monkeypatch):
    drawn = []
    generator = np.random.default_rng(0)

    class Counting:
        def integers(self, high, size):
            drawn.append(size)
            return generator.integers(high, size=size)

    monkeypatch.setattr(statistics, "DRAWS_AT_ONCE", 3 * 100)
    monkeypatch.setattr(np.random, "default_rng", lambda seed: Counting())
    bootstrap_interval(np.arange(100.0), seed=0)
    assert sum(rows for rows, _ in drawn) == statistics.RESAMPLES
    assert max(rows for rows, _ in drawn) == 3


def test_mean_and_sample_deviation():
    assert mean_and_deviation([0.5]) == (0.5, None)
    mean, deviation = mean_and_deviation([1.0, 2.0, 4.0])
    assert mean == pytest.approx(7 / 3)
    assert deviation == pytest.approx(1.5275252316519468)
