"""The captioner in NumPy: an image's features start a recurrent network that writes the caption.

The model and its interface are those of Stanford's CS231n, assignment 3, whose notebooks run on
it. The idea of a language model that is conditioned on a network's image features:
A. Karpathy and L. Fei-Fei, "Deep visual-semantic alignments for generating image descriptions",
CVPR 2015; O. Vinyals et al., "Show and tell: a neural image caption generator", CVPR 2015.
"""

from typing import Literal

import numpy as np

from recap.captioners.layers import (
    affine_backward,
    affine_forward,
    cross_entropy,
    gru_recurrence_backward,
    gru_recurrence_forward,
    gru_step_forward,
    lstm_recurrence_backward,
    lstm_recurrence_forward,
    lstm_step_forward,
    rnn_recurrence_backward,
    rnn_recurrence_forward,
    rnn_step_forward,
    word_embedding_backward,
    word_embedding_forward,
)
from recap.captioners.packing import pack_captions
from recap.captioners.recipe import GATES

CELLS = {
    "rnn": (rnn_recurrence_forward, rnn_recurrence_backward, rnn_step_forward),
    "gru": (gru_recurrence_forward, gru_recurrence_backward, gru_step_forward),
    "lstm": (lstm_recurrence_forward, lstm_recurrence_backward, lstm_step_forward),
}


def first_state(cell_type: str, h0: np.ndarray) -> tuple[np.ndarray, ...]:
    """Return what a cell starts from: the hidden state (N, H), and the LSTM's empty memory."""
    return (h0, np.zeros_like(h0)) if cell_type == "lstm" else (h0,)


class CaptioningRNN:
    """A recurrent network that writes a caption word by word, starting from an image's features.

    The features, projected, are the first hidden state: `h0 = features W_proj + b_proj`. At each
    step the network reads a word's vector, updates its state, and scores every word of the
    vocabulary as the next: `scores = h W_vocab + b_vocab`.

    Parameters
    ----------
    word_to_idx : dict of str to int
        The vocabulary; its length is V. `loss` needs `<NULL>`, `sample` also `<START>`.
    input_dim : int
        Width F of the image features.
    wordvec_dim : int
        Width D of the word vectors.
    hidden_dim : int
        Width H of the hidden state.
    cell_type : {"rnn", "gru", "lstm"}
        Vanilla RNN (k = 1 below), GRU (k = 3) or LSTM (k = 4).
    dtype : dtype
        float32 to train, float64 to check gradients.

    Attributes
    ----------
    idx_to_word : dict of int to str
        `word_to_idx` the other way round.
    params : dict of str to array
        `W_embed` (V, D), `W_proj` (F, H), `b_proj` (H,), `Wx` (D, kH), `Wh` (H, kH), `b` (kH,),
        `W_vocab` (H, V), `b_vocab` (V,). Biases start at zero, word vectors normal with deviation
        0.01, other weights normal with deviation 1/√(rows), all drawn from NumPy's global
        generator: `np.random.seed` makes them repeatable.

    Raises
    ------
    ValueError
        If the cell type is unknown or the vocabulary lacks `<NULL>`.
    """

    def __init__(
        self,
        word_to_idx: dict[str, int],
        input_dim: int = 512,
        wordvec_dim: int = 128,
        hidden_dim: int = 128,
        cell_type: Literal["rnn", "gru", "lstm"] = "rnn",
        dtype: type = np.float32,
    ):
        if cell_type not in CELLS:
            raise ValueError(f"cell_type is {cell_type!r}; it must be one of {', '.join(CELLS)}.")
        if "<NULL>" not in word_to_idx:
            raise ValueError("word_to_idx has no <NULL>, the word that fills short captions.")
        self.cell_type = cell_type
        self.dtype = dtype
        self.word_to_idx = word_to_idx
        self.idx_to_word = {number: word for word, number in word_to_idx.items()}
        self._null = word_to_idx["<NULL>"]
        self._start = word_to_idx.get("<START>")
        self._end = word_to_idx.get("<END>")

        vocab_size = len(word_to_idx)
        self._kept: dict[str, np.ndarray] = {}
        gates_dim = GATES[cell_type] * hidden_dim

        def normal(rows: int, columns: int, deviation: float) -> np.ndarray:
            # The global generator, and this order of draws, are the course's.
            return (np.random.randn(rows, columns) * deviation).astype(dtype)  # noqa: NPY002

        self.params = {
            "W_embed": normal(vocab_size, wordvec_dim, 0.01),
            "W_proj": normal(input_dim, hidden_dim, input_dim**-0.5),
            "b_proj": np.zeros(hidden_dim, dtype),
            "Wx": normal(wordvec_dim, gates_dim, wordvec_dim**-0.5),
            "Wh": normal(hidden_dim, gates_dim, hidden_dim**-0.5),
            "b": np.zeros(gates_dim, dtype),
            "W_vocab": normal(hidden_dim, vocab_size, hidden_dim**-0.5),
            "b_vocab": np.zeros(vocab_size, dtype),
        }

    def loss(
        self, features: np.ndarray, captions: np.ndarray
    ) -> tuple[float, dict[str, np.ndarray]]:
        """Return the loss of a minibatch and its gradients.

        The loss is the cross-entropy of each next word, summed over a caption's real words (those
        that are not `<NULL>`) and averaged over the captions. What follows a caption's last real
        word is not computed.

        Parameters
        ----------
        features : array of shape (N, F)
            Image features.
        captions : integer array of shape (N, T + 1)
            Word ids, from `<START>` to `<END>`, filled up with `<NULL>`.

        Returns
        -------
        loss : float
            In nats a caption.
        grads : dict of str to array
            The gradient of the loss with respect to each of `params`.

        Raises
        ------
        ValueError
            If the features have another width or are not finite, or if the captions are not N rows
            of ids of the vocabulary.
        """
        p = self.params
        features = self._check_features(features)
        captions = self._check_captions(captions, len(features))
        recurrence_forward, recurrence_backward, _ = CELLS[self.cell_type]
        order, sizes, inputs, targets = pack_captions(captions, self._null)
        weights = (targets != self._null).astype(self.dtype) / len(captions)

        features = features[order]
        h0, _ = affine_forward(features, p["W_proj"], p["b_proj"])
        # A word enters the cell alike wherever it stands: each is projected once, then looked up.
        words, places = np.unique(inputs, return_inverse=True)
        x, embedding = word_embedding_forward(words, p["W_embed"])
        projected_words, input_projection = affine_forward(x, p["Wx"], p["b"])
        a, lookup = word_embedding_forward(
            places, projected_words, out=self._memory("a", len(places), len(p["b"]))
        )
        h, recurrence = recurrence_forward(a, sizes, h0, p["Wh"])
        scores, word_scores = affine_forward(
            h, p["W_vocab"], p["b_vocab"], out=self._memory("scores", len(h), len(p["b_vocab"]))
        )
        loss, dscores = cross_entropy(scores, targets, weights)

        grads = {}
        dh, grads["W_vocab"], grads["b_vocab"] = affine_backward(
            dscores, word_scores, out=self._memory("dh", *h.shape)
        )
        da, dh0, grads["Wh"] = recurrence_backward(dh, recurrence)
        dprojected_words = word_embedding_backward(da, lookup)
        dx, grads["Wx"], grads["b"] = affine_backward(dprojected_words, input_projection)
        grads["W_embed"] = word_embedding_backward(dx, embedding)
        # The features are not trained: their gradient is left out.
        grads["W_proj"], grads["b_proj"] = features.T @ dh0, dh0.sum(axis=0)
        return loss, grads

    def sample(self, features: np.ndarray, max_length: int = 30) -> np.ndarray:
        """Write a caption for each image, greedily: always the word with the highest score.

        Parameters
        ----------
        features : array of shape (N, F)
            Image features.
        max_length : int
            Words to write.

        Returns
        -------
        array of shape (N, max_length), int32
            Word ids, without `<START>`. What follows an `<END>` means nothing.

        Raises
        ------
        ValueError
            If the features have another width or are not finite, or the vocabulary has no
            `<START>`.
        """
        if self._start is None:
            raise ValueError("word_to_idx has no <START>, the word that a caption begins with.")
        p = self.params
        h, _ = affine_forward(self._check_features(features), p["W_proj"], p["b_proj"])
        state = first_state(self.cell_type, h)
        *_, step_forward = CELLS[self.cell_type]
        words = np.full(len(h), self._start)
        captions = np.empty((len(h), max_length), dtype=np.int32)
        for t in range(max_length):
            x, _ = word_embedding_forward(words, p["W_embed"])
            *state, _ = step_forward(x, *state, p["Wx"], p["Wh"], p["b"])
            scores, _ = affine_forward(state[0], p["W_vocab"], p["b_vocab"])
            words = scores.argmax(axis=1)
            captions[:, t] = words
        return captions

    def _memory(self, name: str, rows: int, columns: int) -> np.ndarray:
        """Return memory for one of the largest arrays of a step, kept for the next step.

        The system clears new memory page by page, which takes as long as a product.
        """
        # Parameters that somebody set may have another precision than the model's.
        dtype = np.result_type(*self.params.values())
        kept = self._kept.get(name)
        if kept is None or kept.size < rows * columns or kept.dtype != dtype:
            kept = self._kept[name] = np.empty(rows * columns, dtype)
        return kept[: rows * columns].reshape(rows, columns)

    def _check_features(self, features: np.ndarray) -> np.ndarray:
        features = np.asarray(features, dtype=self.dtype)
        width = len(self.params["W_proj"])
        if features.ndim != 2 or features.shape[1] != width:
            raise ValueError(f"features have shape {features.shape}; (N, {width}) is wanted.")
        if not np.isfinite(features).all():
            bad = np.flatnonzero(~np.isfinite(features).all(axis=1))
            raise ValueError(
                f"features of {len(bad)} images are not finite, the first in row {bad[0]};"
                " finite numbers are wanted."
            )
        return features

    def _check_captions(self, captions: np.ndarray, n_images: int) -> np.ndarray:
        captions = np.asarray(captions)
        if captions.ndim != 2 or len(captions) != n_images or captions.shape[1] < 2:
            raise ValueError(
                f"captions have shape {captions.shape}; ({n_images}, T + 1) is wanted, a row for"
                " each row of features and at least two words."
            )
        if not np.issubdtype(captions.dtype, np.integer):
            raise ValueError(f"captions have dtype {captions.dtype}; integers are wanted.")
        vocab_size = len(self.params["W_embed"])
        if captions.size and not 0 <= captions.min() <= captions.max() < vocab_size:
            raise ValueError(
                f"captions have ids from {captions.min()} to {captions.max()}; the vocabulary's"
                f" are 0 to {vocab_size - 1}."
            )
        return captions
