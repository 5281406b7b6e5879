"""The layers of CS231n's recurrent networks in PyTorch, as the course has them since 2025.

They are the formulas of `recap.captioners.layers`, without caches: PyTorch differentiates.
"""

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

__all__ = [
    "affine_forward",
    "lstm_forward",
    "lstm_step_forward",
    "rnn_forward",
    "rnn_step_forward",
    "temporal_affine_forward",
    "temporal_softmax_loss",
    "torch",
    "word_embedding_forward",
]


def affine_forward(x: Tensor, w: Tensor, b: Tensor) -> Tensor:
    """Map each example (N, d_1, ..., d_k) to `x w + b` (N, M)."""
    return x.reshape(len(x), -1) @ w + b


def temporal_affine_forward(x: Tensor, w: Tensor, b: Tensor) -> Tensor:
    """Map the vectors of all steps (N, T, D) to `x w + b` (N, T, M)."""
    return x @ w + b


def word_embedding_forward(x: Tensor, W: Tensor) -> Tensor:
    """Look up the vectors (N, T, D) of words (N, T) in a table (V, D)."""
    return W[x]


def rnn_step_forward(x: Tensor, prev_h: Tensor, Wx: Tensor, Wh: Tensor, b: Tensor) -> Tensor:
    """Run one step of the vanilla RNN: `tanh(x Wx + prev_h Wh + b)` (N, H)."""
    return torch.tanh(x @ Wx + prev_h @ Wh + b)


def rnn_forward(x: Tensor, h0: Tensor, Wx: Tensor, Wh: Tensor, b: Tensor) -> Tensor:
    """Run the vanilla RNN over sequences (N, T, D); return its hidden states (N, T, H)."""
    states = [h0]
    for inputs in x.unbind(1):
        states.append(rnn_step_forward(inputs, states[-1], Wx, Wh, b))
    return torch.stack(states[1:], dim=1)


def lstm_step_forward(
    x: Tensor, prev_h: Tensor, prev_c: Tensor, Wx: Tensor, Wh: Tensor, b: Tensor
) -> tuple[Tensor, Tensor]:
    """Run one step of the LSTM, with gates in the order i, f, o, g; return `next_h`, `next_c`."""
    i, f, o, g = (x @ Wx + prev_h @ Wh + b).chunk(4, dim=1)
    next_c = f.sigmoid() * prev_c + i.sigmoid() * g.tanh()
    return o.sigmoid() * next_c.tanh(), next_c


def lstm_forward(x: Tensor, h0: Tensor, Wx: Tensor, Wh: Tensor, b: Tensor) -> Tensor:
    """Run the LSTM over sequences (N, T, D) from an empty memory; return the states (N, T, H)."""
    h, c, states = h0, torch.zeros_like(h0), []
    for inputs in x.unbind(1):
        h, c = lstm_step_forward(inputs, h, c, Wx, Wh, b)
        states.append(h)
    return torch.stack(states, dim=1)


def temporal_softmax_loss(x: Tensor, y: Tensor, mask: Tensor, verbose: bool = False) -> Tensor:
    """Return the cross-entropy of words (N, T), summed over steps and averaged over sequences.

    Parameters
    ----------
    x : tensor of shape (N, T, V)
        Scores of all words at each step.
    y : tensor of shape (N, T), int64
        The true word of each step.
    mask : tensor of shape (N, T), bool
        Which steps count.
    verbose : bool
        Part of the course's interface, without effect there too.

    Returns
    -------
    tensor of shape ()
        Nats a sequence.
    """
    losses = F.cross_entropy(x.flatten(0, 1), y.flatten(), reduction="none")
    return (losses * mask.flatten()).sum() / len(x)
