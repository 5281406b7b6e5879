import base64
import io
import json
import shutil
import zipfile
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from recap.core.errors import InputError
from recap.report.captioning.choose_images import MOST_IMAGES, choose_images, overconfidence
from recap.report.captioning.gallery import build_gallery, shown_models
from recap.report.captioning.judge import judge
from recap.report.captioning.words import SaidWords


def test_the_groups_are_what_they_say():
    generator = np.random.default_rng(0)
    cider = generator.uniform(1, 2, size=(2, 1000))
    cider[:, 40:88] = [[5.0], [6.0]]
    cider[:, 160:208] = 0.0
    cider[:, 380:428] = [[3.0], [0.1]]
    overconfident = generator.uniform(size=1000)
    overconfident[500:548] = 2.0
    chosen = choose_images(cider, overconfident, seed=0)
    assert list(chosen) == ["best", "worst", "disagree", "sure", "drawn"]
    assert sorted(chosen["best"]) == list(range(40, 88))
    assert sorted(chosen["worst"]) == list(range(160, 208))
    assert sorted(chosen["disagree"]) == list(range(380, 428))
    assert sorted(chosen["sure"]) == list(range(500, 548))
    assert len(set(sum(chosen.values(), []))) == MOST_IMAGES == 240


def test_the_draw_depends_on_the_seed_only():
    cider = np.random.default_rng(0).uniform(size=(2, 1000))
    assert choose_images(cider, seed=1) == choose_images(cider, seed=1)
    one, two = choose_images(cider, seed=1), choose_images(cider, seed=2)
    assert one["best"] == two["best"]
    assert one["drawn"] != two["drawn"]


@pytest.mark.parametrize("images", [1, 2, 3, 5, 11, 240])
def test_few_images_are_all_shown(images):
    chosen = choose_images(np.random.default_rng(0).uniform(size=(2, images)), seed=0)
    assert set(sum(chosen.values(), [])) == set(range(images))
    assert len(chosen["best"]) == min(48, -(-images // 4))


def test_images_with_maps_are_among_the_chosen():
    cider = np.random.default_rng(0).uniform(size=(2, 1000))
    chosen = choose_images(cider, explained=[7, 500], seed=0)
    assert chosen["explained"] == [7, 500]
    assert not {7, 500} & set(chosen["drawn"])
    assert len(set(sum(chosen.values(), []))) == MOST_IMAGES


def test_a_model_alone_cannot_disagree():
    assert "disagree" not in choose_images(np.ones((1, 30)), seed=0)


def test_who_is_surest_of_the_worst_caption_is_the_most_overconfident():
    confidence = np.array([[0.9, 0.1, 0.5, 0.6], [0.3, 0.2, 0.1, 0.4]])
    cider = np.array([[0.0, 3.0, 1.0, 2.0], [5.0, 6.0, 0.0, 7.0]])
    # The first model is the surest of its worst caption, the second as sure as it is right.
    assert overconfidence(confidence, cider).tolist() == [3 / 4, -1 / 4, 0, 0]


def test_equal_scores_share_their_places():
    confidence = np.array([[0.9, 0.1, 0.5]])
    assert overconfidence(confidence, np.zeros((1, 3))).tolist() == pytest.approx(
        [1 / 3, -1 / 3, 0]
    )


def gallery_of(fake):
    comparison = fake.compared()
    verdict = judge(comparison, seed=0)
    return build_gallery(comparison, verdict, shown_models(verdict), seed=0)


def with_images(fake, images):
    """Return the gallery with photos from elsewhere."""
    comparison = fake.compared()
    (study,) = comparison.studies
    moved = replace(study, record=replace(study.record, images=images))
    comparison = replace(comparison, studies=[moved])
    verdict = judge(comparison, seed=0)
    return build_gallery(comparison, verdict, shown_models(verdict), seed=0)


def test_cards_show_the_right_photo_captions_and_scores(fake):
    comparison, gallery = fake.compared(), gallery_of(fake)
    assert gallery.models == ["lstm", "rnn"]
    assert len(gallery.cards) == 20
    for card in gallery.cards:
        image_id = int(card.file_name.removesuffix(".jpg"))
        index = comparison.image_ids.index(image_id)
        assert card.references == [f"disc {image_id} & view {turn}" for turn in range(5)]
        for item in card.captions:
            decoding = comparison.decodings(item.model, "beam3")[0]
            assert item.caption == decoding.captions[index]
            assert item.cider == decoding.cider[index]
            assert item.said == SaidWords()
        data = base64.b64decode(card.picture.removeprefix("data:image/webp;base64,"))
        shown = np.asarray(Image.open(io.BytesIO(data)).convert("RGB"), dtype=float)
        photo = np.asarray(Image.open(fake.images / card.file_name), dtype=float)
        assert (card.width, card.height) == (64, 64)
        assert np.abs(shown - photo).mean() < 8
        assert card.objects == [
            *(["disc"] if index < 12 else []),
            *(["<ring>"] if index >= 10 else []),
            *(["dot"] if index == 0 else []),
        ]


def test_cards_know_what_they_are_sorted_and_chosen_by(fake):
    gallery = gallery_of(fake)
    gaps = [card.gap for card in gallery.cards]
    assert gaps == sorted(gaps, reverse=True)
    means = sorted((card.mean for card in gallery.cards), reverse=True)
    best = {card.mean for card in gallery.cards if "best" in card.groups}
    assert best == set(means[:5])
    for card in gallery.cards:
        lstm, rnn = (item.cider for item in card.captions)
        assert card.winner == ("lstm" if lstm > rnn else "rnn")
        assert card.gap == abs(lstm - rnn)


def test_words_have_the_models_confidence(with_words):
    gallery = gallery_of(with_words)
    assert gallery.confident
    item = gallery.cards[0].captions[0]
    assert [word for word, _ in item.said.words] == item.caption.split()
    assert [share for _, share in item.said.words] == pytest.approx(
        [0.5] + [0.9] * (len(item.said.words) - 1)
    )
    rest = len(item.said.words) - 1
    assert item.said.confidence == pytest.approx((0.5 * 0.9**rest) ** (1 / (rest + 1)))


def test_the_sure_and_wrong_are_those_that_models_were_sure_of(with_words):
    path = with_words.folder / "captions/lstm/seed0/beam3.words.json"
    entries = json.loads(path.read_text())
    worst = int(with_words.compared().decodings("lstm", "beam3")[0].cider.argmin())
    entries[worst]["log_probabilities"] = [0.0] * len(entries[worst]["words"])
    path.write_text(json.dumps(entries))
    gallery = gallery_of(with_words)
    assert gallery.groups["sure"] == "sure and wrong"
    surest = max(gallery.cards, key=lambda card: card.overconfidence)
    assert surest.file_name == f"{entries[worst]['image_id']}.jpg"
    assert surest.overconfidence == 19 / 20
    assert "sure" in surest.groups


def test_without_probabilities_none_is_sure_and_wrong(fake):
    gallery = gallery_of(fake)
    assert "sure" not in gallery.groups
    assert {card.overconfidence for card in gallery.cards} == {0.0}


def test_words_have_the_models_attention(with_words):
    gallery = gallery_of(with_words)
    assert gallery.attentive == ["lstm"]
    for card in gallery.cards:
        lstm, rnn = card.captions
        assert len(lstm.said.maps) == len(lstm.said.words)
        # Light is the root of a map: 60 of 255 leave the eighth of sixteen shades.
        for word, digits in enumerate(lstm.said.maps):
            assert digits == "8" * word + "0" + "8" * (48 - word)
        assert lstm.said.seen == 0.875
        assert rnn.said.maps == []
        assert card.record["captions"][0]["maps"] == lstm.said.maps


@pytest.mark.parametrize(
    "damage",
    [
        {"words": None},
        {"log_probabilities": [-0.5]},
        {"attention": "AAAA"},
        {"attention": "no maps"},
        {"seen": "all"},
    ],
)
def test_a_broken_file_of_words_is_named(with_words, damage):
    path = with_words.folder / "captions/lstm/seed0/beam3.words.json"
    entries = json.loads(path.read_text())
    entries[0] |= damage
    path.write_text(json.dumps(entries))
    with pytest.raises(InputError, match=r"beam3\.words\.json does not hold"):
        gallery_of(with_words)


def test_only_the_best_of_many_models_are_shown(fake):
    for number in range(7):
        for part in ("models", "captions", "scores"):
            shutil.copytree(fake.folder / part / "rnn", fake.folder / part / f"rnn{number}")
    gallery = gallery_of(fake)
    assert len(gallery.models) == 6
    assert gallery.models[0] == "lstm"


def test_words_alone_are_shown_where_the_photos_are_gone(fake):
    gallery = with_images(fake, fake.images / "gone.zip")
    assert gallery.without_pictures
    assert len(gallery.cards) == 20
    assert {card.picture for card in gallery.cards} == {""}


def test_an_archive_gives_the_same_gallery_as_a_folder(fake, tmp_path):
    archive = tmp_path / "val2014.zip"
    with zipfile.ZipFile(archive, "w") as file:
        for path in sorted(fake.images.iterdir()):
            file.write(path, f"val2014/{path.name}")
            file.writestr(f"__MACOSX/val2014/._{path.name}", b"no image")
    assert with_images(fake, archive) == gallery_of(fake)


def test_large_photos_are_made_small(fake):
    for path in fake.images.iterdir():
        Image.new("RGB", (640, 480), "teal").save(path)
    card = gallery_of(fake).cards[0]
    assert (card.width, card.height) == (320, 240)


def test_a_missing_photo_is_named(fake):
    for path in fake.images.iterdir():
        path.unlink()
    with pytest.raises(InputError, match=r"\d+\.jpg"):
        gallery_of(fake)
