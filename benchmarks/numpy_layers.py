"""Time one training step of the captioner in plain NumPy, in recap's NumPy and in PyTorch.

A step is the loss and the gradients of all parameters on a batch of captions of COCO's lengths,
in float32, with word vectors, recurrent cell, vocabulary projection and softmax. The contenders
take turns on the same batch and parameters, and the medians are compared. The last line of each
cell is the floor: the matrix products of a step and nothing else.

Usage: python benchmarks/numpy_layers.py [--quick]
"""

import argparse
import json
import os
import platform
import statistics
import time
from collections.abc import Callable

import numpy as np
import torch

from recap.captioners.numpy import CaptioningRNN
from recap.captioners.packing import pack_captions

N_CAPTIONS, N_WORDS, VOCABULARY = 256, 17, 1004
FEATURES, WORD_VECTOR, HIDDEN = 512, 256, 512
NULL, START, END, FIRST_WORD = 0, 1, 2, 4

# Percent of captions with 7, 8, ... 15 words, close to COCO's: the mean is 10.5.
LENGTHS = {7: 2, 8: 11, 9: 20, 10: 23, 11: 17, 12: 12, 13: 7, 14: 5, 15: 3}


def coco_like_captions(generator: np.random.Generator) -> np.ndarray:
    """Draw captions of COCO's lengths whose words follow Zipf's law."""
    percentiles = np.repeat(list(LENGTHS), list(LENGTHS.values()))
    lengths = generator.permutation(percentiles[np.arange(N_CAPTIONS) * 100 // N_CAPTIONS])
    chances = 1 / np.arange(1, VOCABULARY - FIRST_WORD + 1)
    words = generator.choice(
        np.arange(FIRST_WORD, VOCABULARY), (N_CAPTIONS, N_WORDS), p=chances / chances.sum()
    )
    captions = np.full((N_CAPTIONS, N_WORDS), NULL)
    for caption, drawn, length in zip(captions, words, lengths, strict=True):
        caption[: length + 2] = [START, *drawn[:length], END]
    return captions


# The plain version: step by step, as the formulas say, nothing imported from recap.


def plain_sigmoid(x):
    return 1 / (1 + np.exp(-x))


def plain_rnn_step_forward(x, h, c, Wx, Wh, b):
    next_h = np.tanh(x @ Wx + h @ Wh + b)
    return next_h, c, (x, h, next_h, Wx, Wh)


def plain_rnn_step_backward(dnext_h, dnext_c, cache):
    x, h, next_h, Wx, Wh = cache
    da = dnext_h * (1 - next_h**2)
    return da @ Wx.T, da @ Wh.T, dnext_c, x.T @ da, h.T @ da, da.sum(axis=0)


def plain_lstm_step_forward(x, h, c, Wx, Wh, b):
    n_units = h.shape[1]
    a = x @ Wx + h @ Wh + b
    i = plain_sigmoid(a[:, :n_units])
    f = plain_sigmoid(a[:, n_units : 2 * n_units])
    o = plain_sigmoid(a[:, 2 * n_units : 3 * n_units])
    g = np.tanh(a[:, 3 * n_units :])
    next_c = f * c + i * g
    tanh_c = np.tanh(next_c)
    return o * tanh_c, next_c, (x, h, c, i, f, o, g, tanh_c, Wx, Wh)


def plain_lstm_step_backward(dnext_h, dnext_c, cache):
    x, h, c, i, f, o, g, tanh_c, Wx, Wh = cache
    do = dnext_h * tanh_c
    dc = dnext_c + dnext_h * o * (1 - tanh_c**2)
    df, di, dg = dc * c, dc * g, dc * i
    da = np.hstack((di * i * (1 - i), df * f * (1 - f), do * o * (1 - o), dg * (1 - g**2)))
    return da @ Wx.T, da @ Wh.T, dc * f, x.T @ da, h.T @ da, da.sum(axis=0)


PLAIN_STEPS = {
    "rnn": (plain_rnn_step_forward, plain_rnn_step_backward),
    "lstm": (plain_lstm_step_forward, plain_lstm_step_backward),
}


def plain_loss(cell_type, params, features, captions):
    step_forward, step_backward = PLAIN_STEPS[cell_type]
    p, grads = params, {}
    inputs, targets = captions[:, :-1], captions[:, 1:]
    n, n_steps = inputs.shape

    h0 = features @ p["W_proj"] + p["b_proj"]
    x = p["W_embed"][inputs]
    h, c = h0, np.zeros_like(h0)
    states = np.zeros((n, n_steps, h0.shape[1]), dtype=h0.dtype)
    caches = []
    for t in range(n_steps):
        h, c, cache = step_forward(x[:, t], h, c, p["Wx"], p["Wh"], p["b"])
        states[:, t] = h
        caches.append(cache)

    states_flat = states.reshape(n * n_steps, -1)
    scores = states_flat @ p["W_vocab"] + p["b_vocab"]
    rows, words, mask = np.arange(n * n_steps), targets.reshape(-1), targets.reshape(-1) != NULL
    probabilities = np.exp(scores - scores.max(axis=1, keepdims=True))
    probabilities /= probabilities.sum(axis=1, keepdims=True)
    loss = -np.sum(mask * np.log(probabilities[rows, words])) / n

    dscores = probabilities
    dscores[rows, words] -= 1
    dscores /= n
    dscores *= mask[:, None]
    grads["W_vocab"] = states_flat.T @ dscores
    grads["b_vocab"] = dscores.sum(axis=0)
    dstates = (dscores @ p["W_vocab"].T).reshape(states.shape)

    dx = np.zeros_like(x)
    dh, dc = np.zeros_like(h0), np.zeros_like(h0)
    for name in ("Wx", "Wh", "b"):
        grads[name] = np.zeros_like(p[name])
    for t in reversed(range(n_steps)):
        dx[:, t], dh, dc, dWx, dWh, db = step_backward(dstates[:, t] + dh, dc, caches[t])
        grads["Wx"] += dWx
        grads["Wh"] += dWh
        grads["b"] += db

    grads["W_embed"] = np.zeros_like(p["W_embed"])
    np.add.at(grads["W_embed"], inputs, dx)
    grads["W_proj"] = features.T @ dh
    grads["b_proj"] = dh.sum(axis=0)
    return loss, grads


class TorchCaptioner(torch.nn.Module):
    """The same model of PyTorch's own layers, with parameters of its own."""

    def __init__(self, cell_type):
        super().__init__()
        self.projection = torch.nn.Linear(FEATURES, HIDDEN)
        self.embedding = torch.nn.Embedding(VOCABULARY, WORD_VECTOR)
        network = {"rnn": torch.nn.RNN, "lstm": torch.nn.LSTM}[cell_type]
        self.network = network(WORD_VECTOR, HIDDEN, batch_first=True)
        self.vocabulary = torch.nn.Linear(HIDDEN, VOCABULARY)

    def forward(self, features, captions):
        """Return the loss."""
        state = self.projection(features)[None]
        if isinstance(self.network, torch.nn.LSTM):
            state = (state, torch.zeros_like(state))
        states, _ = self.network(self.embedding(captions[:, :-1]), state)
        scores = self.vocabulary(states)
        loss = torch.nn.functional.cross_entropy(
            scores.flatten(0, 1), captions[:, 1:].flatten(), ignore_index=NULL, reduction="sum"
        )
        return loss / len(captions)


def matrix_products(cell_type: str, captions: np.ndarray) -> Callable[[], object]:
    """Return the products that a step cannot do without: each word once, and no padding."""
    gates = {"rnn": 1, "lstm": 4}[cell_type] * HIDDEN
    _, sizes, inputs, _ = pack_captions(captions, NULL)
    # Rows, columns that are summed over, and columns of each product.
    forward = [
        (N_CAPTIONS, FEATURES, HIDDEN),
        (len(np.unique(inputs)), WORD_VECTOR, gates),
        *((size, HIDDEN, gates) for size in sizes),
        (len(inputs), HIDDEN, VOCABULARY),
    ]
    by_inputs = [(rows, out, summed) for rows, summed, out in forward[1:]]
    by_weights = [
        (summed, rows, out)
        for rows, summed, out in (*forward[:2], (len(inputs), HIDDEN, gates), forward[-1])
    ]
    generator = np.random.default_rng(0)
    operands = [
        (
            generator.standard_normal((rows, summed), np.float32),
            generator.standard_normal((summed, columns), np.float32),
            np.empty((rows, columns), np.float32),
        )
        for rows, summed, columns in (*forward, *by_inputs, *by_weights)
    ]

    def multiply():
        for left, right, out in operands:
            np.matmul(left, right, out=out)

    return multiply


def contenders(
    cell_type: str, features: np.ndarray, captions: np.ndarray
) -> dict[str, Callable[[], object]]:
    """Return a step of each contender, after a check that the NumPy ones compute the same."""
    vocabulary = {"<NULL>": NULL, **{f"word{n}": n for n in range(1, VOCABULARY)}}
    model = CaptioningRNN(vocabulary, FEATURES, WORD_VECTOR, HIDDEN, cell_type)
    loss, grads = model.loss(features, captions)
    wanted_loss, wanted = plain_loss(cell_type, model.params, features, captions)
    np.testing.assert_allclose(loss, wanted_loss, rtol=1e-5)
    for name in wanted:
        np.testing.assert_allclose(grads[name], wanted[name], atol=1e-4 * abs(wanted[name]).max())

    network = TorchCaptioner(cell_type)
    torch_features, torch_captions = torch.from_numpy(features), torch.from_numpy(captions)

    def torch_step():
        network.zero_grad()
        network(torch_features, torch_captions).backward()

    return {
        "plain": lambda: plain_loss(cell_type, model.params, features, captions),
        "recap": lambda: model.loss(features, captions),
        "torch": torch_step,
        "products": matrix_products(cell_type, captions),
    }


def median_seconds(steps: dict[str, Callable[[], object]], rounds: int) -> dict[str, float]:
    """Time the steps in turn, after a round that is not counted."""
    seconds = {name: [] for name in steps}
    for _ in range(rounds + 1):
        for name, step in steps.items():
            # The idle threads of one library spin for some milliseconds in the next one's way.
            time.sleep(0.05)
            start = time.perf_counter()
            step()
            seconds[name].append(time.perf_counter() - start)
    return {name: statistics.median(times[1:]) for name, times in seconds.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="5 rounds instead of 21")
    rounds = 5 if parser.parse_args().quick else 21

    generator = np.random.default_rng(0)
    captions = coco_like_captions(generator)
    features = generator.standard_normal((N_CAPTIONS, FEATURES)).astype(np.float32)
    words = np.count_nonzero(captions, axis=1).mean() - 2
    print(
        f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores,"
        f" NumPy {np.__version__}, PyTorch {torch.__version__} with {torch.get_num_threads()}"
        f" threads; {N_CAPTIONS} captions of {words:.1f} words on average, {rounds} rounds"
    )
    print(f"{'cell':6}{'contender':12}{'ms a step':>10}{'captions/s':>12}{'over plain':>12}")
    over_plain = {}
    for cell_type in ("rnn", "lstm"):
        np.random.seed(0)  # noqa: NPY002
        seconds = median_seconds(contenders(cell_type, features, captions), rounds)
        for name, median in seconds.items():
            ratio = over_plain[cell_type, name] = seconds["plain"] / median
            print(
                f"{cell_type:6}{name:12}{1e3 * median:10.1f}{N_CAPTIONS / median:12.0f}"
                f"{ratio:12.2f}"
            )
    print(
        json.dumps(
            {
                "lstm_over_plain": round(over_plain["lstm", "recap"], 3),
                "lstm_products_over_plain": round(over_plain["lstm", "products"], 3),
                "rnn_over_plain": round(over_plain["rnn", "recap"], 3),
                "rnn_products_over_plain": round(over_plain["rnn", "products"], 3),
                "torch_over_plain_lstm": round(over_plain["lstm", "torch"], 3),
            }
        )
    )


if __name__ == "__main__":
    main()
