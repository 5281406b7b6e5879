"""The section on what the models learn from."""

import json
from dataclasses import replace

import pytest

from recap.captions.encode import encode_captions
from recap.core.errors import InputError
from recap.report.captioning.compare import compare_captioners
from recap.report.captioning.encoding import EXAMPLES, read_encoding
from recap.report.captioning.gallery import build_gallery, shown_models
from recap.report.captioning.judge import judge
from recap.report.captioning.wording import words_of


def encoding_of(fake, *, learnt=None):
    comparison = fake.compared()
    verdict = judge(comparison, seed=0)
    cards = build_gallery(comparison, verdict, shown_models(verdict), seed=0).cards
    (study,) = comparison.studies
    return read_encoding(study, learnt, comparison.annotations, cards)


def test_captions_are_counted(with_encoding):
    learnt = {words_of("a red disc"), words_of("a disc by rnn 0")}
    encoding = encoding_of(with_encoding, learnt=learnt)
    # Of the training captions "a red disc" and "<SCRIPT>ALERT(1)</SCRIPT> by rnn 0".
    assert encoding.vocabulary == 7
    assert encoding.distinct_words == 6
    assert encoding.max_words == 15
    train, val = encoding.splits
    assert (train.name, train.images, train.captions, train.encoded) == ("learnt from", 1, 2, 2)
    assert (train.words_per_caption, train.known, train.left_out) == (3.5, 1.0, 0.0)
    assert (val.name, val.images, val.captions, val.encoded) == ("scored", 20, 100, 100)
    # "disc 100 & view 0": of four words, one is known; a fifth of the captions ends in 0.
    assert val.words_per_caption == 4.0
    assert val.known == pytest.approx((100 + 20) / 400)


def test_what_is_too_long_is_left_out(fake, encode):
    path = fake.annotations
    content = json.loads(path.read_text())
    content["annotations"][1]["caption"] = "disc " * 16
    path.write_text(json.dumps(content))
    encode(fake)
    assert encoding_of(fake).splits[1].left_out == pytest.approx(1 / 100)


def test_examples_are_captions_of_the_photos(with_encoding):
    examples = encoding_of(with_encoding).examples
    assert len(examples) == EXAMPLES
    for example in examples:
        number = example.card.file_name.removesuffix(".jpg")
        assert example.written == f"disc {number} & view 0"
        words = [word for word, _ in example.tokens]
        assert words == ["<START>", "disc", "<UNK>", "<UNK>", "0", "<END>"]
        assert example.tokens[0][1] == 1
        assert example.fill == 17 - len(words)


def test_examples_with_unknown_words_come_first(fake, encode):
    content = json.loads(fake.annotations.read_text())
    for entry in content["annotations"]:
        entry["caption"] = "A red disc."
    of_one_photo = content["annotations"][35:40]
    of_one_photo[2]["caption"] = "A red bike."
    fake.annotations.write_text(json.dumps(content))
    encode(fake)
    first, second, *_ = encoding_of(fake).examples
    assert first.card.file_name == f"{of_one_photo[2]['image_id']}.jpg"
    assert (first.written, second.written) == ("A red bike.", "A red disc.")


def test_a_dev_split_is_told(with_encoding):
    folder = with_encoding.folder / "coco_captioning"
    encode_captions(
        folder / "coco2014_vocab.json",
        train=with_encoding.train_annotations,
        val=with_encoding.annotations,
        output=folder / "again.h5",
        dev=with_encoding.train_annotations,
        dev_output=folder / "dev2014_captions.h5",
    )
    dev = encoding_of(with_encoding).splits[1]
    assert (dev.name, dev.images, dev.encoded) == ("choose the epoch", 1, 2)
    assert dev.captions is dev.left_out is None


def test_without_the_files_there_is_no_section(fake, tmp_path):
    assert encoding_of(fake) is None
    compare_captioners(fake.folder, output=tmp_path / "report")
    assert "What the models learn from" not in (tmp_path / "report/index.html").read_text()


def test_the_page_has_the_section(with_encoding, tmp_path):
    compare_captioners(with_encoding.folder, output=tmp_path / "report")
    page = (tmp_path / "report/index.html").read_text()
    assert 'href="#c1-data"' in page
    assert "The vocabulary has 7 of the 7 words" in page
    assert "&lt;UNK&gt; <small>3</small>" in page


def test_sizes_that_the_record_lacks_are_left_open(with_encoding):
    comparison = with_encoding.compared()
    (study,) = comparison.studies
    bare = replace(study, record=replace(study.record, sizes={}))
    train, val = read_encoding(bare, None, comparison.annotations, []).splits
    assert train.captions is val.captions is val.left_out is None
    assert val.encoded == 100


def test_a_damaged_file_is_named(with_encoding):
    (with_encoding.folder / "coco_captioning/coco2014_captions.h5").write_bytes(b"no HDF5")
    with pytest.raises(InputError, match=r"coco2014_captions\.h5"):
        encoding_of(with_encoding)
