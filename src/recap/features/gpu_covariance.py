"""The covariance on a GPU, where the whole product is quicker than half of it."""

from collections.abc import Iterable

import numpy as np
import torch

from recap.features.covariance import SLAB, CovarianceSums


class GPUCovarianceSums(CovarianceSums):
    """The same sums by PyTorch, on a device that has float64."""

    def __init__(self, first: np.ndarray, all_samples: int, device: torch.device):
        self._device = device
        super().__init__(first, all_samples)

    def add_sums(self, samples: int, total: np.ndarray, products: Iterable[np.ndarray]) -> None:
        """Add sums as on the processor."""
        self.samples += samples
        self.total += total
        for start, slab in zip(range(0, len(total), SLAB), products, strict=True):
            self._sums[start : start + SLAB] += torch.from_numpy(slab).to(self._device)

    def products(self) -> Iterable[np.ndarray]:
        """Yield the sums as on the processor."""
        for start in range(0, len(self.total), SLAB):
            yield self._sums[start : start + SLAB].tril(start).cpu().numpy()

    def solve(self, components: int) -> tuple[np.ndarray, np.ndarray, float]:
        """Return the same as on the processor."""
        offset = torch.from_numpy(self.total / self.samples).to(self._device)
        covariance = self._sums.addr_(offset, offset, alpha=-self.samples)
        covariance /= max(self.samples - 1, 1)
        variance, vectors = torch.linalg.eigh(covariance)
        found = variance[-components:], vectors[:, -components:]
        trace = covariance.diagonal().sum().item()
        return *(array.cpu().numpy() for array in found), trace

    def _zeros(self) -> torch.Tensor:
        size = len(self.origin)
        return torch.zeros((size, size), dtype=torch.float64, device=self._device)

    def _with_products(self, products: torch.Tensor, chunk: np.ndarray) -> torch.Tensor:
        chunk = torch.from_numpy(chunk).to(self._device)
        return products.addmm_(chunk.T, chunk)

    def _add_rounded(self, products: torch.Tensor) -> None:
        self._sums += products.add_(self._anchor).sub_(self._anchor)
