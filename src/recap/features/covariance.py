"""The covariance of rows that come piece by piece, and its largest eigenvalues."""

import numpy as np
from scipy import linalg

CHUNK = 1024  # rows held in memory at a time


class CovarianceSums:
    """Sums of rows and of their products, around an origin, in float64.

    Parameters
    ----------
    origin : array of shape (D,)
        Near the mean.
    """

    def __init__(self, origin: np.ndarray):
        self.origin = origin
        self.total = np.zeros_like(origin)
        self._products = np.zeros((len(origin), len(origin)), order="F")

    def add(self, rows: np.ndarray) -> None:
        """Add rows of shape (n, D); a ValueError tells of a number that is not finite."""
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

    def solve(
        self, offset: np.ndarray, samples: int, components: int
    ) -> tuple[np.ndarray, np.ndarray, float]:
        """Return the largest eigenvalues of the covariance, rising, their vectors, and the trace.

        The vectors are columns. `offset` is the mean's distance from the origin.
        """
        covariance = linalg.blas.dsyr(-float(samples), offset, a=self._products, overwrite_a=True)
        covariance /= max(samples - 1, 1)
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


class TorchCovarianceSums(CovarianceSums):
    """The same by PyTorch, on a GPU, where the whole product is quicker than half of it."""

    def __init__(self, origin: np.ndarray, device: str):
        import torch

        self.origin = origin
        self.total = np.zeros_like(origin)
        self.device = device
        shape = (len(origin), len(origin))
        self._products = torch.zeros(shape, dtype=torch.float64, device=device)

    def _add_products(self, chunk: np.ndarray) -> None:
        import torch

        chunk = torch.from_numpy(chunk).to(self.device)
        self._products.addmm_(chunk.T, chunk)

    def solve(
        self, offset: np.ndarray, samples: int, components: int
    ) -> tuple[np.ndarray, np.ndarray, float]:
        """Return the same as on the processor."""
        import torch

        offset = torch.from_numpy(offset).to(self.device)
        covariance = self._products.addr_(offset, offset, alpha=-samples)
        covariance /= max(samples - 1, 1)
        variance, vectors = torch.linalg.eigh(covariance)
        found = variance[-components:], vectors[:, -components:]
        trace = covariance.diagonal().sum().item()
        return *(array.cpu().numpy() for array in found), trace
