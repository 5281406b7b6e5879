import numpy as np
import pytest

from recap.core.errors import InputError
from recap.cs231n.data_utils import PHOTOS, load_imagenet_val


@pytest.fixture
def photos(tmp_path, monkeypatch):
    """Write a file of the course's form, whose names of classes are pickled."""
    monkeypatch.chdir(tmp_path)
    PHOTOS.parent.mkdir(parents=True)
    X = np.random.default_rng(0).integers(256, size=(4, 8, 8, 3), dtype=np.uint8)
    y = np.array([958, 85, 244, 182])
    np.savez(PHOTOS, X=X, y=y, label_map=np.array({0: "a name"}, dtype=object))
    return X, y


def test_photos_labels_and_names(photos):
    X, y, names = load_imagenet_val()
    np.testing.assert_array_equal(X, photos[0])
    np.testing.assert_array_equal(y, photos[1])
    assert (names[85], len(names)) == ("quail", 1000)
    assert [len(part) for part in load_imagenet_val(num=3)[:2]] == [3, 3]


def test_a_missing_or_damaged_file_is_told(photos):
    PHOTOS.write_bytes(PHOTOS.read_bytes()[:100])
    with pytest.raises(InputError, match="imagenet_val_25.npz is damaged"):
        load_imagenet_val()
    PHOTOS.unlink()
    with pytest.raises(InputError, match="get_imagenet_val.sh"):
        load_imagenet_val()
