"""The Transformer as an architecture: the course's model, without padding and word by word."""

import json

import numpy as np
import pytest
import torch
from torch.nn import functional as F  # noqa: N812

from recap.captioners.architectures import make_captioner as make_module
from recap.captioners.folder import expected_shapes, load_captioner, save_captioner
from recap.captioners.recipe import Recipe
from recap.captioners.stepwise import make_stepwise
from recap.captioners.transformer import Dropout
from recap.captions.words import SPECIAL_WORDS
from recap.core.errors import InputError
from recap.cs231n.classifiers.transformer import CaptioningTransformer
from recap.evaluation.decoders import read_decoder
from recap.evaluation.search import search_captions

CPU = torch.device("cpu")
WORDS = [*SPECIAL_WORDS, "a", "cat", "dog", "sat"]
WIDTH, FEATURES, REGIONS = 8, 6, 5
SIZES = {"wordvec_dim": WIDTH, "hidden_dim": 2048, "heads": 2}


def made_module(precision=None, **options):
    torch.manual_seed(0)
    recipe = Recipe(architecture="transformer", **SIZES | options)
    module = make_module(recipe, FEATURES, len(WORDS), 0, precision)
    for parameter in module.parameters():
        torch.nn.init.normal_(parameter, std=0.4)
    return module


def of_the_course(parameters):
    """Return the course's captioner with a captioner's parameters, by which all are judged."""
    words = {word: number for number, word in enumerate(WORDS)}
    course = CaptioningTransformer(words, FEATURES, WIDTH, num_heads=2)
    course.load_state_dict({name: torch.as_tensor(p) for name, p in parameters}, strict=False)
    return course.eval()


def minibatch():
    generator = np.random.default_rng(0)
    captions = np.zeros((7, 9), np.int32)
    for row in captions:
        words = generator.integers(4, len(WORDS), generator.integers(1, 8))
        row[: len(words) + 2] = [1, *words, 2]
    return torch.from_numpy(generator.normal(size=(7, FEATURES)).astype(np.float32)), captions


def test_parameters_have_the_shapes_that_are_told():
    module = made_module(layers=3)
    shapes = {name: tuple(value.shape) for name, value in module.named_parameters()}
    assert shapes == expected_shapes(Recipe(architecture="transformer", layers=3, **SIZES), 6, 8)


def test_initial_weights_are_those_of_the_course():
    words = {word: number for number, word in enumerate(WORDS)}
    torch.manual_seed(0)
    course = dict(CaptioningTransformer(words, FEATURES, WIDTH, num_heads=2).named_parameters())
    torch.manual_seed(0)
    recipe = Recipe(architecture="transformer", **SIZES)
    for name, value in make_module(recipe, FEATURES, len(WORDS), 0).named_parameters():
        torch.testing.assert_close(value, course[name], rtol=0, atol=0, msg=name)


def test_loss_and_gradients_are_those_of_the_course():
    module = made_module().double().eval()
    course = of_the_course(module.named_parameters()).double()
    features, captions = minibatch()
    features = features.double()
    loss = module(features, captions)
    loss.backward()
    targets = torch.from_numpy(captions[:, 1:]).long().flatten()
    scores = course(features, torch.from_numpy(captions[:, :-1]).long()).flatten(0, 1)
    wanted = F.cross_entropy(scores, targets, ignore_index=0, reduction="sum") / len(captions)
    wanted.backward()
    # The share of a caption is a number of single precision.
    assert loss.item() == pytest.approx(wanted.item(), rel=1e-6)
    expected = dict(course.named_parameters())
    for name, parameter in module.named_parameters():
        torch.testing.assert_close(parameter.grad, expected[name].grad, rtol=1e-5, atol=1e-6)


def test_padding_is_not_computed():
    module, (features, captions) = made_module(), minibatch()
    rows = []
    for part in (module.transformer.layers[1].linear1, module.transformer.layers[0].self_attn.key):
        part.register_forward_hook(lambda _, given, __: rows.append(len(given[0])))
    module(features, captions)
    assert rows == [(captions[:, 1:] != 0).sum()] * 2


def test_entries_are_dropped_in_training_alone():
    module, (features, captions) = made_module(dropout=0.3), minibatch()
    drops = [part for part in module.modules() if isinstance(part, torch.nn.Dropout)]
    assert [part.p for part in drops] == [0.3] * (1 + 2 * 6)
    assert {type(part) for part in drops} == {Dropout}
    losses = {module(features, captions).item() for _ in range(3)}
    assert len(losses) == 3
    module.eval()
    assert module(features, captions) == module(features, captions)


def test_each_dropout_changes_the_loss():
    module, (features, captions) = made_module(dropout=0.3).eval(), minibatch()
    loss = module(features, captions)
    for name, part in module.named_modules():
        if isinstance(part, Dropout):
            part.train()
            assert module(features, captions) != loss, name
            part.eval()


def test_bfloat16_products_stay_near_float32():
    features, captions = minibatch()
    exact, rounded = (made_module(p).eval() for p in (torch.float32, torch.bfloat16))
    product = rounded.transformer.layers[0].linear1
    assert product(torch.zeros(1, WIDTH)).dtype == torch.float32
    formats = []
    product.register_forward_hook(lambda _, __, given: formats.append(given.dtype))
    weights = rounded.transformer.layers[0].self_attn.attn_drop
    weights.register_forward_hook(lambda _, __, given: formats.append(given.dtype))
    losses = [module(features, captions).item() for module in (exact, rounded)]
    assert losses[1] == pytest.approx(losses[0], rel=0.02)
    assert losses[1] != losses[0]
    assert formats == [torch.float32, torch.bfloat16]


@pytest.fixture
def trained(make_captioner):
    """Return two captioners with random weights, whose captions are of many lengths."""
    sizes = SIZES | {"architecture": "transformer", "scale": 0.6}
    captioners = [make_captioner(seed=seed, inputs=FEATURES, **sizes) for seed in (9, 10)]
    for captioner in captioners:
        captioner.parameters["visual_projection.weight"] *= 6
        captioner.parameters["output.bias"][WORDS.index("<END>")] += 2.5
    return captioners


@pytest.mark.parametrize("name", ["greedy", "beam3", "sample"])
@pytest.mark.parametrize("count", [1, 2])
def test_searches_tell_the_probabilities_of_the_course(trained, name, count):
    """Word by word with what is kept of the words before, rows picked, several as one."""
    features = torch.randn(9, FEATURES, generator=torch.Generator().manual_seed(0))
    stepwise = make_stepwise(trained[:count], FEATURES, CPU)
    found = search_captions(stepwise, features, WORDS, read_decoder(name), max_words=12)
    assert len({len(caption.words) for caption in found}) > 1
    courses = [of_the_course(one.parameters.items()) for one in trained[:count]]
    for row, caption in zip(features, found, strict=True):
        said = torch.tensor([[1, *caption.words]])
        with torch.no_grad():
            chances = sum(course(row[None], said)[0].softmax(1) for course in courses) / count
        wanted = chances.log().gather(1, torch.tensor([[*caption.words, 2]]).T)[:, 0]
        assert caption.log_probabilities == pytest.approx(wanted.tolist(), abs=1e-4)


def test_a_map_is_what_the_last_layer_looks_at():
    module = made_module(attention=True).eval()
    _, captions = minibatch()
    captions = captions[:1, : (captions[0] != 0).sum()]
    features = torch.randn(1, REGIONS * FEATURES)
    seen = []
    attention = module.transformer.layers[-1].multihead_attn.attn_drop
    hook = attention.register_forward_hook(lambda _, given, __: seen.append(given[0]))
    with torch.no_grad():
        loss = module(features, captions)
        hook.remove()
        state, total = module.first_state(features), 0.0
        for place, (word, following) in enumerate(zip(captions[0], captions[0, 1:], strict=False)):
            spoken, state = module.step(torch.tensor([word]).long(), state)
            total -= spoken[0, following]
            map_ = module.attention_map(state)
            torch.testing.assert_close(map_, seen[0][:, :, place].mean(1))
            assert map_.shape == (1, REGIONS)
    torch.testing.assert_close(total, loss)


def test_without_attention_the_mean_of_the_regions_is_seen():
    module, (_, captions) = made_module().eval(), minibatch()
    features = torch.randn(7, REGIONS * FEATURES)
    mean = features.view(7, REGIONS, FEATURES).mean(1)
    torch.testing.assert_close(module(features, captions), module(mean, captions))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"backend": "numpy"}, "NumPy has no Transformer: set `backend: torch`"),
        ({"heads": 3}, "`wordvec_dim` must be even and a multiple of its `heads`, not 8 with 3"),
        ({"wordvec_dim": 3, "heads": 1}, "must be even and .* not 3 with 1"),
        ({"architecture": "lstm", "layers": 3}, "`layers` means something only with `architecture"),
    ],
)
def test_what_cannot_be_is_refused(options, message):
    with pytest.raises(InputError, match=message):
        Recipe(**{"architecture": "transformer", "wordvec_dim": 8} | options)


@pytest.mark.parametrize("architecture", ["gru", "transformer"])
def test_only_of_a_transformer_layers_and_heads_are_told(architecture, make_captioner, tmp_path):
    captioner = make_captioner(architecture=architecture, wordvec_dim=8)
    save_captioner(tmp_path, captioner)
    told = json.loads((tmp_path / "config.json").read_text())["recipe"]
    assert Recipe(**told) == captioner.recipe
    transformer = architecture == "transformer"
    assert ("layers" in told, "heads" in told) == (transformer, transformer)


def test_a_captioner_of_an_older_version_is_read(make_captioner, tmp_path):
    save_captioner(tmp_path, make_captioner(architecture="gru"))
    config = json.loads((tmp_path / "config.json").read_text())
    config["recipe"]["cell"] = config["recipe"].pop("architecture")
    (tmp_path / "config.json").write_text(json.dumps(config))
    assert load_captioner(tmp_path).recipe.architecture == "gru"
