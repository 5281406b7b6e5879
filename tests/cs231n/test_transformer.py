"""The course's Transformer: its check values, PyTorch's own layers, and that its solver learns.

The course's values were printed in training mode: which entries dropout left out depends on the
version of PyTorch. So each is looked for among all that dropout can give.
"""

import itertools

import numpy as np
import pytest
import torch

from recap.cs231n.captioning_solver_transformer import CaptioningSolverTransformer
from recap.cs231n.classifiers.transformer import (
    CaptioningTransformer,
    TransformerDecoder,
    TransformerDecoderLayer,
)
from recap.cs231n.transformer_layers import MultiHeadAttention, PositionalEncoding

KEPT = 0.9


def test_positions_are_those_of_the_course():
    torch.manual_seed(231)
    found = PositionalEncoding(6).eval()(torch.randn(1, 2, 6)) / KEPT
    wanted = [
        [-1.2340, 1.1127, 1.6978, -0.0865, None, 1.2728],
        [0.9028, -0.4781, 0.5535, 0.8133, 1.2644, 1.7034],
    ]
    for row, values in zip(found[0].tolist(), wanted, strict=True):
        for entry, value in zip(row, values, strict=True):
            assert value is None or entry == pytest.approx(value, abs=1e-4)


ATTENTION = {
    "self": [
        [-0.2494, 0.1396, 0.4323, -0.2411, -0.1547, 0.2329, -0.1936, -0.1444],
        [-0.1997, 0.1746, 0.7377, -0.3549, -0.2657, 0.2693, -0.2541, -0.2476],
        [-0.0625, 0.1503, 0.7572, -0.3974, -0.1681, 0.2168, -0.2478, -0.3038],
    ],
    "masked": [
        [-0.1347, 0.1934, 0.8628, -0.4903, -0.2614, 0.2798, -0.2586, -0.3019],
        [-0.1013, 0.3111, 0.5783, -0.3248, -0.3842, 0.1482, -0.3628, -0.1496],
        [-0.2071, 0.1669, 0.7097, -0.3152, -0.3136, 0.2520, -0.2774, -0.2208],
    ],
    "other": [
        [-0.1980, 0.4083, 0.1968, -0.3477, 0.0321, 0.4258, -0.8972, -0.2744],
        [-0.1603, 0.4155, 0.2295, -0.3485, -0.0341, 0.3929, -0.8248, -0.2767],
        [-0.0908, 0.4113, 0.3017, -0.3539, -0.1020, 0.3784, -0.7189, -0.2912],
    ],
}


@torch.no_grad()
def test_attention_is_that_of_the_course():
    torch.manual_seed(231)
    attention = MultiHeadAttention(8, num_heads=2)
    data = torch.randn(1, 3, 8)
    torch.rand(1)  # what a dropout took of the generator in those versions
    mask = torch.randn(3, 3) < 0.5
    torch.rand(1)
    other = torch.randn(1, 3, 8)
    # Every set of weights, two heads with three keys each, that may be left out of a row.
    drops = torch.tensor(list(itertools.product([0, 1], repeat=6))).view(-1, 2, 1, 3) / KEPT
    attention.attn_drop.register_forward_hook(lambda _, given, __: given[0] * drops)
    given = {"self": (data, None), "masked": (data, mask), "other": (other, None)}
    for name, (seen, allowed) in given.items():
        found = attention(data, seen, seen, attn_mask=allowed)
        for row, wanted in enumerate(ATTENTION[name]):
            errors = (found[:, row] - torch.tensor(wanted)).abs().amax(dim=1)
            assert errors.min() < 1e-4, (name, row)


@torch.no_grad()
def test_scores_are_those_of_the_course():
    """Without dropout, all but the last image are scored alike; the course's words 0 and 2 of one
    image show that value."""
    words = {"<NULL>": 0, "cat": 2, "dog": 3}
    model = CaptioningTransformer(words, 20, 30, num_heads=2, num_layers=2, max_length=30).eval()
    for parameter in model.parameters():
        spaced = np.linspace(-1.4, 1.3, num=parameter.numel()).reshape(parameter.shape)
        parameter.data = torch.from_numpy(spaced)
    features = torch.from_numpy(np.linspace(-1.5, 0.3, num=80).reshape(4, 20))
    captions = torch.from_numpy((np.arange(12) % 3).reshape(4, 3))
    wanted = torch.tensor([-17.2172, 4.7701, 26.7574], dtype=torch.float64)
    scores = model(features, captions)
    torch.testing.assert_close(scores[:3], wanted.expand(3, 3, 3), rtol=0, atol=1e-4)


def randomise(module):
    for parameter in module.parameters():
        torch.nn.init.normal_(parameter, std=0.5)


@torch.no_grad()
def test_layers_are_those_of_pytorch():
    torch.manual_seed(0)
    ours = TransformerDecoder(TransformerDecoderLayer(8, 2, dim_feedforward=12), 2).eval()
    randomise(ours)
    layer = torch.nn.TransformerDecoderLayer(8, 2, dim_feedforward=12, batch_first=True)
    theirs = torch.nn.TransformerDecoder(layer, 2).eval()
    for own, other in zip(ours.layers, theirs.layers, strict=True):
        state = {name: value for name, value in own.state_dict().items() if "attn" not in name}
        for name in ("self_attn", "multihead_attn"):
            attention = getattr(own, name)
            parts = attention.query, attention.key, attention.value
            state[f"{name}.in_proj_weight"] = torch.cat([part.weight for part in parts])
            state[f"{name}.in_proj_bias"] = torch.cat([part.bias for part in parts])
            state[f"{name}.out_proj.weight"] = attention.proj.weight
            state[f"{name}.out_proj.bias"] = attention.proj.bias
        other.load_state_dict(state)
    captions, memory = torch.randn(3, 5, 8), torch.randn(3, 4, 8)
    causal = torch.ones(5, 5, dtype=torch.bool).tril()
    torch.testing.assert_close(ours(captions, memory, causal), theirs(captions, memory, ~causal))


def test_what_no_layer_can_be_is_refused():
    with pytest.raises(ValueError, match="num_heads is 3; it must divide embed_dim, 8"):
        MultiHeadAttention(8, 3)
    with pytest.raises(ValueError, match="embed_dim is 7; it must be even"):
        PositionalEncoding(7)


WORDS = {"<NULL>": 0, "<START>": 1, "<END>": 2, "a": 3, "dog": 4, "cat": 5}
CAPTIONS = np.array([[1, 3, 4, 2, 0], [1, 3, 5, 4, 2], [1, 5, 2, 0, 0]])


def test_initial_weights_are_drawn_as_in_the_course():
    torch.manual_seed(0)
    model = CaptioningTransformer(WORDS, 40, 40)
    layer = model.transformer.layers[0]
    for drawn in (model.embedding, model.visual_projection, layer.self_attn.key, layer.linear1):
        assert drawn.weight.std().item() == pytest.approx(0.02, rel=0.1)
    assert layer.linear1.bias.abs().max() == 0
    assert model.output.weight.abs().max().item() == pytest.approx(40**-0.5, rel=0.1)
    assert len(model.transformer.layers) == 2
    assert model.transformer.layers[1].linear1.weight is not layer.linear1.weight


@torch.no_grad()
def test_each_dropout_changes_the_scores():
    torch.manual_seed(0)
    model = CaptioningTransformer(WORDS, 4, 8, num_heads=2).eval()
    features, captions = torch.randn(3, 4), torch.from_numpy(CAPTIONS)
    scores = model(features, captions)
    for name, part in model.named_modules():
        if isinstance(part, torch.nn.Dropout):
            part.p = 0.5
            part.train()
            assert not torch.equal(model(features, captions), scores), name
            part.eval()


def test_captions_of_the_longest_are_written_without_dropout():
    torch.manual_seed(0)
    model = CaptioningTransformer(WORDS, 4, 8, num_heads=2, max_length=20)
    assert model.embedding.padding_idx == WORDS["<NULL>"]
    randomise(model)
    for part in model.modules():
        if isinstance(part, torch.nn.Dropout):
            part.p = 0.5
    first, again = (model.sample(np.eye(4, dtype=np.float32), max_length=20) for _ in range(2))
    np.testing.assert_array_equal(first, again)
    assert len(np.unique(first)) > 1


def test_the_solver_learns_captions_by_heart(capsys):
    data = {
        "train_captions": CAPTIONS.astype(np.int32),
        "train_image_idxs": np.arange(3, dtype=np.int32),
        "train_features": np.eye(3, 4, dtype=np.float32),
        "train_urls": np.full(3, ""),
    }
    torch.manual_seed(0)
    np.random.seed(0)  # noqa: NPY002
    model = CaptioningTransformer(WORDS, 4, 32, num_heads=2, max_length=30)
    solver = CaptioningSolverTransformer(
        model, data, list(WORDS), learning_rate=2e-3, batch_size=12, num_epochs=150, print_every=100
    )
    solver.train()
    assert capsys.readouterr().out.count("Iteration") == 2
    assert solver.epoch == len(solver.loss_history) == 150
    assert solver.loss_history[-1] < 0.05
    written = model.sample(data["train_features"], max_length=4)
    assert written.dtype == np.int32
    assert model.training
    wanted = CAPTIONS[:, 1:]
    np.testing.assert_array_equal(written[wanted != 0], wanted[wanted != 0])
    with pytest.raises(ValueError, match="Unrecognized arguments 'lr'"):
        CaptioningSolverTransformer(model, data, list(WORDS), lr=1)


def test_the_loss_is_a_mean_over_padding_too():
    solver = CaptioningSolverTransformer(CaptioningTransformer(WORDS, 4, 8), {}, list(WORDS))
    scores, mask = torch.zeros(2, 5, 6), torch.zeros(2, 5, dtype=torch.bool)
    mask[0, :3] = True
    loss = solver.transformer_temporal_softmax_loss(scores, torch.ones(2, 5).long(), mask)
    assert loss.item() == pytest.approx(np.log(6) * 3 / 10)
