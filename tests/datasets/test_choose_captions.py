"""Some images of a split, and captions parted into words."""

import json

import pytest

from recap.captions.vocabulary import build_vocabulary
from recap.core.errors import InputError
from recap.datasets.annotations import read_annotations
from recap.datasets.choose_captions import choose_captions


@pytest.fixture
def chinese(tmp_path):
    """Return a file of twelve images with two captions each, in a made-up order."""
    ids = [7 * n % 12 for n in range(12)]
    said = ["一只狗跑。", "两只猫坐在桌子上"]
    content = {
        "info": {"description": "made up"},
        "images": [{"id": n, "file_name": f"{n}.jpg", "width": 3} for n in ids],
        "annotations": [
            {"id": 50 + n, "image_id": n, "caption": text} for text in said for n in ids
        ],
    }
    path = tmp_path / "all.json"
    path.write_text(json.dumps(content))
    return path


def chosen(source, **options):
    output = source.with_name("chosen.json")
    choose_captions(source, output=output, **options)
    return read_annotations(output)


def test_all_are_kept_as_they_are(chinese):
    assert chosen(chinese) == read_annotations(chinese)


def test_some_images_and_their_captions_keep_their_order(chinese):
    everything = read_annotations(chinese)
    found = chosen(chinese, max_images=5)
    assert len(found.images) == 5
    assert [image for image in everything.images if image in found.images] == found.images
    kept = {image["id"] for image in found.images}
    assert found.captions == [entry for entry in everything.captions if entry[0] in kept]
    assert chosen(chinese, max_images=5) == found
    assert chosen(chinese, max_images=5, seed=1) != found
    larger = chosen(chinese, max_images=8)
    assert kept < {image["id"] for image in larger.images}
    assert chosen(chinese, max_images=99) == everything


def test_letters_of_chinese_become_words_of_the_vocabulary(chinese):
    found = chosen(chinese, words="characters")
    assert {text for _, text in found.captions} == {"一 只 狗 跑", "两 只 猫 坐 在 桌 子 上"}
    vocabulary = chinese.with_name("vocabulary.json")
    build_vocabulary(chinese.with_name("chosen.json"), output=vocabulary)
    words = json.loads(vocabulary.read_text())["idx_to_word"]
    assert words[4] == "只"
    assert set(words[4:]) == set("一只狗跑两猫坐在桌子上")


@pytest.mark.parametrize("options", [{"max_images": 0}, {"seed": -1}])
def test_numbers_out_of_range(chinese, options):
    with pytest.raises(InputError, match="must be"):
        chosen(chinese, **options)
