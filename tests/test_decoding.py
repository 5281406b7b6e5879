"""Greedy decoding and beam search."""

import itertools
import json
import math

import h5py
import numpy as np
import pytest
import torch

from recap.captioners.folder import TrainedCaptioner, save_captioner
from recap.captioners.recipe import Recipe
from recap.captioners.torch import Captioner
from recap.decoders import beam_width
from recap.decoding import beam_search, generate_captions
from recap.errors import InputError
from recap.vocabulary import END, NULL, SPECIAL_WORDS, START, UNK

WORDS = [*SPECIAL_WORDS, "a", "cat", "dog", "sat"]


def random_captioner(cell="lstm", words=WORDS, seed=0, scale=2.0):
    torch.manual_seed(seed)
    recipe = Recipe(cell=cell, wordvec_dim=5, hidden_dim=7)
    captioner = Captioner(recipe, 6, len(words), words.index(NULL)).eval()
    with torch.no_grad():
        for parameter in captioner.parameters():
            parameter.normal_(std=scale)
    return captioner


def mean_log_probability(captioner, features, numbers, words):
    """Score a whole caption, its `<END>` too, one step at a time."""
    state = captioner.first_state(features[None])
    previous, total = words.index(START), 0.0
    for number in [*numbers, words.index(END)]:
        log_probabilities, state = captioner.step(torch.tensor([previous]), state)
        total += log_probabilities[0, number].item()
        previous = number
    return total / (len(numbers) + 1)


@pytest.mark.parametrize("cell", ["rnn", "lstm"])
def test_a_wide_beam_finds_the_best_of_all_captions(cell):
    captioner = random_captioner(cell, seed=3)
    features = torch.randn(4, 6)
    allowed = [WORDS.index(word) for word in ("a", "cat", "dog", "sat")]
    # With 4 words and at most 3 of them a beam of 64 drops no partial caption.
    found = beam_search(captioner, features, WORDS, 4**3, 3)
    every = [list(c) for n in (1, 2, 3) for c in itertools.product(allowed, repeat=n)]
    for row, caption in zip(features, found, strict=True):
        best = max(every, key=lambda c: mean_log_probability(captioner, row, c, WORDS))
        assert caption == best


@pytest.mark.parametrize("cell", ["rnn", "lstm"])
def test_width_one_takes_the_likeliest_word_at_each_step(cell):
    captioner = random_captioner(cell, seed=1)
    features = torch.randn(20, 6)
    forbidden = [WORDS.index(word) for word in (NULL, START, UNK)]
    for row, caption in zip(features, beam_search(captioner, features, WORDS, 1), strict=True):
        state, previous, expected = captioner.first_state(row[None]), WORDS.index(START), []
        while len(expected) < 30:
            log_probabilities, state = captioner.step(torch.tensor([previous]), state)
            scores = log_probabilities[0].detach().clone()
            scores[forbidden] = -math.inf
            if not expected:
                scores[WORDS.index(END)] = -math.inf
            previous = int(scores.argmax())
            if previous == WORDS.index(END):
                break
            expected.append(previous)
        assert caption == expected


@pytest.mark.parametrize("width", [1, 3, 5])
@pytest.mark.parametrize("cell", ["rnn", "lstm"])
def test_captions_are_never_empty_end_and_hold_no_special_word(cell, width):
    captioner = random_captioner(cell, seed=5)
    with torch.no_grad():
        captioner.b_vocab[WORDS.index(END)] = 50.0  # wants to end at once
        captioner.b_vocab[WORDS.index(UNK)] = 100.0  # and else to say <UNK>
    special = {WORDS.index(word) for word in SPECIAL_WORDS}
    for caption in beam_search(captioner, torch.randn(10, 6), WORDS, width):
        assert len(caption) == 1
        assert not special & set(caption)
    with torch.no_grad():
        captioner.b_vocab[WORDS.index(END)] = -1000.0  # never wants to end
    for caption in beam_search(captioner, torch.randn(10, 6), WORDS, width, max_words=6):
        assert len(caption) == 6
        assert not special & set(caption)


def test_special_words_may_stand_anywhere_in_the_vocabulary():
    words = ["a", UNK, "cat", END, "dog", NULL, START]
    captioner = random_captioner(words=words, seed=2)
    for caption in beam_search(captioner, torch.randn(10, 6), words, 3):
        assert {words[number] for number in caption} <= {"a", "cat", "dog"}


def test_a_beam_is_wider_than_the_vocabulary():
    captioner = random_captioner(words=[*SPECIAL_WORDS, "a"], seed=2)
    captions = beam_search(captioner, torch.randn(3, 6), [*SPECIAL_WORDS, "a"], 10)
    assert all(set(caption) == {4} for caption in captions)


def test_images_do_not_depend_on_each_other():
    captioner = random_captioner(seed=7)
    features = torch.randn(9, 6)
    together = beam_search(captioner, features, WORDS, 3)
    alone = [beam_search(captioner, row[None], WORDS, 3)[0] for row in features]
    assert together == alone


@pytest.mark.parametrize("name", ["beam", "beam0", "Greedy", "beam3 ", "beam-1"])
def test_an_unknown_decoder_is_refused(name):
    with pytest.raises(InputError, match="There is no decoder"):
        beam_width(name)


@pytest.fixture
def study(tmp_path):
    captioner = random_captioner()
    recipe = Recipe(cell="lstm", wordvec_dim=5, hidden_dim=7)
    trained = TrainedCaptioner(recipe, WORDS, captioner.course_parameters())
    save_captioner(tmp_path / "model", trained)
    with h5py.File(tmp_path / "features.h5", "w") as file:
        file["features"] = np.random.default_rng(0).normal(size=(3, 6)).astype(np.float32)
        file["features"].attrs["skipped"] = np.array([1])
    images = [{"id": number, "file_name": f"{number}.jpg"} for number in (7, 8, 9)]
    (tmp_path / "captions.json").write_text(json.dumps({"images": images, "annotations": []}))
    return tmp_path


def run(study, **options):
    generate_captions(
        study / "model",
        study / "features.h5",
        study / "captions.json",
        output=study / "results.json",
        **options,
    )
    return json.loads((study / "results.json").read_text())


def test_skipped_images_get_no_caption(study):
    results = run(study)
    assert [result["image_id"] for result in results] == [7, 9]
    assert all(result["caption"] for result in results)


def test_features_of_other_images_are_refused(study):
    with h5py.File(study / "features.h5", "a") as file:
        del file["features"]
        file["features"] = np.zeros((4, 6), np.float32)
    with pytest.raises(InputError, match=r"has 4 rows but .* lists 3 images"):
        run(study)
    assert not (study / "results.json").exists()


def test_features_of_another_length_are_refused(study):
    with h5py.File(study / "features.h5", "a") as file:
        del file["features"]
        file["features"] = np.zeros((3, 5), np.float32)
    with pytest.raises(InputError, match="have 5 numbers an image but the captioner .* 6"):
        run(study)
