import numpy as np
import pytest
import torch
from PIL import Image

from recap.vision.frames import MOST_FRAMES, Frames


def gray(image):
    return image.permute(0, 2, 3, 1).byte()


def walk(folder, steps, fail=False):
    with Frames(folder, "photo", steps, gray) as frames:
        for step in range(steps + 1):
            frames.keep(torch.full((1, 3, 4, 6), 60.0 * step % 256), last=step == steps)
            if fail:
                raise InterruptedError


def test_every_step_of_a_few(tmp_path):
    walk(tmp_path, 3)
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == ["photo-0.png", "photo-1.png", "photo-2.png", "photo-3.png", "photo.webp"]
    picture = np.array(Image.open(tmp_path / "photo-2.png"))
    assert picture.shape == (4, 6, 3)
    assert (picture == 120).all()
    with Image.open(tmp_path / "photo.webp") as animation:
        assert animation.n_frames == 4
        assert animation.size == (6, 4)


def test_some_of_many_steps_with_the_last(tmp_path):
    walk(tmp_path, 205)
    steps = sorted(int(path.stem[-3:]) for path in tmp_path.glob("*.png"))
    assert steps == [*range(0, 205, 6), 205]
    assert len(steps) <= MOST_FRAMES + 1


def test_nothing_without_a_folder_and_no_animation_of_a_failure(tmp_path):
    walk(None, 3)
    with pytest.raises(InterruptedError):
        walk(tmp_path, 3, fail=True)
    assert [path.name for path in tmp_path.iterdir()] == ["photo-0.png"]
