"""How sure a difference between two captioners is."""

import numpy as np

RESAMPLES = 10_000
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
    for rows in _pieces(count):
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
        What is asked about, for each resample.
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


def permutation_p_values(differences: np.ndarray, *, seed: int) -> np.ndarray:
    """Test whether paired differences could be chance: two-sided, by swapping the two captioners.

    If the captioners were equally good, each difference could as well have the other sign. The
    p-value is the share of random choices of signs whose mean is as far from zero as the one
    observed, which is itself counted as one of them (Noreen, Computer-Intensive Methods for
    Testing Hypotheses, 1989; Phipson and Smyth, Permutation P-values should never be zero, 2010).

    Parameters
    ----------
    differences : ndarray of shape (K, N), float64
        K comparisons on each of N images.
    seed : int
        Seed of the signs.

    Returns
    -------
    ndarray of shape (K,), float64
    """
    generator = np.random.default_rng(seed)
    observed = np.abs(differences.sum(axis=1))
    # Sums that are equal on paper differ in the last bits with the order of their terms.
    threshold = observed - 1e-9 * np.abs(differences).sum(axis=1)
    as_far = np.zeros(len(differences))
    for rows in _pieces(differences.shape[1]):
        signs = generator.integers(2, size=(rows, differences.shape[1]), dtype=np.int8) * 2.0 - 1.0
        as_far += (np.abs(signs @ differences.T) >= threshold).sum(axis=0)
    return (as_far + 1) / (RESAMPLES + 1)


def holm(p_values: np.ndarray) -> np.ndarray:
    """Return p-values that allow for how many comparisons are made.

    Holm, A simple sequentially rejective multiple test procedure, Scandinavian Journal of
    Statistics 1979.

    Parameters
    ----------
    p_values : ndarray of shape (K,), float64
        One of each comparison.

    Returns
    -------
    ndarray of shape (K,), float64
        At most 1, and in the same order.
    """
    order = np.argsort(p_values, kind="stable")
    factors = np.arange(len(p_values), 0, -1)
    adjusted = np.empty(len(p_values))
    adjusted[order] = np.minimum(np.maximum.accumulate(factors * p_values[order]), 1)
    return adjusted


def mean_and_deviation(values: list[float]) -> tuple[float, float | None]:
    """Return the mean over seeds and the sample standard deviation, None for a single seed."""
    return float(np.mean(values)), float(np.std(values, ddof=1)) if len(values) > 1 else None


def _pieces(count: int) -> list[int]:
    """Return how many resamples to draw at once: all of COCO's 40,504 images would take 3 GB."""
    at_once = max(1, DRAWS_AT_ONCE // count)
    return [min(at_once, RESAMPLES - start) for start in range(0, RESAMPLES, at_once)]
