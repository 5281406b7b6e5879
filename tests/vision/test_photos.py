import numpy as np
import pytest
from PIL import Image

from recap.core.errors import InputError
from recap.vision.photos import read_photos

PIXELS = np.random.default_rng(0).integers(0, 256, (12, 6, 5, 3), dtype=np.uint8)


def save(path, **arrays):
    np.savez(path, **arrays)
    return path


def test_files_and_folders(tmp_path):
    folder = tmp_path / "folder"
    folder.mkdir()
    Image.fromarray(PIXELS[0]).save(folder / "b.png")
    Image.fromarray(PIXELS[1]).convert("L").save(folder / "a.png")
    (folder / "notes.txt").write_text("no photo")
    Image.fromarray(PIXELS[2]).save(tmp_path / "c.png")
    photos = list(read_photos([tmp_path / "c.png", folder]))
    assert [photo.name for photo in photos] == ["c", "a", "b"]
    assert {photo.image.mode for photo in photos} == {"RGB"}
    assert np.array_equal(photos[2].image, PIXELS[0])
    assert photos[0].labels == ()
    assert photos[0].masks is None


def test_an_archive_with_labels(tmp_path):
    path = save(tmp_path / "some.npz", X=PIXELS, y=np.arange(12), label_map=np.array({}))
    photos = list(read_photos([path]))
    assert [photo.name for photo in photos][::11] == ["some-00", "some-11"]
    assert photos[7].labels == (7,)
    assert np.array_equal(photos[7].image, PIXELS[7])


def test_an_archive_with_several_labels_and_masks(tmp_path):
    labels = np.zeros((12, 3), dtype=bool)
    labels[1, [0, 2]] = True
    masks = np.zeros((12, 3, 6, 5), dtype=bool)
    masks[1, 2, 4, 3] = True
    photos = list(read_photos([save(tmp_path / "scenes.npz", X=PIXELS, y=labels, masks=masks)]))
    assert [photo.labels for photo in photos[:2]] == [(), (0, 2)]
    assert np.array_equal(photos[1].masks, masks[1])


@pytest.mark.parametrize(
    ("arrays", "sentence"),
    [
        ({"pixels": PIXELS}, "not a whole NumPy archive with X"),
        ({"X": PIXELS / 255}, r"`X` of shape \(12, 6, 5, 3\), float64"),
        ({"X": PIXELS[0]}, r"`X` of shape \(6, 5, 3\)"),
        ({"X": np.array(1, np.uint8)}, r"`X` of shape \(\)"),
        ({"X": PIXELS[:0]}, r"`X` of shape \(0, 6, 5, 3\)"),
        ({"X": PIXELS, "y": np.arange(11)}, r"a `y` of shape \(11,\)"),
        ({"X": PIXELS, "y": np.array([{}])}, "not a whole NumPy archive"),
        (
            {"X": PIXELS, "masks": np.zeros((12, 2, 5, 5), bool)},
            r"`masks` of shape \(12, 2, 5, 5\)",
        ),
    ],
)
def test_an_archive_that_is_none(tmp_path, arrays, sentence):
    with pytest.raises(InputError, match=sentence):
        list(read_photos([save(tmp_path / "some.npz", **arrays)]))


def test_what_holds_no_photos(tmp_path):
    (tmp_path / "text.npz").write_text("text")
    with pytest.raises(InputError, match=r"text\.npz is not a whole NumPy archive"):
        list(read_photos([tmp_path / "text.npz"]))
    with pytest.raises(InputError, match=r"gone\.npz does not exist"):
        list(read_photos([tmp_path / "gone.npz"]))
    with pytest.raises(InputError, match=r"gone\.png cannot be read"):
        list(read_photos([tmp_path / "gone.png"]))
    with pytest.raises(InputError, match="has no picture files"):
        list(read_photos([tmp_path / "."]))
    with pytest.raises(InputError, match="There is no photo"):
        list(read_photos([]))


def test_two_photos_of_one_name(tmp_path):
    for ending in ("png", "bmp"):
        Image.fromarray(PIXELS[0]).save(tmp_path / f"a.{ending}")
    with pytest.raises(InputError, match=r"Two photos are called a, .*rename one"):
        list(read_photos([tmp_path]))
