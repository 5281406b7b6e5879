import base64
import io
import zipfile

import numpy as np
import pytest
from PIL import Image

from recap.annotations import read_annotations
from recap.errors import InputError
from recap.report.gallery import build_gallery, choose_images
from recap.report.study import read_study


def test_the_groups_are_what_they_say():
    generator = np.random.default_rng(0)
    cider = generator.uniform(size=(2, 100))
    cider[:, 40:44] = [[5.0], [6.0]]
    cider[:, 60:64] = 0.0
    cider[:, 80:84] = [[3.0], [0.1]]
    chosen = choose_images(cider, seed=0)
    assert list(chosen) == ["best", "worst", "disagree", "drawn"]
    assert sorted(chosen["best"]) == [40, 41, 42, 43]
    assert sorted(chosen["worst"]) == [60, 61, 62, 63]
    assert sorted(chosen["disagree"]) == [80, 81, 82, 83]
    assert len(set(sum(chosen.values(), []))) == 16


def test_the_draw_depends_on_the_seed_only():
    cider = np.random.default_rng(0).uniform(size=(2, 100))
    assert choose_images(cider, seed=1) == choose_images(cider, seed=1)
    one, two = choose_images(cider, seed=1), choose_images(cider, seed=2)
    assert one["best"] == two["best"]
    assert one["drawn"] != two["drawn"]


@pytest.mark.parametrize("images", [1, 2, 3, 5, 11])
def test_few_images_are_shared_out_once_each(images):
    chosen = choose_images(np.random.default_rng(0).uniform(size=(2, images)), seed=0)
    assert sorted(sum(chosen.values(), [])) == list(range(images))


def test_a_model_alone_cannot_disagree():
    assert "disagree" not in choose_images(np.ones((1, 30)), seed=0)


def read_gallery(fake, images):
    study = read_study(fake.folder)
    annotations = read_annotations(fake.annotations)
    return study, build_gallery(study, annotations, images, decoder="beam3", seed=0)


def test_cards_show_the_right_photo_captions_and_scores(fake):
    study, groups = read_gallery(fake, fake.images)
    assert [len(group.cards) for group in groups] == [4, 4, 4, 4]
    for card in [card for group in groups for card in group.cards]:
        image_id = int(card.file_name.removesuffix(".jpg"))
        index = study.image_ids.index(image_id)
        assert card.references == [f"disc {image_id} & view {turn}" for turn in range(5)]
        for said in card.captions:
            decoding = study.decodings(said.model, "beam3")[0]
            assert said.caption == decoding.captions[index]
            assert said.cider == decoding.cider[index]
        data = base64.b64decode(card.picture.removeprefix("data:image/jpeg;base64,"))
        shown = np.asarray(Image.open(io.BytesIO(data)), dtype=float)
        photo = np.asarray(Image.open(fake.images / card.file_name), dtype=float)
        assert (card.width, card.height) == (64, 64)
        assert np.abs(shown - photo).mean() < 6


def test_an_archive_gives_the_same_gallery_as_a_folder(fake, tmp_path):
    archive = tmp_path / "val2014.zip"
    with zipfile.ZipFile(archive, "w") as file:
        for path in sorted(fake.images.iterdir()):
            file.write(path, f"val2014/{path.name}")
            file.writestr(f"__MACOSX/val2014/._{path.name}", b"no image")
    assert read_gallery(fake, archive)[1] == read_gallery(fake, fake.images)[1]


def test_large_photos_are_made_small(fake):
    for path in fake.images.iterdir():
        Image.new("RGB", (640, 480), "teal").save(path)
    card = read_gallery(fake, fake.images)[1][0].cards[0]
    assert (card.width, card.height) == (320, 240)


def test_a_missing_photo_is_named(fake):
    for path in fake.images.iterdir():
        path.unlink()
    with pytest.raises(InputError, match=r"\d+\.jpg"):
        read_gallery(fake, fake.images)
