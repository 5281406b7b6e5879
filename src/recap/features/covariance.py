"""The covariance of rows that come piece by piece, and its largest eigenvalues."""

from collections.abc import Iterable

import numpy as np
from scipy import linalg

CHUNK = 1024  # rows held in memory at a time
SLAB = 64  # columns that are rounded together: they stay in the processor's cache

# How many times larger sums may be than those of the first rows let expect, and are still exact.
HEADROOM = 16


class CovarianceSums:
    """Sums of rows and of their products around an origin, in float64.

    The origin, the mean of the first rows, keeps them exact where the mean is large against the
    spread. The sums of a block of rows are rounded to multiples of a number before they are added.
    Adding is then exact, so that blocks give the same bits in any order, and however they are
    distributed. (A sum larger than `HEADROOM` times what the first rows let expect is added with
    float64's usual rounding.)

    Parameters
    ----------
    first : array of shape (n, D)
        The first of all rows.
    all_samples : int
        Rows that the sums of all blocks will be of; 0 if there is one block, whose sums nothing is
        added to: they are not rounded.

    Attributes
    ----------
    samples : int
        Rows that were added.
    origin, total : arrays of shape (D,)
        What is subtracted from each row, and the sum of what is left.
    """

    def __init__(self, first: np.ndarray, all_samples: int = 0):
        self.origin = first.mean(axis=0, dtype=np.float64)
        spread = np.square(first[:CHUNK] - self.origin).mean(axis=0).max()
        self._anchor = _anchor(HEADROOM * all_samples * spread)
        self._total_anchor = _anchor(HEADROOM * all_samples * np.sqrt(spread))
        self.samples = 0
        self.total = np.zeros(len(self.origin))
        self._sums = self._zeros()

    @property
    def mean(self) -> np.ndarray:
        """The mean of all rows."""
        return self.origin + self.total / self.samples

    def add(self, block: Iterable[np.ndarray]) -> None:
        """Add a block of rows, which come as arrays of shape (n, D).

        A ValueError tells of a number that is not finite.
        """
        total, products = np.zeros_like(self.total), self._zeros()
        for rows in block:
            self.samples += len(rows)
            for start in range(0, len(rows), CHUNK):
                with np.errstate(invalid="ignore"):
                    chunk = np.subtract(rows[start : start + CHUNK], self.origin, dtype=np.float64)
                of_chunk = chunk.sum(axis=0)
                # What is not finite in a row is not finite in the sum.
                if not np.isfinite(of_chunk).all():
                    raise ValueError("a feature is not finite")
                total += of_chunk
                products = self._with_products(products, chunk)
        self.total += (total + self._total_anchor) - self._total_anchor
        self._add_rounded(products)

    def add_sums(self, samples: int, total: np.ndarray, products: Iterable[np.ndarray]) -> None:
        """Add sums around the same origin that `products` gave elsewhere, slab by slab."""
        self.samples += samples
        self.total += total
        for start, slab in zip(range(0, len(total), SLAB), products, strict=True):
            self._sums.T[start : start + SLAB] += slab

    def products(self) -> Iterable[np.ndarray]:
        """Yield the sums of products in slabs of shape (SLAB, D); zeros right of the diagonal."""
        for start in range(0, len(self.total), SLAB):
            yield self._sums.T[start : start + SLAB]

    def solve(self, components: int) -> tuple[np.ndarray, np.ndarray, float]:
        """Return the largest eigenvalues of the covariance, rising, their vectors, and the trace.

        The vectors are columns. The sums are used up.
        """
        offset = self.total / self.samples
        covariance = linalg.blas.dsyr(-float(self.samples), offset, a=self._sums, overwrite_a=True)
        covariance /= max(self.samples - 1, 1)
        trace = np.trace(covariance)
        last = len(offset) - 1
        variance, vectors = linalg.eigh(
            covariance,
            lower=False,
            overwrite_a=True,
            check_finite=False,
            subset_by_index=(last + 1 - components, last),
        )
        return variance, vectors, trace

    def _zeros(self) -> np.ndarray:
        # In BLAS's order, whose upper triangle holds the sums: half the work of the whole product.
        return np.zeros((len(self.origin), len(self.origin)), order="F")

    def _with_products(self, products: np.ndarray, chunk: np.ndarray) -> np.ndarray:
        return linalg.blas.dsyrk(1.0, chunk.T, beta=1.0, c=products, overwrite_c=True)

    def _add_rounded(self, products: np.ndarray) -> None:
        for start in range(0, len(self.total), SLAB):
            end = start + SLAB
            slab = products.T[start:end, :end]
            slab += self._anchor
            slab -= self._anchor
            self._sums.T[start:end, :end] += slab


def _anchor(bound: float) -> float:
    """Return what, added and subtracted, rounds numbers up to a bound to multiples of one number.

    Between two powers of two float64's numbers are equally far apart; this is in the middle there.
    Zero, which rounds nothing, where the bound is zero.
    """
    return 1.5 * 2.0 ** (np.ceil(np.log2(bound)) + 1) if 0 < bound < np.inf else 0.0
