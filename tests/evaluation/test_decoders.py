"""Decoders and their names."""

import pytest

from recap.core.errors import InputError
from recap.evaluation.decoders import Decoder, read_decoder


@pytest.mark.parametrize(
    ("name", "decoder", "in_words"),
    [
        ("greedy", Decoder(), "greedy decoding"),
        ("beam3", Decoder(beam_width=3), "beam search of width 3"),
        (
            "beam5-length_penalty=0.7-block_ngrams=3",
            Decoder(beam_width=5, length_penalty=0.7, block_ngrams=3),
            "beam search of width 5 (length penalty 0.7, block ngrams 3)",
        ),
        ("greedy-block_ngrams=2", Decoder(block_ngrams=2), "greedy decoding (block ngrams 2)"),
        (
            "mbr20-length_penalty=0.7",
            Decoder(beam_width=20, mbr=True, length_penalty=0.7),
            "minimum Bayes risk by beam search of width 20 (length penalty 0.7)",
        ),
        ("sample", Decoder(sample=True), "sampling"),
        (
            "sample-temperature=0.8-nucleus=0.9-seed=4",
            Decoder(sample=True, temperature=0.8, nucleus=0.9, seed=4),
            "sampling (temperature 0.8, nucleus 0.9, seed 4)",
        ),
        (
            "sample-temperature=1e-05",
            Decoder(sample=True, temperature=1e-5),
            "sampling (temperature 1e-05)",
        ),
    ],
)
def test_a_name_tells_all_of_a_decoder(name, decoder, in_words):
    assert read_decoder(name) == decoder
    assert decoder.name == name
    assert decoder.in_words == in_words


@pytest.mark.parametrize("given", [1, 1.0])
def test_a_number_has_one_name_however_it_is_written(given):
    decoder = Decoder(beam_width=3, length_penalty=given)
    assert decoder.name == read_decoder("beam3-length_penalty=1.0").name == "beam3-length_penalty=1"
    assert decoder.in_words == "beam search of width 3 (length penalty 1)"
    assert read_decoder(decoder.name) == decoder


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"beam_width": True}, "`beam_width` must be a whole number, not True"),
        ({"beam_width": 3.0}, "`beam_width` must be a whole number, not 3.0"),
        ({"sample": 1}, "`sample` must be true or false, not 1"),
        ({"sample": True, "temperature": "1"}, "`temperature` must be a finite number, not '1'"),
        ({"sample": True, "temperature": 10**400}, "`temperature` must be a finite number"),
    ],
)
def test_an_option_has_a_type(options, sentence):
    with pytest.raises(InputError) as caught:
        Decoder(**options)
    assert sentence in str(caught.value)


def test_what_is_default_is_not_in_the_name():
    assert read_decoder("beam1-block_ngrams=0").name == "greedy"
    assert read_decoder("beam3-length_penalty=0.80").name == "beam3"


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("beam", "There is no decoder 'beam'"),
        ("beam0", "There is no decoder 'beam0'"),
        (f"beam{'9' * 5000}", "There is no decoder 'beam999"),
        ("Greedy", "There is no decoder 'Greedy'"),
        ("beam3 ", "There is no decoder 'beam3 '"),
        ("beam-1", "There is no decoder 'beam-1'"),
        ("beam3-length=2", "unknown option `length`; known are length_penalty, block_ngrams"),
        ("beam3-sample=1", "unknown option `sample`"),
        ("beam3-block_ngrams=many", "gives 'many' as `block_ngrams`, which must be a number"),
        ("beam3-block_ngrams=2.5", "gives '2.5' as `block_ngrams`"),
        ("beam3-block_ngrams=2-block_ngrams=3", "gives `block_ngrams` twice"),
        ("beam3-block_ngrams=-1", "`block_ngrams` must be at least 0, not -1"),
        ("beam3-length_penalty=nan", "`length_penalty` must be a finite number, not nan"),
        ("beam3-length_penalty=300", "`length_penalty` must be at least 0 and at most 10"),
        ("beam3-length_penalty=-1", "`length_penalty` must be at least 0 and at most 10"),
        ("beam99999", "`beam_width` must be at least 1 and at most 1000, not 99999"),
        ("sample-seed=4294967296", "`seed` must be at least 0 and at most 4294967295"),
        ("sample-temperature=0", "`temperature` must be at least 1e-06, not 0.0"),
        ("sample-nucleus=1.5", "`nucleus` must be more than 0 and at most 1, not 1.5"),
        ("beam3-temperature=0.5", "`temperature` means something only with `sample`"),
        ("greedy-length_penalty=1", "`length_penalty` means something only with a `beam_width`"),
    ],
)
def test_a_mistake_is_told_in_a_sentence(name, sentence):
    with pytest.raises(InputError) as caught:
        read_decoder(name)
    assert sentence in str(caught.value)


def test_a_decoder_samples_or_has_a_beam():
    with pytest.raises(InputError, match="either samples or has a `beam_width`"):
        Decoder(sample=True, beam_width=2)
