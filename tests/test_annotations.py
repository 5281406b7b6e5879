import json

import pytest

from recap.annotations import (
    iterate_captions,
    iterate_images,
    number_images,
    read_annotations,
)
from recap.errors import InputError

CONTENT = {
    "info": {"description": "Three photos"},
    "licenses": [],
    "images": [
        {"id": 30, "file_name": "c.jpg", "flickr_url": "http://c"},
        {"id": 10, "file_name": "a.jpg"},
        {"id": 20, "file_name": "b.jpg"},
    ],
    "annotations": [
        {"id": 1, "image_id": 20, "caption": "Un café."},
        {"id": 2, "image_id": 30, "caption": "second"},
        {"id": 3, "image_id": 20, "caption": "third"},
    ],
}


def write(path, content):
    path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    return path


def changed(**parts):
    return {**CONTENT, **parts}


def test_reads_images_and_captions_in_file_order(tmp_path):
    annotations = read_annotations(write(tmp_path / "a.json", CONTENT))
    assert annotations.images == CONTENT["images"]
    assert annotations.captions == [(20, "Un café."), (30, "second"), (20, "third")]
    assert annotations.description == "Three photos"


def test_captions_by_image(tmp_path):
    annotations = read_annotations(write(tmp_path / "a.json", CONTENT))
    references = annotations.captions_by_image()
    assert list(references.items()) == [(30, ["second"]), (10, []), (20, ["Un café.", "third"])]


def test_utf8_is_read_whatever_the_locale(tmp_path):
    path = write(tmp_path / "a.json", json.dumps(CONTENT, ensure_ascii=False))
    assert "é".encode() in path.read_bytes()
    assert read_annotations(path).captions[0][1] == "Un café."


def test_info_can_be_left_out(tmp_path):
    content = {key: CONTENT[key] for key in ("images", "annotations")}
    assert read_annotations(write(tmp_path / "a.json", content)).description == ""
    content = changed(info=["a"])
    assert read_annotations(write(tmp_path / "a.json", content)).description == ""


def test_lists_may_stand_in_any_order_and_be_empty(tmp_path):
    content = {"annotations": [], "images": CONTENT["images"]}
    path = write(tmp_path / "a.json", content)
    assert list(iterate_images(path)) == CONTENT["images"]
    assert list(iterate_captions(path)) == []


def test_entries_come_before_the_file_is_read_to_its_end(tmp_path):
    path = write(tmp_path / "a.json", json.dumps(CONTENT)[:-1] + "x" * 100_000)
    images = iterate_images(path)
    assert next(images)["id"] == 30
    with pytest.raises(InputError, match=r"a\.json is not valid JSON"):
        list(images)


def test_rows_of_images(tmp_path):
    path = write(tmp_path / "a.json", CONTENT)
    assert number_images(path, iterate_images(path)) == {30: 0, 10: 1, 20: 2}


def test_numbers_as_file_names(tmp_path):
    content = changed(images=[{"id": 20, "file_name": 7}, {"id": 30, "file_name": "c.jpg"}])
    assert read_annotations(write(tmp_path / "a.json", content)).images[0]["file_name"] == "7"


NOT_COCO = {
    "a list": [],
    "a number": 3,
    "no images": {"annotations": []},
    "no annotations": {"images": []},
    "images are no list": changed(images=5),
    "image without id": changed(images=[{"file_name": "a.jpg"}]),
    "image without file name": changed(images=[{"id": 20}]),
    "image is a name": changed(images=["a.jpg"]),
    "caption without image": changed(annotations=[{"caption": "a"}]),
    "caption without text": changed(annotations=[{"image_id": 10}]),
    "image id is a list": changed(images=[{"id": [1], "file_name": "a.jpg"}]),
    "image id of a caption is a list": changed(annotations=[{"image_id": [1], "caption": "a"}]),
}


@pytest.mark.parametrize("content", NOT_COCO.values(), ids=NOT_COCO.keys())
def test_what_is_not_in_cocos_format(tmp_path, content):
    with pytest.raises(InputError, match=r"a\.json is not in COCO's caption format .*it needs"):
        read_annotations(write(tmp_path / "a.json", content))


def test_an_image_id_twice(tmp_path):
    content = changed(images=[*CONTENT["images"], {"id": 10, "file_name": "d.jpg"}])
    with pytest.raises(InputError, match=r"a\.json lists an image id twice"):
        read_annotations(write(tmp_path / "a.json", content))


def test_a_caption_of_an_image_that_is_not_listed(tmp_path):
    content = changed(annotations=[{"image_id": 99, "caption": "lost"}])
    with pytest.raises(InputError, match=r"a\.json has a caption of image 99, .*'lost'"):
        read_annotations(write(tmp_path / "a.json", content))


@pytest.mark.parametrize("content", ["", "{", '{"images": [}'])
def test_what_is_not_json(tmp_path, content):
    with pytest.raises(InputError, match=r"a\.json is not valid JSON"):
        read_annotations(write(tmp_path / "a.json", content))


def test_a_missing_file(tmp_path):
    with pytest.raises(InputError, match=r"none\.json does not exist"):
        read_annotations(tmp_path / "none.json")
