"""Recurrences and loss over captions by fused kernels of libraries, where they are faster.

cuDNN, on a GPU, and oneDNN run all steps of a caption at once. `recap.captioners.recurrences` takes
twenty small operations for each step: a GPU is done with one before the next is started, and where
products take next to no time, as with AMX, passes over memory take most of it.
"""

import torch
from torch.nn import functional as F  # noqa: N812

from recap.captioners.recipe import GATES
from recap.captioners.recurrences import exact_precision

# Which of CS231n's blocks each of PyTorch's is: its LSTM has the candidate before the output gate.
ORDER = {"rnn": [0], "gru": [0, 1, 2], "lstm": [0, 1, 3, 2]}


def run_recurrence(
    architecture: str,
    x: torch.Tensor,
    h0: torch.Tensor,
    Wx: torch.Tensor,
    Wh: torch.Tensor,
    b: torch.Tensor,
) -> torch.Tensor:
    """Return the hidden states of all steps, as `recap.captioners.recurrences` computes them.

    Parameters
    ----------
    architecture : {"rnn", "gru", "lstm"}
        Which cell.
    x : tensor of shape (T, N, D)
        Inputs.
    h0 : tensor of shape (N, H)
        The first states; the LSTM's memory is empty.
    Wx, Wh, b : tensors of shape (D, kH), (H, kH) and (kH,)
        Weights in CS231n's layout, of one dtype with `x` and `h0`.

    Returns
    -------
    tensor of shape (T, N, H)
    """
    parts = [_by_gate(architecture, part) for part in (Wx, Wh, b[None])]
    parts.append(torch.zeros_like(b))  # PyTorch has two biases, of which the sum counts.
    # One after another in memory, as cuDNN wants them: else they are copied at each call.
    flat = torch.cat([part.reshape(-1) for part in parts])
    shapes = [Wx.mT.shape, Wh.mT.shape, b.shape, b.shape]
    pieces = flat.split([shape.numel() for shape in shapes])
    weights = [piece.view(shape) for piece, shape in zip(pieces, shapes, strict=True)]
    state = (h0[None], torch.zeros_like(h0[None])) if architecture == "lstm" else h0[None]
    run = {"rnn": torch.rnn_tanh, "gru": torch.gru, "lstm": torch.lstm}[architecture]
    # With biases, of one layer, without dropout, in training, in one direction, steps first.
    return run(x, state, weights, True, 1, 0.0, True, False, False)[0]


def _by_gate(architecture: str, weight: torch.Tensor) -> torch.Tensor:
    """Return a weight (R, kH) as PyTorch has it, (kH, R)."""
    blocks = weight.chunk(GATES[architecture], dim=1)
    return torch.cat([blocks[gate] for gate in ORDER[architecture]], dim=1).T


def vocabulary_loss(
    h: torch.Tensor, W: torch.Tensor, b: torch.Tensor, targets: torch.Tensor, weights: torch.Tensor
) -> torch.Tensor:
    """Return the loss, as `recap.captioners.recurrences.VocabularyLoss` computes it.

    Parameters
    ----------
    h : tensor of shape (P, H)
        Hidden states, packed.
    W, b : tensors of shape (H, V) and (V,)
        What makes scores of them, of the same dtype.
    targets : tensor of shape (P,), int64
        The true words.
    weights : tensor of shape (P,)
        What each word's loss is multiplied by.

    Returns
    -------
    tensor of shape ()
        Nats, in single precision at least.
    """
    scores = torch.addmm(b, h, W)
    scores = scores.to(exact_precision(scores))
    return F.cross_entropy(scores, targets, reduction="none") @ weights.to(scores.dtype)
