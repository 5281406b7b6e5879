"""The covariance of rows that come piece by piece, and its largest eigenvalues."""

import numpy as np
from scipy import linalg

CHUNK = 1024  # rows held in memory at a time


class CovarianceSums:
    """Sums of rows and of their products, in float64.

    They are taken around the mean of the first rows, which keeps them exact where the mean is large
    against the spread.

    Parameters
    ----------
    columns : int
        Numbers a row, D.

    Attributes
    ----------
    samples : int
        Rows that were added.
    origin, total : arrays of shape (D,)
        What is subtracted from each row, and the sum of what is left.
    """

    def __init__(self, columns: int):
        self.samples = 0
        self.origin = np.zeros(columns)
        self.total = np.zeros(columns)
        self._products = np.zeros((columns, columns), order="F")

    @property
    def mean(self) -> np.ndarray:
        """The mean of all rows."""
        return self.origin + self.total / self.samples

    def add(self, rows: np.ndarray) -> None:
        """Add rows of shape (n, D); a ValueError tells of a number that is not finite."""
        if not self.samples:
            self.origin = rows.mean(axis=0, dtype=np.float64)
        self.samples += len(rows)
        for start in range(0, len(rows), CHUNK):
            with np.errstate(invalid="ignore"):
                chunk = np.subtract(rows[start : start + CHUNK], self.origin, dtype=np.float64)
            total = chunk.sum(axis=0)
            # What is not finite in a row is not finite in the sum.
            if not np.isfinite(total).all():
                raise ValueError("a feature is not finite")
            self.total += total
            self._add_products(chunk)

    def _add_products(self, chunk: np.ndarray) -> None:
        # Only the upper triangle is summed: half the work of the whole product.
        self._products = linalg.blas.dsyrk(
            1.0, chunk.T, beta=1.0, c=self._products, overwrite_c=True
        )

    def solve(self, components: int) -> tuple[np.ndarray, np.ndarray, float]:
        """Return the largest eigenvalues of the covariance, rising, their vectors, and the trace.

        The vectors are columns. The sums are used up.
        """
        offset = self.total / self.samples
        covariance = linalg.blas.dsyr(
            -float(self.samples), offset, a=self._products, overwrite_a=True
        )
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
