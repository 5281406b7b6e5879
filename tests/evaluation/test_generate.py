"""Captions of a split: the files that are read and written."""

import json

import h5py
import numpy as np
import pytest
import torch

from recap.captions.words import SPECIAL_WORDS
from recap.core.errors import InputError
from recap.evaluation import generate as module
from recap.evaluation.decoders import read_decoder
from recap.evaluation.generate import caption_features, generate_captions

CPU = torch.device("cpu")


def run(study, **options):
    generate_captions(
        study / "features.h5",
        study / "captions.json",
        model=options.pop("model", [study / "model"]),
        output=study / "results.json",
        device="cpu",
        **options,
    )
    return json.loads((study / "results.json").read_text())


def test_skipped_images_get_no_caption(decoding_study):
    results = run(decoding_study)
    assert [result["image_id"] for result in results] == [7, 9]
    assert all(result["caption"] for result in results)


def test_no_image_that_could_be_read(decoding_study):
    with h5py.File(decoding_study / "features.h5", "a") as file:
        file["features"].attrs["skipped"] = np.arange(len(file["features"]))
    with pytest.raises(InputError, match="None of the 3 images could be read"):
        run(decoding_study)
    assert not (decoding_study / "results.json").exists()


def test_how_sure_each_word_was(decoding_study, capsys):
    results = run(decoding_study, words_output=decoding_study / "words.json", decoder="beam2")
    words = json.loads((decoding_study / "words.json").read_text())
    assert [entry["image_id"] for entry in words] == [7, 9]
    for entry, result in zip(words, results, strict=True):
        assert " ".join(entry["words"]) == result["caption"]
        assert len(entry["log_probabilities"]) == len(entry["words"])
        assert max(entry["log_probabilities"]) <= 0
        # The caption's end has a probability too.
        assert entry["log_probability"] <= sum(entry["log_probabilities"]) + 1e-3
    assert "2 captions of" in capsys.readouterr().out


@pytest.mark.parametrize("decoder", ["greedy", "beam3-block_ngrams=2", "sample-seed=3"])
def test_the_same_bytes_again(decoding_study, decoder):
    results = run(decoding_study, words_output=decoding_study / "words.json", decoder=decoder)
    before = (decoding_study / "words.json").read_bytes()
    assert results == run(
        decoding_study, words_output=decoding_study / "words.json", decoder=decoder
    )
    assert (decoding_study / "words.json").read_bytes() == before


@pytest.mark.parametrize("decoder", ["greedy", "beam3", "sample"])
def test_batches_change_nothing(make_captioner, monkeypatch, decoder):
    features = np.random.default_rng(2).normal(size=(20, 6)).astype(np.float32)

    def captions():
        found = caption_features([make_captioner(seed=1)], features, read_decoder(decoder), CPU)
        return [caption.words for caption in found]

    whole = captions()
    monkeypatch.setattr(module, "BATCH", 7)
    assert captions() == whole


def test_several_captioners_are_an_ensemble(decoding_study, make_captioner):
    decoding_study.save(make_captioner(seed=1), "other")
    folders = [decoding_study / "model", decoding_study / "other"]
    both = run(decoding_study, model=folders)
    assert both == run(decoding_study, model=folders[::-1])
    assert both != run(decoding_study)
    decoding_study.save(make_captioner(words=[*SPECIAL_WORDS, "w", "x", "y", "z"]), "stranger")
    with pytest.raises(InputError, match="make no ensemble"):
        run(decoding_study, model=[decoding_study / "model", decoding_study / "stranger"])
    with pytest.raises(InputError, match="There is no captioner"):
        run(decoding_study, model=[])


def test_features_of_other_images_are_refused(decoding_study):
    with h5py.File(decoding_study / "features.h5", "a") as file:
        del file["features"]
        file["features"] = np.zeros((4, 6), np.float32)
    with pytest.raises(InputError, match=r"has 4 rows but .* lists 3 images"):
        run(decoding_study)
    assert not (decoding_study / "results.json").exists()


def test_features_of_another_length_are_refused(decoding_study):
    with h5py.File(decoding_study / "features.h5", "a") as file:
        del file["features"]
        file["features"] = np.zeros((3, 5), np.float32)
    with pytest.raises(InputError, match="have 5 numbers an image but the captioner .* 6"):
        run(decoding_study)


def test_an_unknown_decoder_is_refused_before_anything_is_read(decoding_study):
    with pytest.raises(InputError, match="There is no decoder 'best'"):
        run(decoding_study, decoder="best", model=[decoding_study / "nowhere"])
