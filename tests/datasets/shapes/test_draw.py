import io
import json
import zipfile
from collections import Counter

import numpy as np
import pytest
from PIL import Image

from recap.core.errors import InputError
from recap.datasets.annotations import read_annotations
from recap.datasets.shapes import draw as shapes
from recap.datasets.shapes.captions import (
    MAX_WORDS,
    OF_ONE,
    OF_PAIR,
    OF_TWINS,
    check_claims,
    parse_caption,
    write_captions,
)
from recap.datasets.shapes.draw import draw_scene, draw_shapes, read_scenes
from recap.datasets.shapes.pictures import OUTLINE, RGB, outline, paint
from recap.datasets.shapes.scenes import (
    BACKGROUNDS,
    CLASHES,
    COLOURS,
    COLUMNS_ALONE,
    COLUMNS_IN_PAIR,
    PLACES,
    RADII,
    SCATTER,
    SHAPES,
    SIDE,
    SIZES,
    TILT,
    DrawnObject,
    Scene,
    draw_lots,
)


def drawn(folder, train_scenes=6, val_scenes=3, seed=0):
    paths = {name: folder / f"{name}.zip" for name in ("train_images", "val_images", "annotations")}
    draw_shapes(**paths, train_scenes=train_scenes, val_scenes=val_scenes, seed=seed)
    return paths


def member(path, name):
    with zipfile.ZipFile(path) as archive:
        return archive.read(name)


@pytest.fixture(scope="module")
def archives(tmp_path_factory):
    return drawn(tmp_path_factory.mktemp("shapes"))


@pytest.fixture(scope="module")
def scenes():
    """Many scenes, with the captions of each."""
    random = np.random.default_rng(7)
    lots = [draw_lots(random) for _ in range(1500)]
    return [(scene, write_captions(scene, random)) for scene in lots]


def an_object(shape="star", colour="red", size="large", place="left", x=60.0):
    return DrawnObject(shape, colour, size, place, x, SIDE / 2, 50.0, 0.0)


RED_STAR_LEFT = an_object()
BLUE_CIRCLE_RIGHT = an_object("ring", "blue", "small", "right", x=164.0)


# The archives


def test_images_are_stored_jpegs_of_224_pixels_named_as_in_coco(archives):
    names = {
        "train_images": [f"train2014/COCO_train2014_{i:012d}.jpg" for i in range(1, 7)],
        "val_images": [f"val2014/COCO_val2014_{i:012d}.jpg" for i in range(7, 10)],
    }
    for archive_name, expected in names.items():
        with zipfile.ZipFile(archives[archive_name]) as archive:
            members = archive.infolist()
            assert [entry.filename for entry in members] == expected
            assert {entry.compress_type for entry in members} == {zipfile.ZIP_STORED}
            assert {entry.date_time for entry in members} == {(2014, 1, 1, 0, 0, 0)}
            for entry in members:
                image = Image.open(io.BytesIO(archive.read(entry)))
                assert (image.format, image.mode, image.size) == ("JPEG", "RGB", (224, 224))


def test_annotations_are_in_cocos_caption_format(archives, tmp_path):
    all_ids, all_caption_ids = [], []
    for split, count in (("train", 6), ("val", 3)):
        text = member(archives["annotations"], f"annotations/captions_{split}2014.json")
        content = json.loads(text)
        assert set(content) == {"info", "licenses", "images", "annotations"}
        assert set(content["info"]) == {"description", "url", "version", "year", "contributor"}
        licenses = {entry["id"] for entry in content["licenses"]}
        for image in content["images"]:
            assert set(image) == {
                *("id", "file_name", "height", "width", "license"),
                *("flickr_url", "coco_url", "date_captured"),
            }
            assert image["license"] in licenses
            assert image["flickr_url"].startswith("https://example.invalid/")
        for caption in content["annotations"]:
            assert set(caption) == {"id", "image_id", "caption"}
            all_caption_ids.append(caption["id"])
        path = tmp_path / "captions.json"
        path.write_bytes(text)
        annotations = read_annotations(path)
        assert len(annotations.images) == count
        assert all(len(five) == 5 for five in annotations.captions_by_image().values())
        all_ids += [image["id"] for image in annotations.images]
    assert len(set(all_ids)) == 9
    assert len(set(all_caption_ids)) == len(all_caption_ids) == 45


def test_truth_of_each_image_agrees_with_its_captions(archives):
    for split in ("train", "val"):
        coco = json.loads(member(archives["annotations"], f"annotations/captions_{split}2014.json"))
        scenes = read_scenes(archives["annotations"], split)
        assert list(scenes) == [image["id"] for image in coco["images"]]
        for entry in coco["annotations"]:
            verdicts = check_claims(parse_caption(entry["caption"]), scenes[entry["image_id"]])
            assert all(holds for _, holds in verdicts)


def test_same_seed_same_bytes_and_another_seed_others(archives, tmp_path):
    again, other = drawn(tmp_path / "again"), drawn(tmp_path / "other", seed=1)
    for name, path in archives.items():
        assert again[name].read_bytes() == path.read_bytes()
        assert other[name].read_bytes() != path.read_bytes()


def test_a_scene_does_not_depend_on_how_many_are_drawn(archives, tmp_path):
    longer = drawn(tmp_path, train_scenes=8, val_scenes=3)
    for split, first in (("train", 1), ("val", 7)):
        offset = 2 if split == "val" else 0
        for image_id in range(first, first + 3):
            few = member(
                archives[f"{split}_images"], f"{split}2014/COCO_{split}2014_{image_id:012d}.jpg"
            )
            many = member(
                longer[f"{split}_images"],
                f"{split}2014/COCO_{split}2014_{image_id + offset:012d}.jpg",
            )
            assert few == many


def test_splits_share_no_scene():
    assert draw_scene(0, 0, 0)[1] != draw_scene(0, 1, 0)[1]


@pytest.mark.parametrize("wrong", [{"train_scenes": 0}, {"val_scenes": -1}, {"seed": -1}])
def test_impossible_numbers_are_told_and_leave_nothing_behind(tmp_path, wrong):
    with pytest.raises(InputError, match=str(next(iter(wrong.values())))):
        drawn(tmp_path, **wrong)
    assert list(tmp_path.iterdir()) == []


def test_interrupted_drawing_leaves_nothing_behind(tmp_path, monkeypatch):
    def fail(archive, name, content):
        if name.startswith("val2014/"):
            raise KeyboardInterrupt
        store(archive, name, content)

    store = shapes._store
    monkeypatch.setattr(shapes, "_store", fail)
    with pytest.raises(KeyboardInterrupt):
        drawn(tmp_path)
    assert list(tmp_path.iterdir()) == []


# The scenes


def test_every_value_is_drawn_and_backgrounds_shapes_and_sizes_equally_often(scenes):
    backgrounds = Counter(scene.background for scene, _ in scenes)
    objects = [thing for scene, _ in scenes for thing in scene.objects]
    for counts, values in (
        (backgrounds, BACKGROUNDS),
        (Counter(thing.shape for thing in objects), SHAPES),
        (Counter(thing.size for thing in objects), SIZES),
    ):
        assert set(counts) == set(values)
        assert min(counts.values()) > 0.75 * sum(counts.values()) / len(values)
    assert {thing.colour for thing in objects} == set(COLOURS)
    assert {thing.place for thing in objects} == set(PLACES)


def test_objects_stand_out_from_the_background_and_from_each_other(scenes):
    for scene, _ in scenes:
        colours = [thing.colour for thing in scene.objects]
        assert not CLASHES[scene.background].intersection(colours)
        assert len(set(colours)) == len(colours)
        if len(scene.objects) == 2:
            assert [thing.place for thing in scene.objects] == ["left", "right"]
            assert scene.objects[0].x < SIDE / 2 < scene.objects[1].x


@pytest.mark.parametrize("background", BACKGROUNDS)
@pytest.mark.parametrize("shape", SHAPES)
def test_object_is_painted_in_its_colour_and_within_the_picture(background, shape):
    thing = an_object(shape, "purple", x=112.0)
    bare = np.asarray(paint(Scene(background, ()), np.random.default_rng(0)), float)
    pixels = np.asarray(paint(Scene(background, (thing,)), np.random.default_rng(0)), float)
    changed = np.abs(pixels - bare).max(axis=2) > 60
    in_colour = np.abs(pixels - RGB["purple"]).max(axis=2) < 40
    assert in_colour.sum() > 0.4 * changed.sum()
    rows, columns = np.nonzero(changed)
    assert 38 < (rows.max() - rows.min()) / 2 < 60
    assert 38 < (columns.max() - columns.min()) / 2 < 60
    assert abs((columns.max() + columns.min()) / 2 - 112) < 8


def test_no_object_leaves_the_picture_or_touches_another():
    for shape in SHAPES:
        for angle in np.deg2rad([-TILT, 0, TILT]):
            points = outline(shape) @ [
                [np.cos(angle), np.sin(angle)],
                [-np.sin(angle), np.cos(angle)],
            ]
            radius = RADII["large"][1] - OUTLINE
            reach = radius * np.abs(points[:, 0]).max() + OUTLINE + SCATTER
            for columns in (COLUMNS_ALONE, COLUMNS_IN_PAIR):
                assert all(reach <= x <= SIDE - reach for x in columns.values())
            assert 2 * reach <= COLUMNS_IN_PAIR["right"] - COLUMNS_IN_PAIR["left"]


# The captions


def test_captions_of_a_scene_are_five_different_sentences(scenes):
    for _, captions in scenes:
        assert len(set(captions)) == 5
        for caption in captions:
            assert caption[0].isupper() and caption.endswith(".")
            assert 4 <= len(caption.split()) <= MAX_WORDS
            assert " a orange" not in caption.lower()


def test_vocabulary_is_small_and_every_template_is_used(scenes):
    text = " ".join(caption for _, captions in scenes for caption in captions).lower()
    vocabulary = set(text.replace(":", "").replace(",", "").replace(".", "").split())
    assert 60 <= len(vocabulary) <= 100
    for opening in ("someone put", "two shapes", "a picture of", "only a", "that is", ", one "):
        assert opening in text


@pytest.mark.parametrize("template", [*OF_ONE, *OF_PAIR, *OF_TWINS])
def test_captions_never_contradict_the_truth(scenes, template, monkeypatch):
    for pool in ("OF_ONE", "OF_PAIR", "OF_TWINS"):
        own = template in globals()[pool]
        monkeypatch.setattr(f"recap.datasets.shapes.captions.{pool}", (template,) if own else ())
    random = np.random.default_rng(3)
    fitting = [
        scene
        for scene, _ in scenes
        if len(scene.objects) == (1 if template in OF_ONE else 2)
        and (template not in OF_TWINS or scene.objects[0].shape == scene.objects[1].shape)
    ]
    for scene in fitting[:40]:
        for caption in write_captions(scene, random, count=2):
            claims = parse_caption(caption)
            assert all(holds for _, holds in check_claims(claims, scene)), caption
            assert len(claims.objects) <= len(scene.objects)


def test_most_captions_name_shape_and_colour(scenes):
    named = Counter()
    for scene, captions in scenes:
        for caption in captions:
            named.update(
                {attribute for attribute, _ in check_claims(parse_caption(caption), scene)}
            )
    captions_in_all = 5 * len(scenes)
    for attribute, at_least in (
        *(("shape", 0.95), ("colour", 0.85), ("background", 0.8)),
        *(("size", 0.5), ("place", 0.25)),
    ):
        assert at_least < named[attribute] / captions_in_all


def claims_of(caption):
    claims = parse_caption(caption)
    described = [(thing.size, thing.colour, thing.shape, thing.place) for thing in claims.objects]
    return claims.background, described


@pytest.mark.parametrize(
    ("caption", "background", "objects"),
    [
        ("A large red star on the grass.", "grass", [("large", "red", "star", None)]),
        ("on a lawn lies a huge scarlet star", "grass", [("large", "red", "star", None)]),
        (
            "In the centre of a street stands a tiny golden hoop.",
            "road",
            [("small", "yellow", "ring", "middle")],
        ),
        (
            "A tile that is big and violet among the clouds.",
            "sky",
            [("large", "purple", "square", None)],
        ),
        (
            "a small blue hoop to the left of a yellow square in the sea",
            "water",
            [("small", "blue", "ring", "left"), (None, "yellow", "square", "right")],
        ),
        (
            "On the left lies a heart and on the right a black triangle.",
            None,
            [(None, None, "heart", "left"), (None, "black", "triangle", "right")],
        ),
        (
            "Two hearts on the beach, one green and one white.",
            "sand",
            [(None, "green", "heart", None), (None, "white", "heart", None)],
        ),
        ("Two shapes lying side by side in the snow.", "snow", []),
        # As a captioner that has learned imperfectly may write
        (
            "a red star and blue ring",
            None,
            [(None, "red", "star", None), (None, "blue", "ring", None)],
        ),
        (
            "a star next to the red ring",
            None,
            [(None, None, "star", None), (None, "red", "ring", None)],
        ),
        ("a small small red", None, []),
        ("", None, []),
    ],
)
def test_captions_are_understood(caption, background, objects):
    assert claims_of(caption) == (background, objects)


def test_false_claims_are_found():
    scene = Scene("grass", (RED_STAR_LEFT,))
    claims = parse_caption("A small red heart on the right of the road.")
    assert dict(check_claims(claims, scene)) == {
        **{"shape": False, "colour": True, "size": False, "place": False},
        "background": False,
    }


def test_an_object_too_many_is_wrong_in_all_that_is_claimed_of_it():
    scene = Scene("grass", (RED_STAR_LEFT,))
    verdicts = check_claims(parse_caption("a red star next to a large blue ring"), scene)
    assert sorted(verdicts) == sorted(
        [("shape", True), ("colour", True), ("shape", False), ("colour", False), ("size", False)]
    )


def test_objects_are_matched_by_what_is_said_of_them_not_by_order():
    scene = Scene("grass", (RED_STAR_LEFT, BLUE_CIRCLE_RIGHT))
    swapped = check_claims(parse_caption("a small blue ring and a big red star"), scene)
    assert all(holds for _, holds in swapped)
    sides = check_claims(parse_caption("a blue ring to the left of a red star"), scene)
    assert Counter(sides) == Counter({("shape", True): 2, ("colour", True): 2, ("place", False): 2})


def test_one_object_of_two_may_be_left_out():
    scene = Scene("grass", (RED_STAR_LEFT, BLUE_CIRCLE_RIGHT))
    assert check_claims(parse_caption("a blue ring"), scene) == [
        ("shape", True),
        ("colour", True),
    ]


def test_a_caption_that_repeats_itself_is_checked_in_no_time():
    scene = Scene("grass", (RED_STAR_LEFT, BLUE_CIRCLE_RIGHT))
    verdicts = check_claims(parse_caption("red star " * 15), scene)
    assert Counter(holds for _, holds in verdicts) == {True: 2, False: 28}
