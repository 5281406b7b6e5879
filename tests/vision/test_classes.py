import copy
import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image
from scipy.ndimage import gaussian_filter

from recap.core.errors import InputError
from recap.vision import class_steps, classes
from recap.vision.class_steps import (
    ascend,
    blur,
    visualize_by_frequencies,
    visualize_by_pixels,
)
from recap.vision.classes import visualize_classes
from recap.vision.fooling_steps import lead
from recap.vision.settings import ClassVisualization

FEW = ClassVisualization(
    steps=30, course_steps=6, course_rate=2.0, course_jitter=3, blur_every=3, jitter=2.0
)
WAYS = [visualize_by_frequencies, visualize_by_pixels]


def nothing(images):
    pass


@pytest.mark.parametrize("way", WAYS)
def test_scores_rise(small, way):
    targets = torch.tensor([1, 4])
    seen = []
    images = way(small, targets, FEW, 0, seen.append)
    before = small.scores(seen[0]).gather(1, targets[:, None])
    after = small.scores(images).gather(1, targets[:, None])
    assert (after > before).all()
    assert len(seen) == (30 if way is visualize_by_frequencies else 6)
    assert not images.requires_grad
    assert torch.allclose(small.clamp(images), images, atol=1e-6)


@pytest.mark.parametrize(("way", "steps"), [*((way, 4) for way in WAYS), (WAYS[0], 30)])
def test_a_batch_gives_what_its_classes_give_alone(small, way, steps):
    if steps > 4 and torch.cpu.get_capabilities().get("amx_bf16"):
        pytest.skip("a last bit, in which batches differ on this processor, grows with each step")
    settings = replace(FEW, steps=steps)
    together = way(small, torch.tensor([1, 4]), settings, 3, nothing)
    for row, number in enumerate((1, 4)):
        alone = way(small, torch.tensor([number]), settings, 3, nothing)
        torch.testing.assert_close(alone[0], together[row], atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("way", WAYS)
def test_chance_is_of_the_seed(small, way):
    first, again, other = (way(small, torch.tensor([2]), FEW, seed, nothing) for seed in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_the_courses_step_is_written_out(small):
    images = torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    targets = torch.tensor([1, 4])
    wanted = images.clone().requires_grad_()
    scores = small.scores(wanted)
    loss = scores[0, 1] + scores[1, 4] - 0.5 * (wanted**2).sum()
    (gradient,) = torch.autograd.grad(loss, wanted)
    settings = ClassVisualization(course_rate=3.0, l2=0.5, normalize=False)
    torch.testing.assert_close(ascend(small, images, targets, settings), images + 3 * gradient)
    moved = ascend(small, images, targets, replace(settings, normalize=True)) - images
    assert moved.flatten(1).norm(dim=1).tolist() == pytest.approx([3, 3])


def test_moves_are_undone(spotter):
    """Where there is no blue, nothing but the moves and the clamp changes an image."""
    settings = replace(FEW, l2=0.0, blur=0.01, course_rate=1e-9)
    seen = []
    images = visualize_by_pixels(spotter, torch.tensor([1]), settings, 0, seen.append)
    assert torch.allclose(images, spotter.clamp(seen[0]), atol=1e-6)


def test_frequencies_leave_other_classes_behind(small, monkeypatch):
    targets = torch.tensor([0, 1, 2, 3, 4])
    found = []
    for of_score_alone in (False, True):
        if of_score_alone:
            monkeypatch.setattr(class_steps, "lead", lambda *given: (lead(*given)[0], 0))
        images = visualize_by_frequencies(small, targets, FEW, 0, nothing)
        found.append(lead(small, images, targets)[1])
    assert (found[0] > found[1]).all()


def test_classes_that_are_seen_together_are_not_played_off(small, monkeypatch):
    broken = torch.tensor(torch.nan)
    monkeypatch.setattr(
        class_steps, "lead", lambda *given: (lead(*given)[0], broken * lead(*given)[1])
    )
    targets = torch.tensor([0, 1])
    images = visualize_by_frequencies(small, targets, FEW, 0, nothing)
    assert images.isnan().all()
    images = visualize_by_frequencies(replace(small, several=True), targets, FEW, 0, nothing)
    assert images.isfinite().all()


def test_blur_is_a_gaussian():
    images = torch.randn(2, 3, 9, 8, generator=torch.Generator().manual_seed(0))
    wanted = gaussian_filter(images.numpy(), (0, 0, 0.7, 0.7))
    assert np.allclose(blur(images, 0.7).numpy(), wanted, atol=1e-6)


def test_what_is_looked_at_is_changed(small, monkeypatch):
    """With nothing to change it by, the network sees the image itself."""
    still = replace(FEW, jitter=0.0, scale=0.0, rotation=0.0, steps=2)
    kept, seen = [], []
    scores = type(small).scores
    monkeypatch.setattr(
        type(small), "scores", lambda self, images: seen.append(images) or scores(self, images)
    )
    visualize_by_frequencies(small, torch.tensor([1]), still, 0, kept.append)
    assert torch.allclose(seen[0], kept[0], atol=1e-5)
    for change in ({"jitter": 4.0}, {"scale": 0.3}, {"rotation": 30.0}):
        seen.clear()
        kept.clear()
        visualize_by_frequencies(small, torch.tensor([1]), replace(still, **change), 0, kept.append)
        assert not torch.allclose(seen[0], kept[0], atol=1e-3), change


# --- the command --------------------------------------------------------------------------------


@pytest.fixture
def networks(small, monkeypatch):
    def load(name, weights, device):
        return replace(known[name], network=copy.deepcopy(known[name].network).to(device))

    monkeypatch.setattr(classes, "load_network", load)
    known = {"small": small, "other": replace(small, several=True)}
    known["strange"] = replace(small, class_names=("a", "b", "c", "d", "e"))
    return known


def test_a_folder_of_pictures_and_measures(networks, small, tmp_path):
    out = tmp_path / "out"
    options = {"network": "small", "other": "other", "settings": FEW}
    visualize_classes("bee", "4", "bee", output=out, frames=tmp_path / "frames", **options)
    scores = json.loads((out / "scores.json").read_text())
    assert [entry["name"] for entry in scores["images"]] == ["bee", "eel"]
    for entry in scores["images"]:
        for recipe in ("frequencies", "pixels"):
            pixels = np.array(Image.open(out / entry["pictures"][recipe]))
            found = small.scores(small.images(pixels[None]))[0]
            measured = entry[recipe]
            number = entry["number"]
            assert measured["score"] == pytest.approx(float(found[number]), abs=1e-5)
            probability = float(found.softmax(0)[number])
            assert measured["probability"] == pytest.approx(probability, abs=1e-5)
            other = float(found.sigmoid()[number])
            assert measured["other_probability"] == pytest.approx(other, abs=1e-5)
            assert (tmp_path / f"frames/{entry['name']}-{recipe}.webp").exists()
    both = [entry["pixels"]["probability"] for entry in scores["images"]]
    assert scores["summary"]["pixels"]["probability"] == pytest.approx(np.mean(both))


def test_one_picture_of_one_class(networks, tmp_path, capsys):
    visualize_classes("Emmet", output=tmp_path / "a.png", network="small", settings=FEW)
    assert Image.open(tmp_path / "a.png").size == (32, 32)
    assert "ant, emmet, probability 0." in capsys.readouterr().out
    assert [path.name for path in tmp_path.iterdir()] == ["a.png"]


@pytest.mark.parametrize(
    ("names", "options", "sentence"),
    [
        ([], {}, "There is no class to visualize"),
        (["bea"], {}, "no class 'bea': the nearest are bee"),
        (["bee"], {"other": "strange"}, "strange has other classes than small"),
        (["bee", "cow"], {"output": "a.png"}, r"a\.png is one picture, and there are 2 classes"),
    ],
)
def test_what_cannot_be_visualized(networks, tmp_path, names, options, sentence):
    output = tmp_path / options.pop("output", "out")
    with pytest.raises(InputError, match=sentence):
        visualize_classes(*names, output=output, network="small", settings=FEW, **options)
