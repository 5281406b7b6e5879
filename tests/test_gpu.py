"""What a GPU computes, against a processor and against itself; elsewhere nothing of it runs."""

import copy
import io
import json
import zipfile

import h5py
import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from recap.backbones.conv_relu import ConvReLU
from recap.captioners.architectures import make_captioner
from recap.captioners.folder import TrainedCaptioner
from recap.captioners.recipe import Recipe
from recap.captions.words import SPECIAL_WORDS
from recap.core.devices import choose_device, choose_precision
from recap.evaluation.decoders import Decoder
from recap.evaluation.generate import caption_features
from recap.features.extract import extract_features
from recap.features.pca import _sums_on, find_components
from recap.training.trainer import make_trainer

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")

WORDS = [*SPECIAL_WORDS, *(f"word{number}" for number in range(60))]
FEATURES = 10
RECIPES = {
    "rnn": {"architecture": "rnn"},
    "gru": {"architecture": "gru"},
    "lstm": {"architecture": "lstm"},
    "lstm with attention": {"architecture": "lstm", "attention": True},
    "transformer": {"architecture": "transformer", "layers": 2, "heads": 2},
}
each_recipe = pytest.mark.parametrize("settings", RECIPES.values(), ids=RECIPES)


@pytest.fixture(scope="module")
def gpu():
    return choose_device("cuda")


def recipe_of(settings, **more):
    return Recipe(**{"wordvec_dim": 16, "hidden_dim": 32, "dropout": 0.0} | settings | more)


def minibatch(count=48):
    """Return features of three regions, (N, 3 F), and captions of 1 to 12 words, (N, 14)."""
    generator = np.random.default_rng(0)
    captions = np.zeros((count, 14), dtype=np.int32)
    for caption in captions:
        words = generator.integers(1, 13)
        caption[: words + 2] = [1, *generator.integers(4, len(WORDS), words), 2]
    return generator.normal(size=(count, 3 * FEATURES)).astype(np.float32), captions


# --- training -----------------------------------------------------------------------------------


@each_recipe
def test_loss_and_gradients_are_those_of_a_processor(gpu, settings):
    torch.manual_seed(0)
    captioner = make_captioner(recipe_of(settings), FEATURES, len(WORDS), 0, torch.float64).double()
    features, captions = minibatch()
    factors = np.linspace(-1, 2, len(captions))

    def found(device):
        captioner.to(device)
        seen = torch.from_numpy(features).double().to(device)
        loss = captioner(seen, captions, factors, [0, 1])
        gradients = torch.autograd.grad(loss, [*captioner.parameters()])
        return [part.cpu() for part in (loss, *gradients)]

    for expected, actual in zip(found("cpu"), found(gpu), strict=True):
        torch.testing.assert_close(actual, expected, rtol=1e-9, atol=1e-12)


@each_recipe
@pytest.mark.parametrize("precision", [torch.float32, torch.bfloat16])
def test_an_interrupted_training_ends_in_the_same_bytes(gpu, settings, precision):
    recipe = recipe_of(settings, dropout=0.3, region_dropout=0.3)
    features, captions = minibatch()

    def made():
        return make_trainer(recipe, FEATURES, WORDS, 0, gpu, precision)

    def take(trainer, steps):
        for step in steps:
            rows = np.random.default_rng(step).permutation(len(captions))[:32]
            trainer.step(features[rows], captions[rows], 0.01)
        drawn = trainer.sample(features, 12, 1.0)
        trainer.self_critical_step(
            (features, drawn), np.linspace(-1, 1, len(drawn)), (features, captions), 0.1, 0.01
        )

    whole = made()
    take(whole, range(3))
    saved = copy.deepcopy(whole.state())
    take(whole, range(3, 6))
    resumed = made()
    resumed.load_state(saved)
    take(resumed, range(3, 6))
    expected, actual = whole.state(), resumed.state()
    assert all(np.array_equal(actual[name], expected[name]) for name in expected)


@each_recipe
def test_training_in_bfloat16_learns_as_in_float32(gpu, settings):
    features, captions = minibatch()
    losses = []
    for precision in (torch.float32, torch.bfloat16):
        trainer = make_trainer(recipe_of(settings), FEATURES, WORDS, 0, gpu, precision)
        losses.append([trainer.step(features, captions, 0.01) for _ in range(40)])
    exact, rounded = losses
    assert exact[-1] < 0.7 * exact[0]
    np.testing.assert_allclose(rounded, exact, rtol=0.02)


@each_recipe
def test_captions_are_those_of_a_processor(gpu, settings):
    features, captions = minibatch()
    recipe = recipe_of(settings)
    trainer = make_trainer(recipe, FEATURES, WORDS, 0, gpu, torch.float32)
    for _ in range(30):
        trainer.step(features, captions, 0.01)
    trained = TrainedCaptioner(recipe, WORDS, trainer.parameters(), {"regions": 3})
    said = [
        caption_features([trained], features, Decoder(beam_width=3), device)
        for device in (torch.device("cpu"), gpu)
    ]
    assert [caption.words for caption in said[0]] == [caption.words for caption in said[1]]


# --- features -----------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("form", [{"padding": 1}, {"stride": 2}, {"groups": 2, "dilation": 2}])
def test_a_convolution_does_its_relu(gpu, dtype, form):
    torch.manual_seed(0)
    layer = ConvReLU(16, 24, 3, **form).to(gpu, dtype, memory_format=torch.channels_last)
    x = torch.randn(3, 16, 21, 18).to(gpu, dtype, memory_format=torch.channels_last)
    with torch.inference_mode(), torch.profiler.profile() as profile:
        found = layer(x)
    # In 32 bits the numbers are those that gradients are computed with.
    passes = {event.key for event in profile.key_averages()} & {"aten::relu_", "aten::add_"}
    assert bool(passes) == (dtype == torch.float32)
    exact = nn.Conv2d.forward(layer.double(), x.double()).relu()
    assert (found == 0).any() and (found > 0).any()
    assert found.dtype == dtype and found.is_contiguous(memory_format=torch.channels_last)
    torch.testing.assert_close(found.double(), exact, rtol=2 * torch.finfo(dtype).eps, atol=2e-6)


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    """Return an archive of forty photos and their list."""
    folder = tmp_path_factory.mktemp("photos")
    generator = np.random.default_rng(0)
    names = [f"{number}.png" for number in range(40)]
    with zipfile.ZipFile(folder / "photos.zip", "w") as archive:
        for name in names:
            small = generator.integers(0, 256, (8, 8, 3), dtype=np.uint8)
            buffer = io.BytesIO()
            Image.fromarray(small).resize((240, 230)).save(buffer, "png")
            archive.writestr(name, buffer.getvalue())
    images = [{"id": number, "file_name": name} for number, name in enumerate(names)]
    (folder / "photos.json").write_text(json.dumps({"images": images, "annotations": []}))
    return folder


def extract(folder, output, **options):
    extract_features(
        folder / "photos.zip", folder / "photos.json", output=output, threads=2, **options
    )
    with h5py.File(output) as file:
        return file["features"][:]


@pytest.mark.parametrize("backbone", ["vgg16", "squeezenet1_0"])
def test_features_are_those_of_a_processor(photos, tmp_path, backbone):
    exact = extract(
        photos, tmp_path / "cpu.h5", backbone=backbone, device="cpu", precision="float32"
    )
    options = {"backbone": backbone, "device": "cuda"}
    found = extract(photos, tmp_path / "gpu.h5", precision="float32", **options)
    np.testing.assert_allclose(found, exact, rtol=1e-3, atol=1e-4 * np.abs(exact).max())
    rounded = extract(photos, tmp_path / "bfloat16.h5", **options)
    cosine = (rounded * exact).sum(1) / np.linalg.norm(rounded, axis=1)
    assert (cosine / np.linalg.norm(exact, axis=1)).min() > 0.999
    extract(photos, tmp_path / "again.h5", **options)
    assert (tmp_path / "again.h5").read_bytes() == (tmp_path / "bfloat16.h5").read_bytes()


def test_a_gpu_takes_bfloat16_where_it_has_it(gpu):
    has = torch.cuda.is_bf16_supported(including_emulation=False)
    assert choose_precision(gpu) == (torch.bfloat16 if has else torch.float32)


def test_components_are_those_of_a_processor(gpu):
    rows = np.random.default_rng(0).normal(size=(300, 40)) * np.linspace(3, 1, 40)
    found = []
    for device in ("cpu", gpu.type):
        sums = _sums_on(device, rows[:100], len(rows))
        for part in np.split(rows, [100, 201]):
            sums.add([part])
        found.append(find_components(sums, 5))
    for expected, actual in zip(*map(dict.values, found), strict=True):
        np.testing.assert_allclose(actual, expected, rtol=1e-9, atol=1e-9)
