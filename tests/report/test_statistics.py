import itertools

import numpy as np
import pytest

from recap.report import statistics
from recap.report.statistics import (
    compare_over_images,
    compare_over_seeds,
    fewest_images,
    interval,
    mean_and_deviation,
    resampled_means,
    variance_of_seeds,
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
    assert p_values(values) == pytest.approx([1 / 10_001])


def p_values(differences, comparisons=1):
    found = compare_over_images(np.asarray(differences), comparisons=comparisons, seed=0)
    return [difference.p_value for difference in found]


EIGHT = np.array([0.3, -0.1, 0.4, 0.2, 0.5, -0.2, 0.1, 0.6])


def exact_p_value(differences):
    signs = np.array(list(itertools.product([-1, 1], repeat=len(differences))))
    return (np.abs(signs @ differences) >= abs(differences.sum()) - 1e-12).mean()


def test_of_few_images_all_permutations_are_taken():
    assert p_values([EIGHT]) == [exact_p_value(EIGHT)]


def test_of_many_images_permutations_are_drawn(monkeypatch):
    monkeypatch.setattr(statistics, "RESAMPLES", 200)
    assert p_values([EIGHT])[0] == pytest.approx(exact_p_value(EIGHT), abs=0.05)
    monkeypatch.setattr(statistics, "RESAMPLES", 255)
    assert p_values([EIGHT])[0] * 256 == pytest.approx(round(p_values([EIGHT])[0] * 256))


def test_p_values_have_no_direction_and_no_zero():
    differences = np.random.default_rng(0).normal(0.5, 1, size=200)
    assert p_values([differences, -differences]) == [1 / 10_001] * 2
    assert p_values(np.zeros((1, 30))) == [1.0]


def test_p_values_of_chance_are_spread_evenly(monkeypatch):
    monkeypatch.setattr(statistics, "RESAMPLES", 500)
    found = np.array(p_values(np.random.default_rng(1).normal(size=(400, 50))))
    assert (found < 0.05).mean() == pytest.approx(0.05, abs=0.03)
    assert found.mean() == pytest.approx(0.5, abs=0.05)


def test_p_values_allow_for_the_number_of_comparisons():
    (alone,) = p_values([EIGHT])
    assert p_values([EIGHT], comparisons=3) == [pytest.approx(3 * alone)]
    assert p_values([EIGHT], comparisons=1000) == [1.0]


@pytest.mark.parametrize("comparisons", [1, 3])
def test_the_interval_holds_what_the_test_does_not_reject(comparisons):
    """Moved to an end of its interval, a sample is at the edge of being rejected."""
    (found,) = compare_over_images(EIGHT[None], comparisons=comparisons, seed=0)
    low, high = found.interval
    assert found.mean == pytest.approx(EIGHT.mean())
    assert low < found.mean < high
    for end, inwards in ((low, 1e-6), (high, -1e-6)):
        assert comparisons * exact_p_value(EIGHT - end - inwards) > statistics.LEVEL
        assert comparisons * exact_p_value(EIGHT - end + inwards) <= statistics.LEVEL


def test_the_interval_agrees_with_the_normal_theory():
    values = np.random.default_rng(3).normal(0.5, 2.0, size=2_000)
    (found,) = compare_over_images(values[None], comparisons=1, seed=0)
    half = 1.96 * values.std() / np.sqrt(len(values))
    assert found.interval == pytest.approx(
        (values.mean() - half, values.mean() + half), abs=0.05 * half
    )


def test_many_comparisons_are_given_more_permutations():
    differences = np.random.default_rng(0).normal(3, 1, size=(1, 60))
    assert p_values(differences, comparisons=780)[0] == pytest.approx(780 / 160_001)


@pytest.mark.parametrize(("comparisons", "fewest"), [(1, 6), (3, 7), (15, 10)])
def test_so_few_images_can_show_nothing(comparisons, fewest):
    assert fewest_images(comparisons) == fewest
    for images in (1, fewest - 1, fewest):
        (found,) = compare_over_images(np.ones((1, images)), comparisons=comparisons, seed=0)
        assert (found.p_value <= statistics.LEVEL) == (images == fewest)
        assert np.isfinite(found.interval).all() == (images == fewest)


@pytest.mark.parametrize(
    ("comparisons", "quantile", "p_value"), [(1, 4.302653, 0.367544), (5, 9.924843, 1)]
)
def test_over_seeds_by_hand(comparisons, quantile, p_value):
    """Of Student's t with two degrees of freedom the quantiles 97.5% and 99.5%."""
    first, second = np.array([[1.0, 3.0], [2.0, 4.0]]), np.array([[0.0, 2.0], [0.0, 4.0]])
    between = variance_of_seeds([first, second])
    assert between == (pytest.approx((0.5 + 0.5) / 2), 2)
    found = compare_over_seeds(first, second, between, comparisons=comparisons)
    # Seeds: 0.5 (1/2 + 1/2); images: differences 1.5 and 0.5 of variance 0.5, over 2.
    error = np.sqrt(0.5 + 0.25)
    assert found.mean == 1.0
    assert found.interval == pytest.approx((1 - quantile * error, 1 + quantile * error))
    assert found.p_value == pytest.approx(p_value, abs=1e-5)


def test_over_seeds_allows_for_their_variance():
    generator = np.random.default_rng(0)
    images = generator.normal(size=300)
    first, second = (images + generator.normal(0, 0.1, size=(3, 300)) for _ in range(2))
    first += 0.05
    steady = compare_over_seeds(first, second, variance_of_seeds([first, second]), comparisons=1)
    assert steady.p_value < 0.01
    moved = np.array([[0.1], [0.0], [-0.1]])
    varied = [first + moved, second + moved]
    found = compare_over_seeds(*varied, variance_of_seeds(varied), comparisons=1)
    assert found.mean == pytest.approx(steady.mean)
    assert found.p_value > 0.1
    assert found.interval[0] < 0 < found.interval[1]


def test_seeds_that_all_agree_leave_no_doubt():
    ones = np.ones((2, 9))
    between = variance_of_seeds([ones, ones])
    assert compare_over_seeds(ones, 0 * ones, between, comparisons=1).p_value == 0
    assert compare_over_seeds(ones, ones, between, comparisons=1).p_value == 1


def test_mean_and_sample_deviation():
    assert mean_and_deviation([0.5]) == (0.5, None)
    mean, deviation = mean_and_deviation([1.0, 2.0, 4.0])
    assert mean == pytest.approx(7 / 3)
    assert deviation == pytest.approx(1.5275252316519468)
