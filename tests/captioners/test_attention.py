"""Attention over regions of the image."""

import json
import math

import h5py
import numpy as np
import pytest
import torch

from recap.captioners.architectures import make_captioner
from recap.captioners.folder import load_captioner
from recap.captioners.recipe import Recipe
from recap.captioners.stepwise import make_stepwise
from recap.captioners.torch import Captioner, attend
from recap.captions.words import SPECIAL_WORDS
from recap.core.errors import InputError
from recap.evaluation.decoders import Decoder
from recap.evaluation.search import search_captions
from recap.training.torch_trainer import TorchTrainer
from recap.training.train import train_captioner

WORDS = [*SPECIAL_WORDS, *"abcdefgh"]
REGIONS, REGION_DIM, HIDDEN_DIM = 49, 4, 6


def made_captioner(cell):
    torch.manual_seed(0)
    recipe = Recipe(architecture=cell, attention=True, wordvec_dim=5, hidden_dim=HIDDEN_DIM)
    captioner = Captioner(recipe, REGION_DIM, len(WORDS), 0).double().eval()
    for parameter in captioner.parameters():
        torch.nn.init.normal_(parameter)
    return captioner


def made_minibatch(count=7):
    generator = np.random.default_rng(0)
    captions = np.zeros((count, 9), np.int32)
    for row in captions:
        words = generator.integers(4, len(WORDS), generator.integers(1, 8))
        row[: len(words) + 2] = [1, *words, 2]
    features = generator.normal(size=(count, REGIONS * REGION_DIM))
    return torch.from_numpy(features), captions


def test_a_query_gets_the_mean_of_regions_by_their_likeness():
    generator = torch.Generator().manual_seed(0)
    queries = torch.randn(2, 3, REGION_DIM, generator=generator, dtype=torch.float64)
    regions = torch.randn(2, 5, REGION_DIM, generator=generator, dtype=torch.float64)
    found = attend(queries, regions)
    for image in range(2):
        for step in range(3):
            weights = [math.exp(queries[image, step] @ region / 2) for region in regions[image]]
            mean = sum(w * region for w, region in zip(weights, regions[image], strict=True))
            torch.testing.assert_close(found[image, step], mean / sum(weights))


@pytest.mark.parametrize("cell", ["rnn", "gru", "lstm"])
def test_all_steps_at_once_are_the_steps_one_by_one(cell):
    captioner = made_captioner(cell)
    features, captions = made_minibatch()
    total = 0.0
    with torch.no_grad():
        for row, caption in zip(features, captions, strict=True):
            state = captioner.first_state(row[None])
            for word, following in zip(caption, caption[1:], strict=False):
                if following:
                    spoken, state = captioner.step(torch.tensor([word]), state)
                    total -= spoken[0, following].item()
        assert captioner(features, captions).item() == pytest.approx(total / len(captions))


@pytest.mark.parametrize("cell", ["rnn", "gru", "lstm"])
def test_gradients(cell, numeric_gradient, relative_error):
    captioner = made_captioner(cell)
    minibatch = made_minibatch()
    captioner(*minibatch).backward()
    for name, parameter in captioner.named_parameters():
        array = parameter.detach().numpy()
        with torch.no_grad():
            wanted = numeric_gradient(lambda: captioner(*minibatch).item(), array)
        assert relative_error(parameter.grad.numpy(), wanted) < 1e-7, name


# --- training -----------------------------------------------------------------------------------


def write_study(folder, regions=REGIONS, attention=True, **recipe):
    """Train on 30 images, whose captions say in which region there is something, and what."""
    generator = np.random.default_rng(0)
    features = generator.normal(size=(30, REGIONS, REGION_DIM), scale=0.1).astype(np.float32)
    captions = np.zeros((30, 4), np.int32)
    for image, region in zip(features, generator.integers(0, REGIONS, 30), strict=True):
        image[region] += 50 * generator.permutation(np.eye(REGION_DIM))[0]
    captions[:] = [[1, 4 + what, 11, 2] for what in features.sum(axis=1).argmax(axis=1)]
    with h5py.File(folder / "features.h5", "w") as file:
        file["features"] = features.reshape(30, -1)
        file.attrs["regions"] = str(regions)
    with h5py.File(folder / "captions.h5", "w") as file:
        file["train_captions"] = file["dev_captions"] = captions
        file["train_image_idxs"] = file["dev_image_idxs"] = np.arange(30, dtype=np.int32)
    numbers = {word: number for number, word in enumerate(WORDS)}
    vocabulary = {"idx_to_word": WORDS, "word_to_idx": numbers}
    (folder / "vocabulary.json").write_text(json.dumps(vocabulary))
    settings = {"wordvec_dim": 8, "hidden_dim": 16, "batch_size": 8, "epochs": 60, **recipe}
    train_captioner(
        folder / "features.h5",
        folder / "captions.h5",
        folder / "vocabulary.json",
        output=folder / "model",
        recipe=Recipe(attention=attention, learning_rate=0.01, **settings),
        dev_features=folder / "features.h5",
        dev_captions=folder / "captions.h5",
        threads=1,
    )
    return features.reshape(30, -1), captions


@pytest.mark.parametrize(
    ("architecture", "attention"), [("lstm", True), ("lstm", False), ("transformer", True)]
)
def test_a_trained_captioner_is_for_features_as_they_lie_in_the_file(
    tmp_path, architecture, attention
):
    features, captions = write_study(tmp_path, attention=attention, architecture=architecture)
    trained = load_captioner(tmp_path / "model")
    assert trained.feature_dim == REGIONS * REGION_DIM
    assert trained.region_dim == REGION_DIM
    if architecture == "lstm":
        assert ("W_query" in trained.parameters) == attention
    captioner = make_captioner(trained.recipe, REGION_DIM, len(WORDS), 0).eval()
    captioner.load_course_parameters(trained.parameters)
    loss = captioner(torch.from_numpy(features), captions).item()
    best = trained.facts["best_validation_loss"]
    assert loss == pytest.approx(best, rel=0.02, abs=0.002)
    assert best < 0.3
    cpu = torch.device("cpu")
    stepwise = make_stepwise([trained], features.shape[1], cpu)
    for decoder in (Decoder(), Decoder(beam_width=3)):
        found = search_captions(stepwise, torch.from_numpy(features), WORDS, decoder)
        assert [caption.words for caption in found] == captions[:, 1:3].tolist()
    with pytest.raises(InputError, match="4 numbers an image but the captioner was trained on 196"):
        make_stepwise([trained], REGION_DIM, cpu)


def test_attention_needs_regions(tmp_path):
    with pytest.raises(InputError, match=r"features\.h5: `attention` needs features of regions"):
        write_study(tmp_path, regions=1)


def test_hiding_regions_needs_regions(tmp_path):
    with pytest.raises(InputError, match=r"`region_dropout` needs features of regions"):
        write_study(tmp_path, regions=1, attention=False, region_dropout=0.5)


def test_hidden_regions_are_drawn_anew_and_the_others_are_whole():
    recipe = Recipe(region_dropout=0.4, wordvec_dim=5, hidden_dim=HIDDEN_DIM)
    trainer = TorchTrainer(recipe, REGION_DIM, WORDS, 0, torch.device("cpu"))
    images = np.arange(60 * 10 * REGION_DIM, dtype=np.float32).reshape(60, 10, REGION_DIM)
    views = [trainer.hide_regions(images.reshape(60, -1)) for _ in range(2)]
    assert not np.array_equal(*views)
    times_seen = np.zeros((60, 10))
    for view in views:
        for number, seen in enumerate(view.reshape(60, 6, REGION_DIM)):
            places = [images[number].tolist().index(region) for region in seen.tolist()]
            assert len(set(places)) == 6
            times_seen[number, places] += 1
    assert times_seen.mean(axis=0) == pytest.approx(1.2, abs=0.35)


def test_regions_are_hidden_in_training_alone():
    """A step takes the loss of a view with fewer regions; validation sees them all."""
    recipe = Recipe(attention=True, region_dropout=0.5, wordvec_dim=5, hidden_dim=HIDDEN_DIM)
    trainer = TorchTrainer(recipe, REGION_DIM, WORDS, 0, torch.device("cpu"))
    features = np.random.default_rng(0).normal(size=(4, REGIONS * REGION_DIM)).astype(np.float32)
    captions = np.tile([1, 4, 5, 2], (4, 1))
    whole = trainer.loss(features, captions)
    assert trainer.loss(features, captions) == whole
    state = trainer.state()
    assert trainer.step(features, captions, 1e-9) != pytest.approx(whole, rel=1e-6)
    trainer.captioner.load_course_parameters(state)
    torch.set_rng_state(torch.from_numpy(state["cpu_generator"]))
    view = trainer.hide_regions(features)
    torch.set_rng_state(torch.from_numpy(state["cpu_generator"]))
    assert trainer.step(features, captions, 1e-9) == pytest.approx(trainer.loss(view, captions))


def test_numpy_has_neither_attention_nor_regions(tmp_path):
    with pytest.raises(InputError, match="NumPy has no `attention`"):
        Recipe(attention=True, backend="numpy")
    with pytest.raises(InputError, match=r"in NumPy needs features of whole images"):
        write_study(tmp_path, attention=False, backend="numpy")
