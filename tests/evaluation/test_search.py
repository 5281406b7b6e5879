"""Greedy decoding, beam search and sampling."""

import itertools
import math

import numpy as np
import pytest
import torch

from recap.captioners.stepwise import make_stepwise
from recap.captions.words import END, NULL, SPECIAL_WORDS, START, UNK
from recap.core.errors import InputError
from recap.evaluation.decoders import Decoder, read_decoder
from recap.evaluation.perplexity import caption_log_probabilities
from recap.evaluation.search import search_captions

CPU = torch.device("cpu")
WORDS = [*SPECIAL_WORDS, "a", "cat", "dog", "sat"]
SPOKEN = [WORDS.index(word) for word in ("a", "cat", "dog", "sat")]


def random_features(count, seed=0):
    return torch.from_numpy(np.random.default_rng(seed).normal(size=(count, 6)).astype(np.float32))


def log_probabilities_of(captioner, features, numbers, words=WORDS):
    """Return the log-probability of each word of a caption and of its `<END>`, step by step."""
    state = captioner.first_state(features[None])
    previous, found = words.index(START), []
    for number in [*numbers, words.index(END)]:
        log_probabilities, state = captioner.step(torch.tensor([previous]), state)
        found.append(log_probabilities[0, number].item())
        previous = number
    return found


def scores_of(captioner, features, captions, decoder):
    """Return what a beam ranks captions of one image by."""
    start, end = WORDS.index(START), WORDS.index(END)
    log_probabilities = caption_log_probabilities(
        captioner,
        features[None].numpy(),
        np.zeros(len(captions), int),
        [[start, *caption, end] for caption in captions],
        null=WORDS.index(NULL),
        device=CPU,
    )
    lengths = np.array([len(caption) + 1 for caption in captions])
    return log_probabilities / lengths**decoder.length_penalty


def test_the_best_captions_of_a_beam_that_drops_nothing(make_captioner):
    every = [list(c) for n in (1, 2, 3) for c in itertools.product(SPOKEN, repeat=n)]
    decoder = Decoder(beam_width=4**3)
    captioner = make_stepwise([make_captioner(architecture="lstm", seed=1, scale=1.0)], 6, CPU)
    features = random_features(3, 2)
    alone = search_captions(captioner, features, WORDS, decoder, max_words=3)
    found = search_captions(captioner, features, WORDS, decoder, max_words=3, best=10)
    for row, image in enumerate(features):
        first, others = found[row], found[row].others
        assert (first.words, alone[row].others) == (alone[row].words, ())
        ranked = np.argsort(-scores_of(captioner, image, every, decoder), kind="stable")
        assert [caption.words for caption in (first, *others)] == [every[n] for n in ranked[:10]]
        for caption in others:
            expected = log_probabilities_of(captioner, image, caption.words)
            np.testing.assert_allclose(caption.log_probabilities, expected, rtol=1e-4)


def test_there_are_no_more_captions_than_a_beam_finds(make_captioner):
    captioner = make_stepwise([make_captioner(seed=0)], 6, CPU)
    (found,) = search_captions(
        captioner, random_features(1), WORDS, Decoder(beam_width=50), max_words=1, best=50
    )
    assert sorted(one.words for one in (found, *found.others)) == [[word] for word in SPOKEN]
    for decoder, best in ((Decoder(), 2), (Decoder(beam_width=3), 4), (Decoder(beam_width=3), 0)):
        with pytest.raises(InputError, match=f"does not have the {best} best captions"):
            search_captions(captioner, random_features(1), WORDS, decoder, best=best)


@pytest.mark.parametrize("length_penalty", [0.0, 0.7, 1.0, 2.0])
@pytest.mark.parametrize("cell", ["rnn", "lstm"])
def test_a_beam_that_drops_nothing_finds_the_best_of_all_captions(
    make_captioner, cell, length_penalty
):
    every = [list(c) for n in (1, 2, 3, 4) for c in itertools.product(SPOKEN, repeat=n)]
    # With 4 words and at most 4 of them a beam of 4^4 drops no partial caption.
    decoder = Decoder(beam_width=4**4, length_penalty=length_penalty)
    for seed in range(4):
        captioner = make_stepwise([make_captioner(architecture=cell, seed=seed, scale=1.0)], 6, CPU)
        features = random_features(3, seed)
        found = search_captions(captioner, features, WORDS, decoder, max_words=4)
        narrow = {
            width: search_captions(
                captioner,
                features,
                WORDS,
                Decoder(beam_width=width, length_penalty=length_penalty),
                max_words=4,
            )
            for width in (2, 3, 8)
        }
        for row, image in enumerate(features):
            scores = scores_of(captioner, image, every, decoder)
            assert found[row].words == every[int(np.argmax(scores))]
            # No narrower beam scores higher by the same measure.
            for captions in narrow.values():
                assert scores[every.index(captions[row].words)] <= scores.max()


def plain_beam_search(captioner, features, decoder, max_words):
    """Return one image's caption as the words of the search's description find it, one by one."""
    start, end = WORDS.index(START), WORDS.index(END)
    best, found = -math.inf, None
    partial = [([], 0.0, captioner.first_state(features[None]))]
    for length in range(max_words + 1):
        candidates = []
        for spoken, total, state in partial:
            last = torch.tensor([spoken[-1] if spoken else start])
            log_probabilities, after = captioner.step(last, state)
            following = SPOKEN if length == 0 else [end] if length == max_words else [*SPOKEN, end]
            candidates += [
                ([*spoken, word], total + log_probabilities[0, word].item(), after)
                for word in following
            ]
        candidates.sort(key=lambda candidate: -candidate[1])
        for spoken, total, _ in candidates[: decoder.beam_width]:
            score = total / (length + 1) ** decoder.length_penalty
            if spoken[-1] == end and score > best:
                best, found = score, spoken[:-1]
        partial = [candidate for candidate in candidates if candidate[0][-1] != end]
        partial = partial[: decoder.beam_width]
    return found


@pytest.mark.parametrize("width", [2, 3])
def test_a_narrow_beam_goes_on_with_as_many_as_it_is_wide(make_captioner, width):
    """Captions that end take no place from those that go on."""
    decoder = Decoder(beam_width=width)
    for seed in range(3):
        trained = make_captioner(seed=seed)
        trained.parameters["b_vocab"][WORDS.index(END)] += 3.0
        captioner = make_stepwise([trained], 6, CPU)
        features = random_features(40, seed)
        found = search_captions(captioner, features, WORDS, decoder, max_words=5)
        plain = [plain_beam_search(captioner, row, decoder, 5) for row in features]
        assert [caption.words for caption in found] == plain


def test_the_search_goes_on_while_a_partial_caption_can_still_win():
    """After `a` the end is likely at once; the caption with the best mean is four words long."""
    a, cat, end = WORDS.index("a"), WORDS.index("cat"), WORDS.index(END)

    class Scripted:
        """The state counts the words."""

        def first_state(self, features):
            return (torch.zeros(len(features), 1),)

        def step(self, words, state):
            length = int(state[0][0, 0])
            chances = torch.full((len(words), len(WORDS)), 1e-9)
            if length == 0:
                chances[:, a], chances[:, cat] = 0.6, 0.4
            else:
                chances[:, end] = torch.where(words == a, 0.9, 1e-6)
                chances[:, cat] = torch.where(words == cat, 0.999, 0.02)
                chances[:, a] = torch.where(words == a, 0.05, 1e-7)
                if length >= 4:
                    chances[words == cat, end] = 0.999
            return chances.log(), (state[0] + 1,)

    (found,) = search_captions(Scripted(), torch.zeros(1, 1), WORDS, Decoder(beam_width=2))
    assert found.words[0] == cat
    assert set(found.words) == {cat}
    assert len(found.words) >= 4
    short = Decoder(beam_width=2, length_penalty=0)
    (found,) = search_captions(Scripted(), torch.zeros(1, 1), WORDS, short)
    assert found.words == [a]


@pytest.mark.parametrize("cell", ["rnn", "lstm"])
def test_greedy_takes_the_likeliest_word_at_each_step(make_captioner, cell):
    captioner = make_stepwise([make_captioner(architecture=cell, seed=1)], 6, CPU)
    features = random_features(20)
    forbidden = [WORDS.index(word) for word in (NULL, START, UNK)]
    found = search_captions(captioner, features, WORDS, Decoder())
    for row, caption in zip(features, found, strict=True):
        state, previous, expected = captioner.first_state(row[None]), WORDS.index(START), []
        while len(expected) < 30:
            log_probabilities, state = captioner.step(torch.tensor([previous]), state)
            scores = log_probabilities[0].clone()
            scores[forbidden] = -math.inf
            if not expected:
                scores[WORDS.index(END)] = -math.inf
            previous = int(scores.argmax())
            if previous == WORDS.index(END):
                break
            expected.append(previous)
        assert caption.words == expected


DECODERS = ["greedy", "beam2", "beam5", "beam3-block_ngrams=2", "sample-nucleus=0.9"]


@pytest.mark.parametrize("name", DECODERS)
def test_the_log_probabilities_are_the_captioners(make_captioner, name):
    captioner = make_stepwise([make_captioner(seed=4, scale=1.0)], 6, CPU)
    features = random_features(12)
    for row, caption in zip(
        features, search_captions(captioner, features, WORDS, read_decoder(name)), strict=True
    ):
        expected = log_probabilities_of(captioner, row, caption.words)
        assert caption.log_probabilities == pytest.approx(expected, abs=1e-4)
        assert caption.log_probability == pytest.approx(sum(expected), abs=1e-3)


@pytest.mark.parametrize("name", DECODERS)
@pytest.mark.parametrize("cell", ["rnn", "lstm"])
def test_captions_are_never_empty_end_and_hold_no_special_word(make_captioner, cell, name):
    trained = make_captioner(architecture=cell, seed=5)
    trained.parameters["b_vocab"][WORDS.index(END)] = 50.0  # wants to end at once
    trained.parameters["b_vocab"][WORDS.index(UNK)] = 100.0  # and else to say <UNK>
    special = {WORDS.index(word) for word in SPECIAL_WORDS}
    decoder = read_decoder(name)
    features = random_features(10)
    for caption in search_captions(make_stepwise([trained], 6, CPU), features, WORDS, decoder):
        assert len(caption.words) == 1 or decoder.beam_width > 1
        assert not special & set(caption.words)
    trained.parameters["b_vocab"][WORDS.index(END)] = -1000.0  # never wants to end
    captioner = make_stepwise([trained], 6, CPU)
    for caption in search_captions(captioner, features, WORDS, decoder, max_words=6):
        assert len(caption.words) == 6
        assert len(caption.log_probabilities) == 7
        assert not special & set(caption.words)


@pytest.mark.parametrize("name", DECODERS)
def test_special_words_may_stand_anywhere_in_the_vocabulary(make_captioner, name):
    words = ["a", UNK, "cat", END, "dog", NULL, START]
    captioner = make_stepwise([make_captioner(words=words, seed=2)], 6, CPU)
    for caption in search_captions(captioner, random_features(10), words, read_decoder(name)):
        assert {words[number] for number in caption.words} <= {"a", "cat", "dog"}


def test_a_beam_is_wider_than_the_vocabulary(make_captioner):
    words = [*SPECIAL_WORDS, "a"]
    captioner = make_stepwise([make_captioner(words=words, seed=2)], 6, CPU)
    found = search_captions(captioner, random_features(3), words, Decoder(beam_width=10))
    assert all(set(caption.words) == {4} for caption in found)


@pytest.mark.parametrize("name", DECODERS)
def test_images_do_not_depend_on_each_other(make_captioner, name):
    captioner = make_stepwise([make_captioner(seed=7)], 6, CPU)
    features, decoder = random_features(9), read_decoder(name)
    together = search_captions(captioner, features, WORDS, decoder)
    alone = [
        search_captions(captioner, row[None], WORDS, decoder, first_row=number)[0]
        for number, row in enumerate(features)
    ]
    assert [caption.words for caption in together] == [caption.words for caption in alone]


@pytest.mark.parametrize("length", [1, 2, 3])
@pytest.mark.parametrize("kind", ["greedy", "beam4", "sample"])
def test_no_phrase_is_said_twice(make_captioner, kind, length):
    trained = make_captioner(seed=3)
    trained.parameters["b_vocab"][WORDS.index(END)] = -5.0

    def repeats(name):
        found = search_captions(
            make_stepwise([trained], 6, CPU), random_features(20), WORDS, read_decoder(name)
        )
        for caption in found:
            phrases = list(zip(*(caption.words[start:] for start in range(length)), strict=False))
            yield len(phrases) - len(set(phrases))

    assert sum(repeats(kind)) > 0
    assert sum(repeats(f"{kind}-block_ngrams={length}")) == 0


class Fixed:
    """Always the same chances."""

    def __init__(self, **chances):
        self.chances = torch.zeros(len(WORDS))
        self.chances[WORDS.index(END)] = 1e-9
        for word, chance in chances.items():
            self.chances[WORDS.index(word)] = chance

    def first_state(self, features):
        return (torch.zeros(len(features), 1),)

    def step(self, words, state):
        return self.chances.log().repeat(len(words), 1), state


def shares(name, count=4000, **chances):
    """Return how often each word is drawn."""
    found = search_captions(
        Fixed(**chances), torch.zeros(count, 1), WORDS, read_decoder(name), max_words=1
    )
    drawn = np.array([caption.words[0] for caption in found])
    return {word: float(np.mean(drawn == WORDS.index(word))) for word in chances}


def test_words_are_drawn_by_their_probability():
    chances = {"a": 0.5, "cat": 0.3, "dog": 0.2}
    assert shares("sample", **chances) == pytest.approx(chances, abs=0.03)
    # Of a temperature of 1/2, the probabilities squared.
    squared = {word: chance**2 / 0.38 for word, chance in chances.items()}
    assert shares("sample-temperature=0.5", **chances) == pytest.approx(squared, abs=0.03)
    # The likeliest words that together have 0.6 are the first two.
    expected = {"a": 0.625, "cat": 0.375, "dog": 0}
    assert shares("sample-nucleus=0.6", **chances) == pytest.approx(expected, abs=0.03)
    assert shares("sample-nucleus=0.4", **chances) == {"a": 1, "cat": 0, "dog": 0}


def test_what_is_drawn_depends_on_the_seed_alone(make_captioner):
    captioner = make_stepwise([make_captioner(seed=6, scale=0.5)], 6, CPU)
    features = random_features(30)
    first, again, other = (
        [caption.words for caption in search_captions(captioner, features, WORDS, decoder)]
        for decoder in (Decoder(sample=True), Decoder(sample=True), Decoder(sample=True, seed=1))
    )
    assert first == again
    assert sum(a != b for a, b in zip(first, other, strict=True)) > 20
