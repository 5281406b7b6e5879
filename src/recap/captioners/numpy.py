"""The captioner in NumPy: an image's features start a recurrent network that writes the caption.

The model and its interface are those of Stanford's CS231n, assignment 3, whose notebooks run on
it. The idea of a language model that is conditioned on a network's image features:
A. Karpathy and L. Fei-Fei, "Deep visual-semantic alignments for generating image descriptions",
CVPR 2015; O. Vinyals et al., "Show and tell: a neural image caption generator", CVPR 2015.
"""

from typing import Any, Literal

import numpy as np

from recap.captioners import optim
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


def sample_coco_minibatch(
    data: dict, batch_size: int = 100, split: str = "train"
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Draw a minibatch with NumPy's global generator, with repetition, as CS231n does.

    Parameters
    ----------
    data : dict
        From `recap.cs231n.coco_utils.load_coco_data`.
    batch_size : int
        Captions to draw, N.
    split : {"train", "val"}
        Split to draw from.

    Returns
    -------
    captions : array of shape (N, T), int32
    image_features : array of shape (N, D), float32
    urls : array of N str
    """
    captions = data[f"{split}_captions"]
    mask = np.random.choice(len(captions), batch_size)  # noqa: NPY002
    image_idxs = data[f"{split}_image_idxs"][mask]
    return captions[mask], data[f"{split}_features"][image_idxs], data[f"{split}_urls"][image_idxs]


class CaptioningSolver:
    """Trains a `CaptioningRNN` on minibatches, with the interface of CS231n's solver.

    Parameters
    ----------
    model : CaptioningRNN
        The model; its `params` are replaced step by step.
    data : dict
        From `recap.cs231n.coco_utils.load_coco_data`.
    update_rule : {"sgd", "sgd_momentum", "rmsprop", "adam", "adam_bias_corrected"}
        A function of `recap.cs231n.optim`. `adam` is that of the course's third assignment;
        `adam_bias_corrected` is the paper's, with which `train_captioner` trains.
    optim_config : dict, optional
        Its settings, such as `{"learning_rate": 5e-3}`.
    batch_size : int
        Captions in a minibatch.
    num_epochs : int
        An epoch is as many steps as whole minibatches fit into the training captions, at least
        one; captions are drawn with repetition.
    lr_decay : float
        Factor of the learning rate after each epoch.
    print_every : int
        Steps between two lines of progress.
    verbose : bool
        Whether to print them.
    **unknown
        Refused.

    Attributes
    ----------
    loss_history : list of float
        The loss of each step's minibatch, before the step.
    epoch : int
        Epochs that have ended.
    optim_configs : dict of str to dict
        Settings and memory of the update rule for each of the model's parameters.
    best_val_acc, best_params, train_acc_history, val_acc_history
        Part of the course's interface; zero and empty there too, as captions have no accuracy.

    Raises
    ------
    ValueError
        If the update rule or an argument is unknown.
    """

    def __init__(
        self,
        model: CaptioningRNN,
        data: dict,
        update_rule: str = "sgd",
        optim_config: dict[str, Any] | None = None,
        batch_size: int = 100,
        num_epochs: int = 10,
        lr_decay: float = 1.0,
        print_every: int = 10,
        verbose: bool = True,
        **unknown: Any,
    ):
        if unknown:
            raise ValueError(f"Unrecognized arguments {', '.join(map(repr, unknown))}.")
        if update_rule not in optim.UPDATE_RULES:
            raise ValueError(
                f"update_rule is {update_rule!r}; it must be one of"
                f" {', '.join(optim.UPDATE_RULES)}."
            )
        self.model = model
        self.data = data
        self.update_rule = optim.UPDATE_RULES[update_rule]
        self.optim_config = dict(optim_config or {})
        self.batch_size = batch_size
        self.num_epochs = num_epochs
        self.lr_decay = lr_decay
        self.print_every = print_every
        self.verbose = verbose
        self._reset()

    def _reset(self) -> None:
        """Forget the epochs, the losses and what the update rule remembers."""
        self.epoch = 0
        self.best_val_acc = 0
        self.best_params: dict[str, np.ndarray] = {}
        self.loss_history: list[float] = []
        self.train_acc_history: list[float] = []
        self.val_acc_history: list[float] = []
        self.optim_configs = {name: dict(self.optim_config) for name in self.model.params}

    def train(self) -> None:
        """Train for `num_epochs` epochs."""
        steps_per_epoch = max(len(self.data["train_captions"]) // self.batch_size, 1)
        n_steps = self.num_epochs * steps_per_epoch
        for step in range(n_steps):
            self._step()
            if self.verbose and step % self.print_every == 0:
                print(f"(Iteration {step + 1} / {n_steps}) loss: {self.loss_history[-1]:f}")
            if (step + 1) % steps_per_epoch == 0:
                self.epoch += 1
                for config in self.optim_configs.values():
                    config["learning_rate"] *= self.lr_decay

    def check_accuracy(
        self, X: Any, y: Any, num_samples: int | None = None, batch_size: int = 100
    ) -> float:
        """Return 0, as the course's solver does: captions have no accuracy."""
        return 0.0

    def _step(self) -> None:
        captions, features, _ = sample_coco_minibatch(
            self.data, batch_size=self.batch_size, split="train"
        )
        loss, grads = self.model.loss(features, captions)
        self.loss_history.append(loss)
        for name, w in self.model.params.items():
            self.model.params[name], self.optim_configs[name] = self.update_rule(
                w, grads[name], self.optim_configs[name]
            )
