"""Training steps that a GPU repeats without being told of each kernel anew."""

from collections.abc import Callable
from typing import NamedTuple

import torch

from recap.captioners.minibatch import Minibatch


class Recording(NamedTuple):
    """A step as a CUDA graph, where it reads its inputs, and where it leaves the loss."""

    graph: torch.cuda.CUDAGraph
    features: torch.Tensor
    batch: Minibatch
    loss: torch.Tensor


class RecordedSteps:
    """Training steps on a GPU, recorded once for each shape of a minibatch and then replayed.

    To start the hundreds of kernels of a step takes a processor several times as long as they take
    the GPU; a CUDA graph is started at once. All steps are replayed, the first of a shape too:
    training that was interrupted ends in the same bytes.

    Parameters
    ----------
    loss : callable
        Returns the loss of features and a minibatch.
    descend : callable
        Takes a step against the gradient of a loss. What it reads and writes keeps its place in
        memory: parameters, moments, the learning rate.
    device : torch.device
        The GPU.
    """

    def __init__(
        self,
        loss: Callable[[torch.Tensor, Minibatch], torch.Tensor],
        descend: Callable[[torch.Tensor], None],
        device: torch.device,
    ):
        self._loss = loss
        self._descend = descend
        self._device = device
        self._recordings: dict[tuple, Recording] = {}
        self._memory = torch.cuda.graph_pool_handle()

    def __call__(self, features: torch.Tensor, batch: Minibatch) -> torch.Tensor:
        """Take a step.

        Parameters
        ----------
        features : tensor of shape (N, K F)
            On the CPU.
        batch : Minibatch
            On the CPU, of one shape for all captions of one length.

        Returns
        -------
        tensor of shape ()
            The loss before the step; the next one overwrites it.
        """
        key = features.shape, batch.sizes
        if key not in self._recordings:
            self._recordings[key] = self._record(features, batch)
        recording = self._recordings[key]
        recording.features.copy_(features)
        for place, part in zip(recording.batch.tensors(), batch.tensors(), strict=True):
            place.copy_(part)
        recording.graph.replay()
        return recording.loss

    def _record(self, features: torch.Tensor, batch: Minibatch) -> Recording:
        features, batch = features.to(self._device), batch.to(self._device)
        # Libraries prepare themselves at their first call, and that cannot be recorded.
        generator = torch.cuda.get_rng_state(self._device)
        before, beside = torch.cuda.current_stream(self._device), torch.cuda.Stream(self._device)
        beside.wait_stream(before)
        with torch.cuda.stream(beside):
            self._loss(features, batch).backward()
        before.wait_stream(beside)
        torch.cuda.set_rng_state(generator, self._device)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph, pool=self._memory):
            loss = self._loss(features, batch)
            self._descend(loss)
        return Recording(graph, features, batch, loss.detach())
