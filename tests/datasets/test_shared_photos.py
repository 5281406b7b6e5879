"""Photos that two splits share: refused, told, or rightly let through."""

import json

import h5py
import pytest

from recap.captions.encode import encode_captions
from recap.captions.files import write_vocabulary
from recap.captions.words import SPECIAL_WORDS
from recap.core.errors import InputError


@pytest.fixture
def encode(tmp_path):
    """Encode splits of photos of these names; return how many, by the file, are learnt from."""
    vocabulary = tmp_path / "vocab.json"
    write_vocabulary(vocabulary, [*SPECIAL_WORDS, "dog"])

    def encode(names, photos=None):
        files = {}
        for split, listed in names.items():
            content = {
                "images": [{"id": row, "file_name": name} for row, name in enumerate(listed)],
                "annotations": [
                    {"id": row, "image_id": row, "caption": "dog"} for row in range(len(listed))
                ],
            }
            files[split] = tmp_path / f"{split}.json"
            files[split].write_text(json.dumps(content))
        output = tmp_path / "captions.h5"
        dev_output = tmp_path / "dev.h5" if "dev" in files else None
        encode_captions(vocabulary, **files, output=output, dev_output=dev_output, photos=photos)
        with h5py.File(output) as file:
            return file["val_image_idxs"].attrs.get("learnt_from")

    return encode


def in_one(folder, *splits):
    return dict.fromkeys(splits, str(folder))


def test_photos_that_are_scored_do_not_choose_the_checkpoint(encode, tmp_path):
    (tmp_path / "photos").mkdir()
    (tmp_path / "link").symlink_to("photos")
    names = {"train": ["1.jpg"], "val": ["2.jpg", "3.jpg"], "dev": ["./3.jpg", "4.jpg"]}
    places = in_one(tmp_path / "photos", "train", "val") | {"dev": str(tmp_path / "link")}
    with pytest.raises(InputError) as caught:
        encode(names, places)
    assert "dev.json and " in str(caught.value)
    assert "val.json share 1 photo, such as 3.jpg: the checkpoint would be" in str(caught.value)
    assert not (tmp_path / "captions.h5").exists()


def test_photos_that_are_scored_and_learnt_from_are_told(encode, tmp_path, capsys):
    names = {"train": ["a\\1.jpg", "a/2.jpg", "3.jpg"], "val": ["a/1.jpg", "a/2.jpg", "4.jpg"]}
    assert encode(names, in_one(tmp_path, "train", "val")) == 2
    said = capsys.readouterr().out
    assert "warning: " in said
    assert "train.json and " in said
    assert "val.json share 2 photos, such as a/1.jpg: the scores measure memorisation" in said


def test_a_checkpoint_that_is_chosen_on_what_is_learnt_is_told(encode, tmp_path, capsys):
    names = {"train": ["1.jpg"], "val": ["2.jpg"], "dev": ["1.jpg"]}
    assert encode(names, in_one(tmp_path, "train", "val", "dev")) is None
    assert "dev.json share 1 photo, such as 1.jpg: the checkpoint is" in capsys.readouterr().out


@pytest.mark.parametrize("known", [True, False])
def test_one_name_in_two_places_is_two_photos(encode, tmp_path, capsys, known):
    names = dict.fromkeys(("train", "val", "dev"), ["1.jpg"])
    places = {split: str(tmp_path / split) for split in names}
    assert encode(names, places if known else None) is None
    assert "warning" not in capsys.readouterr().out
