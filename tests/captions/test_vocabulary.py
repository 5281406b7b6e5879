import itertools
import json
import os
from pathlib import Path

import h5py
import numpy as np
import pytest

from recap.captions import encode
from recap.captions.encode import encode_captions
from recap.captions.files import read_vocabulary, write_vocabulary
from recap.captions.python2_dict import python2_hash
from recap.captions.vocabulary import build_vocabulary
from recap.captions.words import decode_captions, encode_caption, tokenize
from recap.core.errors import InputError

SPECIAL = ["<NULL>", "<START>", "<END>", "<UNK>"]


def write_annotations(path, captions, images=None):
    """Write a caption file; `captions` are (image id, caption)."""
    images = images or sorted({image_id for image_id, _ in captions})
    content = {
        "images": [{"id": number, "file_name": f"{number}.jpg"} for number in images],
        "annotations": [
            {"id": number, "image_id": image_id, "caption": caption}
            for number, (image_id, caption) in enumerate(captions)
        ],
    }
    path.write_text(json.dumps(content))
    return path


def write_words(path, words):
    words = SPECIAL + words
    numbers = {word: number for number, word in enumerate(words)}
    path.write_text(json.dumps({"idx_to_word": words, "word_to_idx": numbers}))
    return path


# --- words --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("caption", "words"),
    [
        ("A man's close-up.", "a mans closeup"),
        ("The man’s dog", "the mans dog"),
        ("  Two dogs, one ball; and a cat!  ", "two dogs one ball and a cat"),
        ('A sign that says “STOP”, "GO"', "a sign that says stop go"),
        ("black-and-white cat", "blackandwhite cat"),
        ("A (very) large bus / truck & car", "a very large bus truck car"),
        ("a dog,a large_red bus", "a doga largered bus"),
        ("a 3 1/2 year old", "a 3 12 year old"),
        ("एक आदमी।", "एक आदमी"),
        ("A café\nwith tables\tand chairs", "a café with tables and chairs"),
        ("A dog 's ball", "a dog s ball"),
        ("...", ""),
        ("", ""),
    ],
)
def test_words_are_cut_as_in_the_course(caption, words):
    assert tokenize(caption) == words.split()


# --- the vocabulary -----------------------------------------------------------------------------


def build(tmp_path, captions, **options):
    annotations = write_annotations(
        tmp_path / "captions.json", [(1, caption) for caption in captions]
    )
    output = tmp_path / "vocab.json"
    build_vocabulary(annotations, output=output, **options)
    return json.loads(output.read_text())


def test_form_of_the_file(tmp_path):
    content = build(tmp_path, ["a dog on a mat"])
    assert list(content) == ["idx_to_word", "word_to_idx"]
    assert content["idx_to_word"] == [*SPECIAL, "a", "on", "dog", "mat"]
    assert content["word_to_idx"] == {
        word: number for number, word in enumerate(content["idx_to_word"])
    }
    assert read_vocabulary(tmp_path / "vocab.json") == content["idx_to_word"]


def test_words_stand_by_falling_frequency_and_ties_as_in_python_2(tmp_path):
    # Of a, b and c, a dict of Python 2 gives b last; of ten letters, it begins a c b e d.
    content = build(tmp_path, ["zebra zebra zebra", "b c", "A! b, c", "a"])
    assert content["idx_to_word"][4:] == ["zebra", "a", "c", "b"]
    assert list(build(tmp_path, ["j i h g f e d c b a"])["idx_to_word"][4:9]) == list("acbed")


def test_size_does_not_count_the_special_words(tmp_path):
    captions = ["zebra zebra zebra", "dog cat", "cat dog ant", "bee", "dog"]
    assert build(tmp_path, captions, size=3)["idx_to_word"] == [*SPECIAL, "zebra", "dog", "cat"]


def test_rare_words_can_be_left_out(tmp_path, capsys):
    captions = ["zebra zebra zebra", "dog cat", "cat dog ant dog", "bee"]
    assert build(tmp_path, captions, min_count=2)["idx_to_word"][6:] == ["cat"]
    assert len(build(tmp_path, captions, min_count=3)["idx_to_word"]) == 6
    # Eight of the ten words are zebra, cat or dog; six are zebra or dog.
    said = capsys.readouterr().out
    assert "3 of 5 words cover 80.0%" in said
    assert "2 of 5 words cover 60.0%" in said


def test_words_of_captions_that_are_too_long_are_not_counted(tmp_path):
    captions = ["dog dog", " ".join(["cat"] * 16), " ".join(["ant"] * 15)]
    assert build(tmp_path, captions)["idx_to_word"][4:] == ["ant", "dog"]
    assert build(tmp_path, captions, max_words=2)["idx_to_word"][4:] == ["dog"]


def test_no_word_is_left(tmp_path):
    with pytest.raises(InputError, match=r"No word of .*captions\.json occurs 5 times"):
        build(tmp_path, ["a dog"], min_count=5)
    assert not (tmp_path / "vocab.json").exists()


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("{", "is not valid JSON"),
        ("[1]", "lacks idx_to_word or word_to_idx"),
        ('{"idx_to_word": []}', "lacks idx_to_word or word_to_idx"),
        ('{"idx_to_word": 1, "word_to_idx": {}}', "lacks idx_to_word or word_to_idx"),
        ('{"idx_to_word": ["a"], "word_to_idx": {"a": 1}}', "differ"),
        ('{"idx_to_word": ["a", "a"], "word_to_idx": {"a": 1}}', "differ"),
        ('{"idx_to_word": ["a"], "word_to_idx": {"a": 0}}', "it lacks <NULL>"),
    ],
)
def test_what_is_no_vocabulary(tmp_path, content, reason):
    path = tmp_path / "vocab.json"
    path.write_text(content)
    with pytest.raises(InputError, match=rf"vocab\.json .*{reason}"):
        read_vocabulary(path)


# --- encoding -----------------------------------------------------------------------------------

# The words of the course's example row, each at its number.
COURSE = {
    "a": 4,
    "view": 172,
    "of": 6,
    "kitchen": 62,
    "and": 10,
    "all": 317,
    "its": 114,
    "appliances": 612,
    **{word: number for number, word in enumerate(SPECIAL)},
}
COURSE_ROW = [1, 4, 3, 172, 6, 4, 62, 10, 317, 6, 114, 612, 2, 0, 0, 0, 0]


def test_the_example_of_the_course():
    words = tokenize("A panoramic view of a kitchen and all of its appliances.")
    assert encode_caption(words, COURSE, 15) == COURSE_ROW


real_vocabulary = pytest.mark.skipif(
    "RECAP_DATA" not in os.environ, reason="RECAP_DATA names no folder of real data"
)


@real_vocabulary
def test_the_words_of_the_course_are_written_as_the_course_wrote_them(tmp_path):
    real = Path(os.environ["RECAP_DATA"]) / "cs231n" / "coco2014_vocab.json"
    write_vocabulary(tmp_path / "vocab.json", read_vocabulary(real))
    assert (tmp_path / "vocab.json").read_bytes() == real.read_bytes()


@real_vocabulary
def test_neighbours_in_the_words_of_the_course_tend_to_stand_as_in_a_dict_of_python_2():
    """Rare words have equal counts often, and then an order that gives their rule away.

    Without a rule, half of the neighbours would stand in the order of their slots, with a standard
    deviation of 1.3%. A table of 2**17 slots is that of a dict with 21,846 to 87,381 words.
    """
    path = Path(os.environ["RECAP_DATA"]) / "cs231n" / "coco2014_vocab.json"
    words = read_vocabulary(path)[504:]

    def in_order(keys):
        return np.mean([first < second for first, second in itertools.pairwise(keys)])

    assert in_order([python2_hash(word) % 2**17 for word in words]) > 0.565
    assert 0.48 < in_order(words) < 0.52


@real_vocabulary
def test_the_example_of_the_course_in_its_own_vocabulary():
    words = read_vocabulary(Path(os.environ["RECAP_DATA"]) / "cs231n" / "coco2014_vocab.json")
    assert len(words) == 1004
    numbers = {word: number for number, word in enumerate(words)}
    caption = tokenize("A panoramic view of a kitchen and all of its appliances.")
    assert encode_caption(caption, numbers, 15) == COURSE_ROW
    # The course's words are what the tokeniser makes: it leaves each of them as it is.
    assert [tokenize(word) for word in words[4:]] == [[word] for word in words[4:]]
    assert {"mans", "closeup"} <= numbers.keys()


def test_fifteen_words_are_kept_and_sixteen_are_dropped():
    assert encode_caption(["a"] * 15, COURSE, 15) == [1, *[4] * 15, 2]
    assert encode_caption(["a"] * 16, COURSE, 15) is None
    assert encode_caption([], COURSE, 15) is None
    assert encode_caption(["a"], COURSE, 3) == [1, 4, 2, 0, 0]


def read(path):
    with h5py.File(path) as file:
        assert all(file[key].chunks is None and file[key].compression is None for key in file)
        return {key: file[key][:] for key in file}


def test_files_of_encode_captions(tmp_path):
    vocabulary = write_words(tmp_path / "vocab.json", ["dog", "cat"])
    # Rows follow `images`, and not the ids.
    train = write_annotations(
        tmp_path / "train.json",
        [(3, "A dog."), (9, "cat " * 16), (9, "Cat, cat!"), (3, "?"), (7, "dog " * 15)],
        images=[9, 3, 7],
    )
    val = write_annotations(tmp_path / "val.json", [(5, "dog"), (4, "Cat")], images=[4, 5])
    dev = write_annotations(tmp_path / "dev.json", [(1, "dog cat")])
    output, dev_output = tmp_path / "captions.h5", tmp_path / "dev.h5"
    encode_captions(vocabulary, train=train, val=val, output=output, dev=dev, dev_output=dev_output)
    content = read(output)
    assert sorted(content) == [
        "train_captions",
        "train_image_idxs",
        "val_captions",
        "val_image_idxs",
    ]
    assert all(array.dtype == np.int32 for array in content.values())
    assert content["train_captions"].tolist() == [
        [1, 3, 4, 2, *[0] * 13],
        [1, 5, 5, 2, *[0] * 13],
        [1, *[4] * 15, 2],
    ]
    assert content["train_image_idxs"].tolist() == [1, 0, 2]
    assert content["val_captions"].tolist() == [[1, 4, 2, *[0] * 14], [1, 5, 2, *[0] * 14]]
    assert content["val_image_idxs"].tolist() == [1, 0]
    dev_content = read(dev_output)
    assert dev_content["dev_captions"].tolist() == [[1, 4, 5, 2, *[0] * 13]]
    assert dev_content["dev_image_idxs"].tolist() == [0]
    assert sorted(dev_content) == ["dev_captions", "dev_image_idxs"]


@pytest.mark.parametrize("block", [1, 2, 3])
def test_captions_that_do_not_fill_a_block(tmp_path, monkeypatch, block):
    monkeypatch.setattr(encode, "BLOCK", block)
    vocabulary = write_words(tmp_path / "vocab.json", ["dog", "cat"])
    captions = [(1, "dog"), (2, "x " * 16), (3, "?"), (2, "cat"), (3, "dog cat")]
    train = write_annotations(tmp_path / "t.json", captions)
    output = tmp_path / "captions.h5"
    encode_captions(vocabulary, train=train, val=train, output=output, max_words=2)
    assert read(output)["val_captions"].tolist() == [[1, 4, 2, 0], [1, 5, 2, 0], [1, 4, 5, 2]]
    assert read(output)["val_image_idxs"].tolist() == [0, 1, 2]
    assert [path.name for path in tmp_path.iterdir() if path.suffix == ".h5"] == ["captions.h5"]
    assert not list(tmp_path.glob("tmp*"))


def test_the_longest_caption_is_a_setting(tmp_path, capsys):
    vocabulary = write_words(tmp_path / "vocab.json", ["dog"])
    train = write_annotations(tmp_path / "t.json", [(1, "dog"), (1, "dog dog dog"), (1, "dog dog")])
    output = tmp_path / "captions.h5"
    encode_captions(vocabulary, train=train, val=train, output=output, max_words=2)
    assert read(output)["train_captions"].tolist() == [[1, 4, 2, 0], [1, 4, 4, 2]]
    assert "2 captions (66.7%) have at most 2 words" in capsys.readouterr().out


def test_a_split_without_short_captions(tmp_path):
    vocabulary = write_words(tmp_path / "vocab.json", ["dog"])
    train = write_annotations(tmp_path / "train.json", [(1, "dog")])
    val = write_annotations(tmp_path / "val.json", [(1, "dog " * 16)])
    with pytest.raises(InputError, match=r"val\.json has no caption of 1 to 15 words"):
        encode_captions(vocabulary, train=train, val=val, output=tmp_path / "captions.h5")
    assert not (tmp_path / "captions.h5").exists()


@pytest.mark.parametrize(
    ("option", "value"), [("size", 0), ("min_count", 0), ("max_words", 0), ("max_words", 1001)]
)
def test_numbers_out_of_range(tmp_path, option, value):
    captions = write_annotations(tmp_path / "train.json", [(1, "dog")])
    with pytest.raises(InputError, match=f"`{option}` must be at least 1.*, not {value}"):
        build_vocabulary(captions, output=tmp_path / "vocab.json", **{option: value})
    if option == "max_words":
        with pytest.raises(InputError, match="`max_words` must be at least 1"):
            output = tmp_path / "captions.h5"
            encode_captions(captions, train=captions, val=captions, output=output, max_words=value)


# --- decoding -----------------------------------------------------------------------------------

WORDS = [*SPECIAL, "a", "dog"]


@pytest.mark.parametrize(
    ("row", "text"),
    [
        ([1, 4, 5, 2, 0, 0], "<START> a dog <END>"),
        ([4, 3, 2, 5, 5], "a <UNK> <END>"),
        ([4, 5, 4, 5], "a dog a dog"),
        ([4, 0, 5, 2], "a dog <END>"),
        ([2, 4], "<END>"),
        ([0, 0], ""),
    ],
)
def test_decoding_stops_at_the_end(row, text):
    assert decode_captions(np.array(row), WORDS) == text


def test_decoding_several_captions():
    rows = np.array([[1, 4, 2, 0], [1, 5, 5, 2]], dtype=np.int32)
    assert decode_captions(rows, WORDS) == ["<START> a <END>", "<START> dog dog <END>"]
    assert decode_captions(rows[:1], WORDS) == ["<START> a <END>"]
    assert decode_captions(rows[:0], WORDS) == []


def test_decoding_undoes_encoding():
    numbers = {word: number for number, word in enumerate(WORDS)}
    row = np.array(encode_caption(tokenize("A dog, a dog!"), numbers, 15))
    assert decode_captions(row, WORDS) == "<START> a dog a dog <END>"


@pytest.mark.parametrize("alone", ["dev", "dev_output"])
def test_a_dev_split_without_its_output_is_refused(tmp_path, alone):
    files = {name: tmp_path / name for name in ("train", "val", "output", alone)}
    with pytest.raises(InputError, match="`dev_output`, one is given alone: give both or neither"):
        encode_captions(tmp_path / "vocabulary", **files)
