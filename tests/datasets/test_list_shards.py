"""Lists of shards: which images, and where they are in the whole."""

import hashlib
import json

import pytest

from recap.core.errors import InputError
from recap.datasets import list_shards as module
from recap.datasets.list_shards import list_shards
from recap.datasets.shards import BLOCK, FORM, read_list


@pytest.fixture
def annotations(tmp_path):
    """Return captions of 10 images."""
    images = [{"id": 3 * n, "file_name": f"a/{n}.jpg", "coco_url": "http://x"} for n in range(10)]
    captions = [{"image_id": 0, "caption": "A dog."}]
    (tmp_path / "captions.json").write_text(json.dumps({"images": images, "annotations": captions}))
    return tmp_path / "captions.json"


def read_lists(folder, shards):
    return [read_list(folder / f"{number}-of-{shards}.json") for number in range(1, shards + 1)]


@pytest.mark.parametrize(
    ("shards", "sizes"), [(1, [10]), (2, [6, 4]), (3, [4, 4, 2]), (8, [2, 2, 0, 2, 2, 0, 2, 0])]
)
def test_shards_are_of_whole_blocks_and_hold_each_image_once(
    annotations, tmp_path, monkeypatch, shards, sizes
):
    monkeypatch.setattr(module, "BLOCK", 2)
    list_shards(annotations, output=tmp_path / "lists", shards=shards)
    lists = read_lists(tmp_path / "lists", shards)
    assert [len(listed.names) for listed in lists] == sizes
    assert [listed.first_row for listed in lists] == [sum(sizes[:n]) for n in range(shards)]
    assert {listed.all_rows for listed in lists} == {10}
    assert [name for listed in lists for name in listed.names] == [f"a/{n}.jpg" for n in range(10)]
    assert len(list((tmp_path / "lists").iterdir())) == shards


def test_shards_are_of_whole_batches_too(annotations, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "BLOCK", 2)
    list_shards(annotations, output=tmp_path, shards=2, batch=3)
    assert [listed.first_row for listed in read_lists(tmp_path, 2)] == [0, 6]


def test_the_batches_of_devices_fill_a_block():
    assert BLOCK % 128 == 0


def test_a_caption_file_is_a_list_of_all(annotations):
    listed = read_list(annotations)
    assert (listed.first_row, listed.all_rows, listed.is_whole) == (0, 10, True)


def test_other_content_has_another_form(annotations, tmp_path):
    """Where this fails, lists have other content than before: raise FORM, and note both here."""
    list_shards(annotations, output=tmp_path / "lists", shards=2)
    written = b"".join(path.read_bytes() for path in sorted((tmp_path / "lists").iterdir()))
    assert (FORM, hashlib.sha256(written).hexdigest()[:8]) == (1, "c2390774")


@pytest.mark.parametrize("number", [{"shards": 0}, {"batch": 0}])
def test_numbers_out_of_range(annotations, tmp_path, number):
    with pytest.raises(InputError, match="must be at least 1, not 0"):
        list_shards(annotations, output=tmp_path / "lists", **number)
    assert not (tmp_path / "lists").exists()


def test_a_file_without_images(tmp_path):
    (tmp_path / "none.json").write_text('{"images": [], "annotations": []}')
    with pytest.raises(InputError, match=r"none\.json lists no images: there is nothing to list"):
        list_shards(tmp_path / "none.json", output=tmp_path / "lists")
    assert not (tmp_path / "lists").exists()
