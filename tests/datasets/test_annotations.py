import json

import pytest

from recap.core.errors import InputError
from recap.datasets.annotations import (
    iterate_captions,
    iterate_images,
    number_images,
    read_annotations,
)

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
}


@pytest.mark.parametrize("content", NOT_COCO.values(), ids=NOT_COCO.keys())
def test_what_is_not_in_cocos_format(tmp_path, content):
    with pytest.raises(InputError, match=r"a\.json is not in COCO's caption format .*it needs"):
        read_annotations(write(tmp_path / "a.json", content))


@pytest.mark.parametrize("image_id", ["30", 30.0, None, True, [30]])
def test_ids_that_are_no_whole_numbers(tmp_path, image_id):
    for content in (
        changed(images=[{"id": image_id, "file_name": "a.jpg"}]),
        changed(annotations=[{"id": 1, "image_id": image_id, "caption": "a"}]),
    ):
        with pytest.raises(InputError, match=r"a\.json has the image id .*, which is no whole"):
            read_annotations(write(tmp_path / "a.json", content))


@pytest.mark.parametrize("caption", [None, False, 42, 1.5, ["a"], {"a": "b"}])
def test_captions_that_are_no_text(tmp_path, caption):
    content = changed(annotations=[{"id": 77, "image_id": 10, "caption": caption}])
    with pytest.raises(InputError, match="in the annotation 77, of image 10: a caption is text"):
        read_annotations(write(tmp_path / "a.json", content))


@pytest.mark.parametrize(
    "name", [None, False, 1.5, ["a.jpg"], "a\nb.jpg", "a\u2028b.jpg", "\ud800"]
)
def test_file_names_that_cannot_be_names(tmp_path, name):
    content = changed(images=[{"id": 10, "file_name": name}])
    with pytest.raises(InputError, match="for the image 10: give it the name of its file"):
        read_annotations(write(tmp_path / "a.json", content))


def test_spaces_of_any_kind_in_file_names(tmp_path):
    content = changed(images=[{"id": 10, "file_name": "10.30\u202fAM\u00a0.png"}], annotations=[])
    (image,) = read_annotations(write(tmp_path / "a.json", content)).images
    assert image["file_name"] == "10.30\u202fAM\u00a0.png"


def test_captions_are_read_as_people_see_them(tmp_path):
    content = changed(
        annotations=[{"image_id": 10, "caption": "\ufeffun cafe\u0301 \u2764\ufe0f co\u00adop"}]
    )
    path = write(tmp_path / "a.json", content)
    assert list(iterate_captions(path)) == [(10, "un café \u2764 coop")]


def test_what_python_reads_as_json(tmp_path):
    content = changed(
        images=[
            {"id": 2**63, "file_name": "a.jpg", "area": float("nan")},
            {"id": -(10**30), "file_name": "b.jpg", "area": float("-inf")},
        ],
        annotations=[{"id": 1, "image_id": 2**63, "caption": "a", "area": "HUGE"}],
    )
    text = "\ufeff" + json.dumps(content).replace('"HUGE"', "1e999")
    annotations = read_annotations(write(tmp_path / "a.json", text))
    assert [image["id"] for image in annotations.images] == [2**63, -(10**30)]
    assert annotations.captions == [(2**63, "a")]


def test_an_image_id_twice(tmp_path):
    content = changed(images=[*CONTENT["images"], {"id": 10, "file_name": "d.jpg"}])
    with pytest.raises(InputError, match=r"a\.json lists the image id 10 twice"):
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
