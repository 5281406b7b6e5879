"""Intervals and tests of the difference between two captioners."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from scipy.special import stdtr, stdtrit

LEVEL = 0.05  # of a test, after it was adjusted
RESAMPLES = 10_000
COMPARISONS = 50  # with more of them, more resamples are needed for p-values as small
DRAWS_AT_ONCE = 4_000_000


def resampled_means(values: np.ndarray, *, seed: int) -> np.ndarray:
    """Return the means of bootstrap resamples of the images.

    An image is drawn with all its values, so that the columns of the result can be subtracted
    from each other: this is the paired bootstrap (Efron and Tibshirani, An Introduction to the
    Bootstrap, 1993, section 13.3; Koehn, Statistical significance tests for machine translation
    evaluation, EMNLP 2004, has the paired form).

    Parameters
    ----------
    values : ndarray of shape (K, N), float64
        K values of each of N images.
    seed : int
        Seed of the resampling.

    Returns
    -------
    ndarray of shape (RESAMPLES, K), float64
    """
    generator = np.random.default_rng(seed)
    count = values.shape[1]
    means = []
    for rows in _pieces(count, RESAMPLES):
        drawn = generator.integers(count, size=(rows, count))
        drawn += np.arange(rows)[:, None] * count
        times = np.bincount(drawn.ravel(), minlength=rows * count).reshape(rows, count)
        means.append(times @ values.T / count)
    return np.concatenate(means)


def interval(means: np.ndarray, *, level: float = 0.95) -> tuple[float, float]:
    """Return the percentile bootstrap interval.

    Parameters
    ----------
    means : ndarray of shape (RESAMPLES,), float64
        The statistic of each resample.
    level : float
        Share of the resamples that the interval holds.

    Returns
    -------
    tuple of (float, float)
        Lower and upper end.
    """
    tail = (1 - level) / 2
    low, high = np.quantile(means, [tail, 1 - tail])
    return float(low), float(high)


@dataclass(frozen=True)
class Difference:
    """The difference between two captioners, with its interval and p-value.

    Attributes
    ----------
    mean : float
        The first's mean score minus the second's.
    interval : tuple of (float, float)
        The differences that the test does not reject; infinite where it can reject none.
    p_value : float
        Of the test against no difference, adjusted for the number of comparisons. It is at most
        `LEVEL` where the interval excludes zero, and only there.
    """

    mean: float
    interval: tuple[float, float]
    p_value: float


def fewest_images(comparisons: int) -> int:
    """Return how many images a permutation test needs to find any difference.

    The smallest p-value of N images is that of two of all choices of signs, 2 / 2^N, times the
    number of comparisons.
    """
    return math.ceil(1 + math.log2(comparisons / LEVEL))


def compare_over_images(
    differences: np.ndarray, *, comparisons: int, seed: int
) -> list[Difference]:
    """Test paired differences: two-sided, by swapping the two captioners.

    If the captioners were equally good, each difference could as well have the other sign. The
    p-value is the share of random choices of signs whose mean is as far from zero as the one
    observed, which is itself counted as one of them (Noreen, Computer-Intensive Methods for
    Testing Hypotheses, 1989; Phipson and Smyth, Permutation P-values should never be zero, 2010).
    Of few images all choices are taken. By Bonferroni's method it is then multiplied by the number
    of comparisons.

    The interval holds the true differences that the same test with the same signs does not reject
    (Tritchler, On inverting permutation tests, Journal of the American Statistical Association
    1984). A choice of signs parts the images in two; it is as far as the observed one exactly for
    differences between the means of the two parts.

    Parameters
    ----------
    differences : ndarray of shape (K, N), float64
        K comparisons on each of N images.
    comparisons : int
        How many comparisons are made in all; K or more.
    seed : int
        Seed of the signs.

    Returns
    -------
    list of K Difference
    """
    count = differences.shape[1]
    totals = differences.sum(axis=1)
    # Sums that are equal on paper differ in the last bits with the order of their terms.
    rounding = 1e-9 * np.abs(differences).mean(axis=1)
    lows, highs = [], []
    for signs in _signs(count, RESAMPLES * math.ceil(comparisons / COMPARISONS), seed):
        flipped = signs @ differences.T
        balance = signs.sum(axis=1, keepdims=True)
        with np.errstate(divide="ignore", invalid="ignore"):
            ends = np.stack(
                [(totals + flipped) / (count + balance), (totals - flipped) / (count - balance)]
            )
        # A choice that parts nothing off is as far whatever the difference.
        whole = np.abs(balance[:, 0]) == count
        ends[0, whole], ends[1, whole] = -np.inf, np.inf
        lows.append(ends.min(axis=0) - rounding)
        highs.append(ends.max(axis=0) + rounding)
    low, high = np.concatenate(lows), np.concatenate(highs)
    as_far = ((low <= 0) & (high >= 0)).sum(axis=0)
    p_values = np.minimum(1, comparisons * as_far / len(low))
    # So many choices may be as far as the observed one, and the difference is rejected still.
    spare = math.floor(LEVEL / comparisons * len(low))
    low = np.partition(low, spare, axis=0)[spare]
    high = -np.partition(-high, spare, axis=0)[spare]
    return [
        Difference(float(total / count), (float(start), float(end)), float(p_value))
        for total, start, end, p_value in zip(totals, low, high, p_values, strict=True)
    ]


def variance_of_seeds(scores: list[np.ndarray]) -> tuple[float, int]:
    """Return the variance between seeds, which is taken to be that of all captioners alike.

    Parameters
    ----------
    scores : list of ndarray of shape (S, N), float64
        Of each captioner the score of each seed on each image; S may differ.

    Returns
    -------
    tuple of (float, int)
        The variance between the seeds' means, and its degrees of freedom.
    """
    means = [values.mean(axis=1) for values in scores]
    freedom = sum(len(of_seeds) - 1 for of_seeds in means)
    squares = sum(float(np.square(of_seeds - of_seeds.mean()).sum()) for of_seeds in means)
    return squares / freedom, freedom


def compare_over_seeds(
    first: np.ndarray,
    second: np.ndarray,
    variance_and_freedom: tuple[float, int],
    *,
    comparisons: int,
) -> Difference:
    """Test the difference between two captioners over seeds and images alike.

    Seeds and images are both drawn: the variance of the difference is that between seeds plus that
    between images, as in Clark's min F' (The language-as-fixed-effect fallacy, Journal of Verbal
    Learning and Verbal Behavior 1973). Its t test takes the degrees of freedom of the seeds alone,
    which are the fewer: Satterthwaite's approximation rejects too often where there are two or
    three seeds. Bonferroni's method adjusts it.

    Parameters
    ----------
    first : ndarray of shape (S, N), float64
        Score of each seed on each image, of two images at least.
    second : ndarray of shape (T, N), float64
        The same of the other captioner.
    variance_and_freedom : tuple of (float, int)
        From `variance_of_seeds`.
    comparisons : int
        How many comparisons are made in all.
    """
    differences = first.mean(axis=0) - second.mean(axis=0)
    mean = float(differences.mean())
    between_seeds, freedom = variance_and_freedom
    variance = between_seeds * (1 / len(first) + 1 / len(second))
    variance += differences.var(ddof=1) / len(differences)
    error = math.sqrt(variance)
    half = -float(stdtrit(freedom, LEVEL / comparisons / 2)) * error
    distance = abs(mean) / error if error else math.inf if mean else 0.0
    p_value = min(1.0, comparisons * 2 * float(stdtr(freedom, -distance)))
    return Difference(mean, (mean - half, mean + half), p_value)


def mean_and_deviation(values: list[float]) -> tuple[float, float | None]:
    """Return the mean over seeds and the sample standard deviation, None for a single seed."""
    return float(np.mean(values)), float(np.std(values, ddof=1)) if len(values) > 1 else None


def _signs(count: int, most: int, seed: int) -> Iterator[np.ndarray]:
    """Yield rows of N signs: all if those are not more than `most`, or else the plus and others."""
    if 2**count <= most:
        yield (np.arange(2**count)[:, None] >> np.arange(count) & 1) * -2.0 + 1.0
        return
    yield np.ones((1, count))
    generator = np.random.default_rng(seed)
    for rows in _pieces(count, most):
        yield generator.integers(2, size=(rows, count), dtype=np.int8) * 2.0 - 1.0


def _pieces(count: int, resamples: int) -> list[int]:
    """Return how many resamples to draw at once: all of COCO's 40,504 images would take 3 GB."""
    at_once = max(1, DRAWS_AT_ONCE // count)
    return [min(at_once, resamples - start) for start in range(0, resamples, at_once)]
