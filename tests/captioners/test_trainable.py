"""Rows that fill a step up where products are in 16 bits."""

import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from recap.captioners.architectures import make_captioner
from recap.captioners.recipe import Recipe

FEATURES, WORDS = 6, 90
RECIPES = {
    "rnn": Recipe("rnn"),
    "gru": Recipe("gru"),
    "lstm": Recipe("lstm"),
    "lstm with attention": Recipe("lstm", attention=True),
    "transformer": Recipe("transformer", layers=2, heads=2),
}


def captions_of(count):
    """Return captions of 1 to 12 words, (N, 14): `<NULL>` is 0, `<START>` 1, `<END>` 2."""
    generator = np.random.default_rng(0)
    captions = np.zeros((count, 14), dtype=np.int32)
    for caption in captions:
        words = generator.integers(1, 13)
        caption[: words + 2] = [1, *generator.integers(3, WORDS, words), 2]
    return captions


def captioner_of(recipe, precision=None):
    torch.manual_seed(0)
    sizes = {"wordvec_dim": 16, "hidden_dim": 32, "dropout": 0.0}
    recipe = Recipe(**(vars(recipe) | sizes))
    return make_captioner(recipe, FEATURES, WORDS, 0, precision)


def features_of(count):
    return torch.randn(count, 3 * FEATURES, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("recipe", RECIPES.values(), ids=RECIPES)
def test_neither_loss_nor_gradients_change(monkeypatch, recipe):
    captioner = captioner_of(recipe).double()
    features, captions = features_of(40).double(), captions_of(40)
    factors = np.linspace(-1, 1, 40)

    def found():
        loss = captioner(features, captions, factors)
        return loss, *torch.autograd.grad(loss, [*captioner.parameters()])

    expected = found()

    captioner.row_multiple = 16
    for one, other in zip(found(), expected, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-10, atol=1e-13)
    monkeypatch.setattr(captioner, "runs_at_once", lambda device: True)
    for one, other in zip(found(), expected, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-10, atol=1e-13)


def test_shapes_for_a_gpu_follow_from_that_of_the_captions():
    captions = captions_of(40)
    longest = captions[np.argmax((captions != 0).sum(1))]
    others = np.concatenate([captions[:3], np.tile(longest, (37, 1))])
    captioner, gpu = captioner_of(RECIPES["lstm"]), torch.device("cuda")
    first, second = (captioner.pack(each, None, gpu) for each in (captions, others))
    assert first.sizes == second.sizes == (40,) * 13
    assert [part.shape for part in first.tensors()] == [part.shape for part in second.tensors()]
    assert len(first.words) == len(first.places) == 40 * 13
    for batch, each in ((first, captions), (second, others)):
        inputs = batch.words[batch.places]
        by_caption = inputs[torch.argsort(batch.order[batch.rows] * 13 + batch.steps)]
        assert torch.equal(by_caption, torch.from_numpy(each[:, :-1]).long().flatten())


class Rows(TorchDispatchMode):
    """Notes the sizes of matrix products."""

    def __init__(self):
        super().__init__()
        self.seen = set()

    def __torch_dispatch__(self, operation, types, args=(), kwargs=None):
        if operation.__name__.split(".")[0] in ("mm", "addmm"):
            self.seen |= {size for x in args if torch.is_tensor(x) for size in x.shape}
        return operation(*args, **(kwargs or {}))


@pytest.mark.parametrize("recipe", RECIPES.values(), ids=RECIPES)
def test_products_in_16_bits_have_few_shapes(recipe):
    captioner = captioner_of(recipe, torch.bfloat16)
    with Rows() as rows:
        for count in (32, 48, 64):
            captioner(features_of(count), captions_of(count)).backward()
    assert {size % 16 for size in rows.seen - {FEATURES, WORDS}} == {0}
    assert len(rows.seen) > 5


@pytest.mark.parametrize("precision", [torch.float32, torch.bfloat16])
def test_banned_words_have_no_chance(precision):
    captioner = captioner_of(RECIPES["lstm"], precision)
    features, captions = features_of(32), captions_of(32)
    banned = [0, 1, *range(50, WORDS)]
    captions[captions >= 50] = 3
    loss = captioner(features, captions, None, banned)
    # The same as if these words had no scores.
    captioner.W_vocab.data[:, banned] = 0
    captioner.b_vocab.data[banned] = -1e30
    torch.testing.assert_close(loss, captioner(features, captions))
    gradients = torch.autograd.grad(loss, [captioner.W_vocab, captioner.b_vocab])
    assert all(gradient[..., banned].abs().max() == 0 for gradient in gradients)
    assert all(gradient.isfinite().all() for gradient in gradients)


@pytest.mark.parametrize("amx", [True, False])
def test_where_a_library_runs_all_steps(monkeypatch, amx):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"amx_bf16": amx})
    cpu, gpu = torch.device("cpu"), torch.device("cuda")
    for name, recipe in RECIPES.items():
        for precision in (torch.float32, torch.bfloat16):
            captioner = captioner_of(recipe, precision)
            assert captioner.runs_at_once(gpu)
            has_tiles = amx and precision == torch.bfloat16
            assert captioner.runs_at_once(cpu) == (has_tiles and name.startswith("lstm"))
    captions = captions_of(32)
    lstm = captioner_of(RECIPES["lstm"], torch.bfloat16)
    sizes = lstm.pack(captions, None, cpu).sizes
    assert set(sizes) == {32} if amx else set(sizes) == {16, 32}
