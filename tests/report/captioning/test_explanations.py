"""Which pixels made the models say their words, as the page shows it."""

import base64
import io
import json

import numpy as np
import pytest
from PIL import Image

from recap.core.errors import InputError
from recap.report.captioning.chapter import write_chapter
from recap.report.captioning.compare import compare_captioners
from recap.report.captioning.explanations import _as_seen
from recap.report.maps import DARKEST, SIDE, shade


def chapter(fake):
    return write_chapter(fake.compared(), number=1, seed=0)


def opacity(address):
    """Return how dark a shade is, (side, side), from 0 to 255."""
    picture = Image.open(io.BytesIO(base64.b64decode(address.partition(",")[2])))
    return np.asarray(picture.convert("RGBA"))[..., 3]


def test_a_shade_is_dark_where_the_map_is_low():
    levels = np.zeros((28, 28), np.uint8)
    levels[5:9, 7:12] = 255
    levels[20] = 64
    found = opacity(shade(levels))
    assert found.shape == (28, 28)
    assert (found[5:9, 7:12] == 0).all()
    assert (found[levels == 0] == DARKEST).all()
    # The square root: a quarter of the map is half as dark.
    np.testing.assert_allclose(found[20] / DARKEST, 0.5, atol=0.04)
    # A map of nothing is dark, and one that is the same everywhere is clear.
    assert (opacity(shade(np.zeros((7, 7), np.uint8))) == DARKEST).all()
    assert (opacity(shade(np.full((7, 7), 9, np.uint8))) == 0).all()


@pytest.mark.parametrize(("seen", "kept"), [(1.0, 100), (0.5, 50), (0.0, 300)])
def test_a_photo_is_shown_as_the_network_saw_it(seen, kept):
    """Columns of a wide photo tell where they are; the square about the middle is seen."""
    columns = np.broadcast_to(np.arange(300) * 255 // 299, (100, 300)).astype(np.uint8)
    found = np.asarray(_as_seen(Image.fromarray(columns), seen))
    assert found.shape == (SIDE, SIDE)
    width = (float(found[0, -1]) - float(found[0, 0])) * 299 / 255
    assert width == pytest.approx(kept, abs=4)
    assert found.mean() == pytest.approx(127, abs=2)


def test_the_captions_that_the_gallery_shows_have_maps(explained):
    found = chapter(explained).explanations
    assert [photo.file_name for photo in found.photos] == [
        "100.jpg",
        "107.jpg",
        "114.jpg",
        "121.jpg",
    ]
    captions = json.loads((explained.folder / "captions/lstm/seed0/beam3.json").read_text())
    for photo, entry in zip(found.photos, captions, strict=False):
        assert list(photo.captions) == ["lstm", "rnn"]
        words = photo.captions["lstm"]
        assert [word.text for word in words] == entry["caption"].split()
        assert [list(word.shades) for word in words] == [["gradient", "attention"]] * len(words)
        assert photo.first == ("lstm", len(words) - 1)
        assert words[0].weight == pytest.approx(1 / len(words))
        assert words[0].probability == pytest.approx(np.exp(-0.5))
    assert found.with_attention


def test_scores_are_means_over_photos_with_intervals(explained):
    found = chapter(explained).explanations
    assert found.words == {"lstm": 2, "rnn": 2}
    of = {(score.model, score.kind): score for score in found.scores}
    assert [kind for model, kind in of if model == "lstm"] == [
        "gradient",
        "attention",
        "contrast",
        "centre",
        "random",
    ]
    mean, low, high = of["rnn", "gradient"].share
    assert (mean, low, high) == pytest.approx((0.65, 0.6, 0.7))
    assert of["rnn", "gradient"].gain == pytest.approx((0.3, 0.4))
    assert of["rnn", "contrast"].gain is None
    assert "100% of the words (100% to 100%)" in found.found[0]
    assert "65% of the map and 50% of attention, more than the 30%" in found.found[0]


@pytest.mark.parametrize(("share", "told"), [(0.1, "less than"), (0.3, "not told from")])
def test_maps_that_tell_no_more_than_the_contrast(explained, share, told):
    path = explained.folder / "explanations/rnn/seed0/beam3.json"
    content = json.loads(path.read_text())
    for photo in content["photos"]:
        for word in photo["named"]:
            word["share"]["gradient"] = share
    path.write_text(json.dumps(content))
    assert f", {told} the 30%" in chapter(explained).explanations.found[1]


def test_photos_of_which_nothing_is_known_have_maps_alone(explained, tmp_path):
    for path in explained.folder.glob("explanations/*/*/*.json"):
        content = json.loads(path.read_text())
        for photo in content["photos"]:
            del photo["named"]
        path.write_text(json.dumps(content))
    found = chapter(explained).explanations
    assert found.scores == found.found == []
    compare_captioners(explained.folder, output=tmp_path / "report")
    page = (tmp_path / "report/index.html").read_text()
    assert "Share on the object" not in page
    assert page.count('class="lit-word"') > 20


def test_a_study_without_says_so(fake, tmp_path):
    compare_captioners(fake.folder, output=tmp_path / "report")
    assert "No captions were explained" in (tmp_path / "report/index.html").read_text()


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("beam3.json", "{}", r"beam3\.json and the archive beside it do not hold the maps"),
        ("beam3.npz", "none", r"beam3\.npz is not a whole NumPy archive with gradient"),
    ],
)
def test_damaged_files(explained, name, content, sentence):
    (explained.folder / "explanations/rnn/seed0" / name).write_text(content)
    with pytest.raises(InputError, match=sentence):
        chapter(explained)


def test_too_few_maps(explained):
    path = explained.folder / "explanations/rnn/seed0/beam3.npz"
    np.savez(path, gradient=np.zeros((2, 28, 28), np.uint8))
    with pytest.raises(InputError, match="do not hold the maps of words"):
        chapter(explained)
