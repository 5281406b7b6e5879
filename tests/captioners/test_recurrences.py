"""The recurrences and the loss over packed captions, against PyTorch's own layers."""

import pytest
import torch
from torch.nn import functional as F  # noqa: N812

from recap.captioners.fused import run_recurrence, vocabulary_loss
from recap.captioners.recurrences import RECURRENCES, VocabularyLoss, dropout

LENGTHS = [5, 5, 3, 2, 1]  # of captions, falling
SIZES = [5, 4, 3, 2, 2]
EACH = torch.arange(sum(SIZES))  # a word of its own in each place
N_INPUTS, N_UNITS = 3, 4
# CS231n's gates are input, forget, output, candidate; PyTorch's input, forget, candidate, output.
GATES = {"rnn": [0], "gru": [0, 1, 2], "lstm": [0, 1, 3, 2]}


def exchange_gates(weights, cell):
    order = GATES[cell]
    return torch.cat([weights.chunk(len(order), dim=-1)[gate] for gate in order], dim=-1)


@pytest.mark.parametrize("cell", ["rnn", "gru", "lstm"])
def test_recurrences_are_those_of_pytorch(cell):
    torch.manual_seed(0)
    networks = {"rnn": torch.nn.RNN, "gru": torch.nn.GRU, "lstm": torch.nn.LSTM}
    network = networks[cell](N_INPUTS, N_UNITS).double()
    if cell == "gru":
        # Its candidate has no bias on the side of the hidden state here.
        torch.nn.init.zeros_(network.bias_hh_l0[2 * N_UNITS :])
    x = torch.randn(5, 5, N_INPUTS, dtype=torch.float64, requires_grad=True)
    h0 = torch.randn(5, N_UNITS, dtype=torch.float64, requires_grad=True)
    packed = torch.nn.utils.rnn.pack_padded_sequence(x, torch.tensor(LENGTHS))
    state = (h0[None], torch.zeros_like(h0[None])) if cell == "lstm" else h0[None]
    expected = network(packed, state)[0].data
    weights = torch.randn_like(expected)
    network.zero_grad()
    arguments = [x, h0, network.weight_hh_l0]
    wanted = torch.autograd.grad((expected * weights).sum(), arguments, retain_graph=True)
    for parameter in network.parameters():
        parameter.requires_grad_(False)

    Wx = exchange_gates(network.weight_ih_l0.T, cell)
    bias = exchange_gates(network.bias_ih_l0 + network.bias_hh_l0, cell)
    Wh = exchange_gates(network.weight_hh_l0.T, cell).detach().requires_grad_()
    found = RECURRENCES[cell].apply(packed.data @ Wx + bias, EACH, h0, Wh, SIZES)
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12)
    dx, dh0, dWh = torch.autograd.grad((found * weights).sum(), [x, h0, Wh])
    torch.testing.assert_close(dx, wanted[0], rtol=1e-10, atol=1e-12)
    torch.testing.assert_close(dh0, wanted[1], rtol=1e-10, atol=1e-12)
    torch.testing.assert_close(exchange_gates(dWh, cell).T, wanted[2], rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("cell", ["rnn", "gru", "lstm"])
def test_recurrences_for_a_gpu_are_the_same(cell):
    torch.manual_seed(0)
    gates = N_UNITS * len(GATES[cell])
    shapes = [(6, 5, N_INPUTS), (5, N_UNITS), (N_INPUTS, gates), (N_UNITS, gates), (gates,)]
    x, h0, Wx, Wh, b = parts = [
        torch.randn(shape, dtype=torch.float64, requires_grad=True) for shape in shapes
    ]
    expected = RECURRENCES[cell].apply(x.flatten(0, 1) @ Wx + b, torch.arange(30), h0, Wh, [5] * 6)
    weights = torch.randn_like(expected)
    found = run_recurrence(cell, *parts).flatten(0, 1)
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12)
    for actual, wanted in zip(
        torch.autograd.grad((found * weights).sum(), parts),
        torch.autograd.grad((expected * weights).sum(), parts),
        strict=True,
    ):
        torch.testing.assert_close(actual, wanted, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("loss", [VocabularyLoss.apply, vocabulary_loss], ids=["own", "gpu"])
def test_the_loss_is_that_of_pytorch(loss):
    torch.manual_seed(0)
    h = torch.randn(600, 6, dtype=torch.float64, requires_grad=True)
    W = torch.randn(6, 11, dtype=torch.float64, requires_grad=True)
    b = torch.randn(11, dtype=torch.float64, requires_grad=True)
    targets, weights = torch.randint(11, (600,)), torch.rand(600, dtype=torch.float64)
    expected = F.cross_entropy(h @ W + b, targets, reduction="none") @ weights
    found = loss(h, W, b, targets, weights)
    torch.testing.assert_close(found, expected)
    for loss_gradient, wanted in zip(
        torch.autograd.grad(3 * found, [h, W, b]),
        torch.autograd.grad(3 * expected, [h, W, b]),
        strict=True,
    ):
        torch.testing.assert_close(loss_gradient, wanted)


def test_scores_far_apart_do_not_overflow():
    h, W = torch.tensor([[1e4]]), torch.tensor([[1.0, -1.0]])
    loss = VocabularyLoss.apply(h, W, torch.zeros(2), torch.tensor([1]), torch.ones(1))
    assert loss.item() == pytest.approx(2e4)


@pytest.mark.parametrize("cell", ["rnn", "gru", "lstm"])
def test_words_that_stand_in_several_places(cell):
    torch.manual_seed(0)
    gates = N_UNITS * len(GATES[cell])
    table, h0, Wh = parts = [
        torch.randn(shape, dtype=torch.float64, requires_grad=True)
        for shape in [(3, gates), (5, N_UNITS), (N_UNITS, gates)]
    ]
    # One of the three words stands nowhere.
    places = torch.tensor([2, 0] * 8)
    found = RECURRENCES[cell].apply(table, places, h0, Wh, SIZES)
    expected = RECURRENCES[cell].apply(table[places], EACH, h0, Wh, SIZES)
    assert torch.equal(found, expected)
    weights = torch.randn_like(found)
    for actual, wanted in zip(
        torch.autograd.grad((found * weights).sum(), parts),
        torch.autograd.grad((expected * weights).sum(), parts),
        strict=True,
    ):
        torch.testing.assert_close(actual, wanted)


def test_the_loss_for_a_gpu_is_exact_in_16_bits():
    torch.manual_seed(0)
    h, W, b = (torch.randn(shape).bfloat16() for shape in [(300, 6), (6, 11), (11,)])
    targets, weights = torch.randint(11, (300,)), torch.rand(300)
    found = vocabulary_loss(h, W, b, targets, weights)
    assert found.dtype == torch.float32
    scores = torch.addmm(b, h, W).float()
    expected = F.cross_entropy(scores, targets, reduction="none") @ weights
    torch.testing.assert_close(found, expected)


@pytest.mark.parametrize("cell", ["rnn", "gru", "lstm"])
def test_bfloat16_products_stay_near_float32(cell):
    torch.manual_seed(0)
    gates = N_UNITS * len(GATES[cell])
    a, h0 = torch.randn(sum(SIZES), gates), torch.randn(5, N_UNITS)
    Wh = torch.randn(N_UNITS, gates) / 2
    exact = RECURRENCES[cell].apply(a, EACH, h0, Wh, SIZES)
    a, h0, Wh = (part.bfloat16() for part in (a, h0, Wh))
    rounded = RECURRENCES[cell].apply(a, EACH, h0, Wh, SIZES)
    assert rounded.dtype == torch.bfloat16
    torch.testing.assert_close(rounded.float(), exact, rtol=0, atol=0.03)


@pytest.mark.parametrize("probability", [0.25, 0.9])
def test_dropout_drops_its_share_and_keeps_the_mean(probability):
    torch.manual_seed(0)
    x = torch.ones(1000, 300, requires_grad=True)
    dropped = dropout(x, probability, training=True)
    assert (dropped == 0).float().mean().item() == pytest.approx(probability, abs=5e-3)
    assert dropped.mean().item() == pytest.approx(1, abs=0.02)
    assert len(dropped.unique()) == 2
    # Neighbours are drawn from one random word, and still independent of each other.
    kept = (dropped > 0).float()
    both = (kept[:, 1:] * kept[:, :-1]).mean().item()
    assert both == pytest.approx((1 - probability) ** 2, abs=5e-3)
    (gradient,) = torch.autograd.grad(dropped.sum(), x)
    assert torch.equal(gradient, dropped)


@pytest.mark.parametrize(("probability", "training"), [(0.5, False), (0.0, True)])
def test_dropout_may_do_nothing(probability, training):
    x = torch.randn(7)
    assert dropout(x, probability, training) is x
