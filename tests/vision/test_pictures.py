from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from recap.core.errors import InputError
from recap.core.outputs import check_pictures
from recap.vision.pictures import require_one, save_picture

PIXELS = np.random.default_rng(0).integers(0, 256, (9, 8, 3), dtype=np.uint8)


@pytest.mark.parametrize("name", ["a.png", "a.webp", "folder/a.PNG"])
def test_pictures_are_written_without_loss(tmp_path, name):
    save_picture(tmp_path / name, PIXELS)
    assert np.array_equal(Image.open(tmp_path / name), PIXELS)


def test_a_jpeg_has_the_quality_of_a_photo(tmp_path):
    for name in ("a.jpg", "b.jpeg"):
        save_picture(tmp_path / name, PIXELS)
        assert Image.open(tmp_path / name).quantization[0][0] == 2


@pytest.mark.parametrize("name", ["a.gif", "folder/a.TIFF"])
def test_a_picture_of_another_format_is_no_folder(tmp_path, name):
    with pytest.raises(InputError, match=r"a\.(gif|TIFF) would be no .*: name a file that ends in"):
        check_pictures(tmp_path / name)
    check_pictures(tmp_path / "folder.d")


def test_one_picture_for_several_photos():
    require_one(Path("folder"), 2)
    require_one(Path("a.png"), 1)
    with pytest.raises(InputError, match=r"a\.png is one picture, and there are 2 photos"):
        require_one(Path("a.png"), 2)
