"""The layers of a captioning network, as pairs of NumPy functions that differentiate by hand.

Every layer is two pure functions. `x_forward(inputs, parameters) -> output, cache` computes the
layer and keeps in `cache` what its derivative needs; `x_backward(doutput, cache) -> gradients`
applies the chain rule. Names, argument orders and shapes are those of Stanford's CS231n
(assignment 3, "RNN captioning" and "LSTM captioning"), so that its notebooks run on them.

Notation, here and in the docstrings: `N` captions, `T` steps, `D` numbers in a word vector, `H` in
a hidden state, `V` words in the vocabulary. `dz` is the gradient of the loss with respect to `z`
and has the shape of `z`. All that a backward pass needs are three rules:

- product: if `Y = X W`, then `dX = dY Wᵀ` and `dW = Xᵀ dY` (only these have the right shapes);
- elementwise function: if `y = f(x)`, then `dx = dy · f'(x)`;
- a value used twice receives the sum of the gradients of its uses.

The outputs have the dtype of the inputs: float32 for speed, float64 to check gradients.
"""

from recap.captioners.layers.affine import (
    affine_backward,
    affine_forward,
    temporal_affine_backward,
    temporal_affine_forward,
)
from recap.captioners.layers.embedding import word_embedding_backward, word_embedding_forward
from recap.captioners.layers.gru import (
    gru_backward,
    gru_forward,
    gru_recurrence_backward,
    gru_recurrence_forward,
    gru_step_backward,
    gru_step_forward,
)
from recap.captioners.layers.loss import cross_entropy, temporal_softmax_loss
from recap.captioners.layers.lstm import (
    lstm_backward,
    lstm_forward,
    lstm_recurrence_backward,
    lstm_recurrence_forward,
    lstm_step_backward,
    lstm_step_forward,
    sigmoid,
)
from recap.captioners.layers.rnn import (
    rnn_backward,
    rnn_forward,
    rnn_recurrence_backward,
    rnn_recurrence_forward,
    rnn_step_backward,
    rnn_step_forward,
)

__all__ = [
    "affine_backward",
    "affine_forward",
    "cross_entropy",
    "gru_backward",
    "gru_forward",
    "gru_recurrence_backward",
    "gru_recurrence_forward",
    "gru_step_backward",
    "gru_step_forward",
    "lstm_backward",
    "lstm_forward",
    "lstm_recurrence_backward",
    "lstm_recurrence_forward",
    "lstm_step_backward",
    "lstm_step_forward",
    "rnn_backward",
    "rnn_forward",
    "rnn_recurrence_backward",
    "rnn_recurrence_forward",
    "rnn_step_backward",
    "rnn_step_forward",
    "sigmoid",
    "temporal_affine_backward",
    "temporal_affine_forward",
    "temporal_softmax_loss",
    "word_embedding_backward",
    "word_embedding_forward",
]
