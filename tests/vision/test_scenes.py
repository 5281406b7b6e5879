import numpy as np

from recap.datasets.shapes.pictures import RGB
from recap.datasets.shapes.scenes import COLOURS, SHAPES
from recap.vision.photos import read_photos
from recap.vision.scenes import SCENE_CLASSES, classes_shown, draw_scenes, write_scenes


def test_the_masks_of_a_drawn_scene_are_where_its_colours_are(tmp_path):
    scenes, pictures = draw_scenes(seed=0, split=0, count=24, threads=1)
    write_scenes(tmp_path / "scenes.npz", scenes, pictures)
    photos = list(read_photos([tmp_path / "scenes.npz"]))
    assert {len(photo.labels) for photo in photos} == {1, 2}
    for photo, scene in zip(photos, scenes, strict=True):
        told = {SCENE_CLASSES[label] for label in photo.labels}
        assert told == {f"{thing.colour} {thing.shape}" for thing in scene.objects}
        pixels = np.asarray(photo.image, float)
        for label in photo.labels:
            mask = photo.masks[label]
            colour = RGB[SCENE_CLASSES[label].split()[0]]
            alike = np.abs(pixels - colour).max(axis=2) < 50
            # Without its dark outline, an object has its colour.
            assert (alike & mask).sum() > 0.3 * mask.sum()
            rest = alike & ~photo.masks.any(axis=0)
            assert rest.mean() < 0.5 * (alike & mask).sum() / mask.sum()
        assert not photo.masks[[n for n in range(40) if n not in photo.labels]].any()


def test_a_scene_depends_on_its_seed_split_and_number_alone():
    _, some = draw_scenes(seed=0, split=0, count=3, threads=1)
    _, more = draw_scenes(seed=0, split=0, count=4, threads=2)
    _, others = draw_scenes(seed=0, split=1, count=3, threads=1)
    assert np.array_equal(some, more[:3])
    assert not np.array_equal(some, others)


def test_a_class_is_a_colour_and_a_shape():
    scenes, _ = draw_scenes(seed=0, split=0, count=4, threads=1)
    shown = classes_shown(scenes).reshape(-1, len(SHAPES), len(COLOURS))
    for scene, table in zip(scenes, shown, strict=True):
        assert table.sum() == len(scene.objects)
        for thing in scene.objects:
            assert table[SHAPES.index(thing.shape), COLOURS.index(thing.colour)]
