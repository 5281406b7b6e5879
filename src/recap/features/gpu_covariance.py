"""The covariance on a GPU, where the whole product is quicker than half of it."""

import numpy as np
import torch

from recap.features.covariance import CovarianceSums


class GPUCovarianceSums(CovarianceSums):
    """The same sums by PyTorch, on a device that has float64."""

    def __init__(self, columns: int, device: torch.device):
        super().__init__(columns)
        self._products = torch.zeros((columns, columns), dtype=torch.float64, device=device)

    def _add_products(self, chunk: np.ndarray) -> None:
        chunk = torch.from_numpy(chunk).to(self._products.device)
        self._products.addmm_(chunk.T, chunk)

    def solve(self, components: int) -> tuple[np.ndarray, np.ndarray, float]:
        """Return the same as on the processor."""
        offset = torch.from_numpy(self.total / self.samples).to(self._products.device)
        covariance = self._products.addr_(offset, offset, alpha=-self.samples)
        covariance /= max(self.samples - 1, 1)
        variance, vectors = torch.linalg.eigh(covariance)
        found = variance[-components:], vectors[:, -components:]
        trace = covariance.diagonal().sum().item()
        return *(array.cpu().numpy() for array in found), trace
