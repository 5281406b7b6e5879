"""A minibatch of captions as a captioner in PyTorch takes it: packed, in tensors."""

from typing import NamedTuple

import numpy as np
import torch

from recap.captioners.packing import pack_captions


class Minibatch(NamedTuple):
    """Packed captions (see `recap.captioners.packing`), all on one device.

    Attributes
    ----------
    sizes : tuple of T int
        How many captions are running at each step.
    order : tensor of shape (N,), int64
        The captions by falling length.
    words : tensor of shape (U,), int64
        The inputs, each once.
    places : tensor of shape (P,), int64
        Which of `words` each packed input is.
    rows, steps : tensors of shape (P,), int64
        Of each packed input, the place of its caption in `order`, and the step.
    targets : tensor of shape (P,), int64
        The true next words, packed.
    weights : tensor of shape (P,), float32
        What the loss of each target is multiplied by.
    """

    sizes: tuple[int, ...]
    order: torch.Tensor
    words: torch.Tensor
    places: torch.Tensor
    rows: torch.Tensor
    steps: torch.Tensor
    targets: torch.Tensor
    weights: torch.Tensor

    def tensors(self) -> tuple[torch.Tensor, ...]:
        """Return all but the sizes."""
        return self[1:]

    def to(self, device: torch.device) -> "Minibatch":
        """Return the same on a device."""
        return Minibatch(self.sizes, *(part.to(device) for part in self.tensors()))


def pack_minibatch(
    captions: np.ndarray,
    null: int,
    factors: np.ndarray | None = None,
    multiple: int = 1,
    words_multiple: int = 1,
) -> Minibatch:
    """Pack captions for a loss that is summed over words and averaged over captions.

    Parameters
    ----------
    captions : integer array of shape (N, T + 1)
        Each `<START>`, words, `<END>`, `<NULL>`s.
    null : int
        The number of `<NULL>`, which is no target.
    factors : array of shape (N,), optional
        What each caption's loss is multiplied by.
    multiple, words_multiple : int
        What the captions at a step, and `words`, are filled up to a multiple of.

    Returns
    -------
    Minibatch
        On the CPU. What fills up has no weight.
    """
    order, sizes, inputs, targets = pack_captions(captions, null, multiple)
    words, places = np.unique(inputs, return_inverse=True)
    words = np.pad(words, (0, -len(words) % words_multiple))
    rows = np.concatenate([np.arange(size) for size in sizes])
    steps = np.repeat(np.arange(len(sizes)), sizes)
    order, words, places, rows, steps, targets = (
        torch.from_numpy(numbers.astype(np.int64))
        for numbers in (order, words, places, rows, steps, targets)
    )
    weights = (targets != null) / len(captions)
    if factors is not None:
        weights *= torch.from_numpy(factors).to(weights)[order][rows]
    return Minibatch(tuple(sizes.tolist()), order, words, places, rows, steps, targets, weights)


class Padding:
    """Moves packed rows (P, E) into captions of one length (N, T, E), and back.

    Parameters
    ----------
    batch : Minibatch
        Captions.
    """

    def __init__(self, batch: Minibatch):
        self._shape = len(batch.order), len(batch.sizes)
        self._places = batch.rows * len(batch.sizes) + batch.steps

    def pad(self, rows: torch.Tensor) -> torch.Tensor:
        """Return captions (N, T, E), with zeros where there is no row."""
        count, steps = self._shape
        captions = rows.new_zeros(count * steps, rows.shape[1])
        return captions.index_copy(0, self._places, rows).view(count, steps, -1)

    def pack(self, captions: torch.Tensor) -> torch.Tensor:
        """Return packed rows (P, E)."""
        return captions.flatten(0, 1).index_select(0, self._places)
