"""How likely given captions are."""

import itertools
import json
import math

import numpy as np
import pytest
import torch

from recap.captioners.stepwise import make_stepwise
from recap.captions.words import END, NULL, SPECIAL_WORDS, START
from recap.core.errors import InputError
from recap.evaluation.perplexity import caption_log_probabilities, measure_perplexity

CPU = torch.device("cpu")
WORDS = [*SPECIAL_WORDS, "a", "cat", "dog", "sat"]


def log_probabilities(trained, features, rows, captions):
    return caption_log_probabilities(
        make_stepwise(trained, 6, CPU), features, rows, captions, null=0, device=CPU
    )


def test_all_captions_together_have_a_probability_of_one(make_captioner):
    """Every caption of at most two words, and the chance to go on after those."""
    numbers = {word: number for number, word in enumerate(WORDS)}
    ongoing = [number for number in numbers.values() if number != numbers[END]]
    captions = [
        [numbers[START], *words, numbers[END]]
        for length in (0, 1)
        for words in itertools.product(ongoing, repeat=length)
    ]
    captions += [[numbers[START], *words] for words in itertools.product(ongoing, repeat=2)]
    features = np.random.default_rng(0).normal(size=(1, 6)).astype(np.float32)
    for cell in ("rnn", "lstm"):
        found = log_probabilities(
            [make_captioner(architecture=cell, scale=0.5)],
            features,
            np.zeros(len(captions), int),
            captions,
        )
        assert np.exp(found).sum() == pytest.approx(1, abs=1e-5)


def test_captions_do_not_depend_on_each_other(make_captioner, monkeypatch):
    generator = np.random.default_rng(1)
    features = generator.normal(size=(5, 6)).astype(np.float32)
    captions = [
        [1, *generator.integers(4, 8, size=length).tolist(), 2] for length in (3, 1, 7, 2, 7, 4)
    ]
    rows = np.array([4, 0, 3, 3, 1, 2])
    trained = [make_captioner(seed=3)]
    together = log_probabilities(trained, features, rows, captions)
    alone = [
        log_probabilities(trained, features, rows[[i]], [caption])[0]
        for i, caption in enumerate(captions)
    ]
    assert together == pytest.approx(alone, abs=1e-4)
    monkeypatch.setattr("recap.evaluation.perplexity.BATCH", 2)
    assert log_probabilities(trained, features, rows, captions) == pytest.approx(alone, abs=1e-4)


def run(study, **options):
    measure_perplexity(
        study / "features.h5",
        study / "captions.json",
        model=options.pop("model", [study / "model"]),
        output=study / "perplexity.json",
        device="cpu",
        **options,
    )
    return json.loads((study / "perplexity.json").read_text())


CAPTIONS = [
    (7, "A cat sat."),
    (8, "A dog."),  # of an image that could not be read
    (9, "a Zebra sat"),
    (9, "..."),
    (7, "cat"),
]


def write_captions(study, captions):
    images = [{"id": number, "file_name": f"{number}.jpg"} for number in (7, 8, 9)]
    annotations = [
        {"id": number, "image_id": image_id, "caption": caption}
        for number, (image_id, caption) in enumerate(captions)
    ]
    content = {"images": images, "annotations": annotations}
    (study / "captions.json").write_text(json.dumps(content))


def test_the_file(decoding_study, make_captioner):
    write_captions(decoding_study, CAPTIONS)
    found = run(decoding_study)
    (first, unread, second, empty, third) = found["caption_log_probabilities"]
    assert unread is None
    assert empty is None
    assert (found["captions"], found["words"], found["unknown_words"]) == (3, 10, 1)
    total = first + second + third
    assert found["log_probability"] == pytest.approx(total / 3, abs=1e-3)
    assert found["perplexity"] == pytest.approx(math.exp(-total / 10), rel=1e-3)
    # The same by hand: the words of the first caption one after another.
    captioner = make_stepwise([make_captioner()], 6, CPU)
    state, previous, total = (
        captioner.first_state(torch.from_numpy(decoding_study.features[:1])),
        WORDS.index(START),
        0.0,
    )
    for word in ("a", "cat", "sat", END):
        said, state = captioner.step(torch.tensor([previous]), state)
        previous = WORDS.index(word)
        total += said[0, previous].item()
    assert first == pytest.approx(total, abs=1e-3)


def test_a_captioner_that_knows_nothing(decoding_study, make_captioner):
    """Perplexity is then the number of words."""
    write_captions(decoding_study, CAPTIONS)
    decoding_study.save(make_captioner(scale=0.0), "flat")
    found = run(decoding_study, model=[decoding_study / "flat"])
    assert found["perplexity"] == pytest.approx(len(WORDS), rel=1e-5)
    assert WORDS.index(NULL) == 0


def test_an_ensemble(decoding_study, make_captioner):
    write_captions(decoding_study, CAPTIONS)
    decoding_study.save(make_captioner(seed=1), "other")
    alone = [run(decoding_study, model=[decoding_study / name]) for name in ("model", "other")]
    together = run(decoding_study, model=[decoding_study / "model", decoding_study / "other"])
    # The mean of probabilities is at least their geometric mean (Jensen).
    means = np.mean([one["log_probability"] for one in alone])
    assert together["log_probability"] > means


def test_no_caption(decoding_study):
    write_captions(decoding_study, [(8, "a dog"), (7, "?")])
    with pytest.raises(InputError, match=r"captions\.json has no caption of an image"):
        run(decoding_study)
    assert not (decoding_study / "perplexity.json").exists()
