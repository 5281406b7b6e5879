import json

import h5py
import numpy as np
import pytest

from recap.core.errors import InputError
from recap.features import take
from recap.features.files import open_features, skipped_rows
from recap.features.take import take_features


@pytest.fixture
def annotations(tmp_path):
    path = tmp_path / "captions.json"
    images = [{"id": number, "file_name": f"{number}.jpg"} for number in range(5)]
    path.write_text(json.dumps({"images": images, "annotations": []}))
    return path


@pytest.fixture
def write(tmp_path):
    def write(rows, **attributes):
        with h5py.File(tmp_path / "mine.h5", "w") as file:
            file["features"] = rows
            file["features"].attrs["skipped"] = np.array([3])
            file.attrs.update(attributes)
        return tmp_path / "mine.h5"

    return write


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_features_are_taken_with_what_they_say_of_themselves(
    write, annotations, tmp_path, monkeypatch, dtype
):
    monkeypatch.setattr(take, "BLOCK", 2)
    rows = np.random.default_rng(0).standard_normal((5, 3)).astype(dtype)
    take_features(write(rows, backbone="clip"), annotations, output=tmp_path / "out.h5")
    with open_features(tmp_path / "out.h5") as file:
        assert file["features"].dtype == np.float32
        np.testing.assert_array_equal(file["features"][:], rows.astype(np.float32))
        assert dict(file.attrs) == {"backbone": "clip", "given": "mine.h5"}
        assert skipped_rows(file["features"]).tolist() == [3]


def test_features_of_other_images_or_damaged_ones_are_refused(
    write, annotations, tmp_path, monkeypatch
):
    monkeypatch.setattr(take, "BLOCK", 2)
    output = tmp_path / "out.h5"
    with pytest.raises(InputError, match=r"of 6 images, but .*captions.json lists 5: give a row"):
        take_features(write(np.ones((6, 3))), annotations, output=output)
    rows = np.ones((5, 3))
    rows[4, 1] = np.nan
    with pytest.raises(InputError, match="mine.h5 has a number that is not finite in row 4"):
        take_features(write(rows), annotations, output=output)
    with pytest.raises(InputError, match="3 dimensions"):
        take_features(write(np.ones((5, 3, 2))), annotations, output=output)
    with pytest.raises(InputError, match="does not exist"):
        take_features(tmp_path / "none.h5", annotations, output=output)
    assert not output.exists()
