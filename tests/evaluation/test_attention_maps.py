"""Where a captioner looked: against one caption at a time, and what the words file says of it."""

import base64
import json

import h5py
import numpy as np
import pytest
import torch

from recap.captioners.folder import TrainedCaptioner, expected_shapes
from recap.captioners.recipe import Recipe
from recap.captioners.stepwise import make_stepwise
from recap.captions.words import END, SPECIAL_WORDS, START
from recap.core.errors import InputError
from recap.evaluation import attention as module
from recap.evaluation.attention import attention_maps, in_levels
from recap.evaluation.generate import generate_captions

CPU = torch.device("cpu")
WORDS = [*SPECIAL_WORDS, "a", "cat", "dog", "sat"]
REGIONS, DIM = 9, 4


def attentive(architecture="lstm", seed=0):
    sizes = {"wordvec_dim": 6, "hidden_dim": 8, "attention": True}
    if architecture == "transformer":
        sizes |= {"heads": 2, "layers": 2}
    recipe = Recipe(architecture=architecture, **sizes)
    draw = np.random.default_rng(seed)
    parameters = {
        name: draw.normal(scale=1.5, size=shape).astype(np.float32)
        for name, shape in expected_shapes(recipe, DIM, len(WORDS)).items()
    }
    return TrainedCaptioner(recipe, WORDS, parameters, {"regions": REGIONS})


def one_at_a_time(captioner, row, caption):
    """Return the attention of a caption's words, said alone."""
    stepwise = make_stepwise([captioner], REGIONS * DIM, CPU)
    state = stepwise.first_state(torch.from_numpy(row)[None])
    looks = []
    with torch.inference_mode():
        for word in [WORDS.index(START), *caption[:-1]]:
            _, state = stepwise.step(torch.tensor([word]), state)
            looks.append(stepwise.attention_map(state)[0].numpy().reshape(3, 3))
    return np.stack(looks)


@pytest.mark.parametrize("architecture", ["rnn", "lstm", "gru", "transformer"])
def test_maps_are_those_of_each_caption_alone(architecture, monkeypatch):
    captioner = attentive(architecture)
    draw = np.random.default_rng(1)
    features = draw.normal(size=(7, REGIONS * DIM)).astype(np.float32)
    rows = np.array([0, 1, 3, 4, 6])
    captions = [draw.integers(4, 8, length).tolist() for length in (2, 5, 1, 5, 3)]
    found = attention_maps(captioner, features, rows, captions, CPU)
    assert [len(maps) for maps in found] == [2, 5, 1, 5, 3]
    for maps, row, caption in zip(found, rows, captions, strict=True):
        np.testing.assert_allclose(
            maps, one_at_a_time(captioner, features[row], caption), rtol=1e-4, atol=1e-6
        )
        np.testing.assert_allclose(maps.sum((1, 2)), 1, rtol=1e-5)
    monkeypatch.setattr(module, "BATCH", 2)
    for maps, again in zip(
        found, attention_maps(captioner, features, rows, captions, CPU), strict=True
    ):
        np.testing.assert_allclose(maps, again, rtol=1e-5, atol=1e-7)


def test_a_map_is_kept_in_8_bits():
    maps = np.array([[[0.2, 0.1], [0.0, 0.2]], [[0.0, 0.0], [0.0, 0.0]]], np.float32)
    np.testing.assert_array_equal(
        in_levels(maps), [[[255, 128], [0, 255]], [[0, 0], [0, 0]]], strict=False
    )


@pytest.fixture
def study(decoding_study):
    """Return a folder with two captioners with attention, and features that tell what was seen."""
    for seed in (0, 1):
        decoding_study.save(attentive(seed=seed), f"attentive{seed}")
    rows = np.random.default_rng(5).normal(size=(3, REGIONS * DIM)).astype(np.float32)
    with h5py.File(decoding_study / "features.h5", "a") as file:
        del file["features"]
        file["features"] = rows
        file["features"].attrs["skipped"] = np.array([1])
        file.attrs["seen"] = 0.875
    decoding_study.features = rows
    return decoding_study


def words_of(study, *models, decoder="beam2", **options):
    generate_captions(
        study / "features.h5",
        study / "captions.json",
        model=[study / model for model in models],
        output=study / "results.json",
        words_output=study / "words.json",
        decoder=decoder,
        device="cpu",
        **options,
    )
    return json.loads((study / "words.json").read_text())


def test_the_words_file_tells_where_the_captioner_looked(study):
    entries = words_of(study, "attentive0")
    assert len(entries) == 2
    for entry, row in zip(entries, (0, 2), strict=True):
        levels = np.frombuffer(base64.b64decode(entry["attention"]), np.uint8)
        levels = levels.reshape(len(entry["words"]), 3, 3).astype(int)
        numbers = [WORDS.index(word) for word in entry["words"]]
        alone = in_levels(one_at_a_time(attentive(), study.features[row], numbers)).astype(int)
        assert np.abs(levels - alone).max() <= 1
        assert entry["seen"] == 0.875
    before = (study / "words.json").read_bytes()
    words_of(study, "attentive0")
    assert (study / "words.json").read_bytes() == before


def test_attention_is_that_of_the_caption_that_consensus_chose(study):
    captions = study / "train.h5"
    start, end = WORDS.index(START), WORDS.index(END)
    with h5py.File(captions, "w") as file:
        file["train_captions"] = np.array([[start, 5, 7, end], [start, 4, 6, end]])
        file["train_image_idxs"] = np.array([0, 1])
    for entry, row in zip(
        words_of(study, "attentive0", decoder="mbr4", captions=captions), (0, 2), strict=True
    ):
        numbers = [WORDS.index(word) for word in entry["words"]]
        alone = in_levels(one_at_a_time(attentive(), study.features[row], numbers)).astype(int)
        levels = np.frombuffer(base64.b64decode(entry["attention"]), np.uint8).astype(int)
        assert np.abs(levels - alone.ravel()).max() <= 1


def test_nothing_is_told_where_nothing_can_be_shown(study, make_captioner):
    def told(*models):
        return {key for entry in words_of(study, *models) for key in entry} & {"attention", "seen"}

    # Several looked, none could look, or nobody knows at what.
    assert told("attentive0") == {"attention", "seen"}
    with h5py.File(study / "features.h5", "a") as file:
        file.attrs["seen"] = 1
    assert told("attentive0") == {"attention", "seen"}
    assert not told("attentive0", "attentive1")
    study.save(make_captioner(inputs=REGIONS * DIM), "without")
    assert not told("without")
    with h5py.File(study / "features.h5", "a") as file:
        del file.attrs["seen"]
    assert not told("attentive0")


@pytest.mark.parametrize("seen", [-0.5, 1.5, float("nan"), "all"])
def test_a_damaged_share_is_refused(study, seen, monkeypatch):
    monkeypatch.setattr("recap.evaluation.generate.caption_features", None)
    with h5py.File(study / "features.h5", "a") as file:
        file.attrs["seen"] = seen
    with pytest.raises(InputError, match=r"features\.h5 is damaged.*`seen` is"):
        words_of(study, "attentive0")
    assert not (study / "words.json").exists()
