import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from recap.core.errors import InputError
from recap.vision import fooling
from recap.vision.fooling import fool_network
from recap.vision.fooling_steps import fool, lead, rounded
from recap.vision.settings import Fooling

PIXELS = np.random.default_rng(5).integers(0, 256, (3, 32, 32, 3), dtype=np.uint8)
SETTINGS = Fooling(learning_rate=0.3)


@pytest.fixture
def targets(small):
    """Return for each picture the class with the second score."""
    return small.scores(small.images(PIXELS)).topk(2).indices[:, 1]


@pytest.mark.parametrize("recipe", ["margin", "course"])
def test_images_are_taken_for_their_targets(small, targets, recipe):
    images = small.images(PIXELS)
    assert (small.scores(images).argmax(1) != targets).all()
    fooled, steps = fool(small, images, targets, SETTINGS, recipe)
    assert (small.scores(fooled).argmax(1) == targets).all()
    assert (steps > 0).all()
    assert torch.equal(images, small.images(PIXELS))


@pytest.mark.parametrize("recipe", ["margin", "course"])
def test_a_batch_gives_what_its_images_give_alone(small, targets, recipe):
    images = small.images(PIXELS).requires_grad_()
    together, steps = fool(small, images, targets, SETTINGS, recipe)
    assert images.grad is None
    assert not together.requires_grad
    for row, target in enumerate(targets):
        alone, taken = fool(small, images[row : row + 1], target[None], SETTINGS, recipe)
        assert taken == steps[row]
        torch.testing.assert_close(alone[0], together[row])


def test_the_courses_steps_are_written_out(small, targets):
    """CS231n's loop: a step of length 1 along the gradient of the target's score."""
    image = small.images(PIXELS[:1])
    wanted, steps = image.clone(), 0
    while True:
        wanted.requires_grad_()
        scores = small.scores(wanted)
        if scores.argmax() == targets[0]:
            break
        (gradient,) = torch.autograd.grad(scores[0, targets[0]], wanted)
        wanted = wanted.detach() + 0.3 * gradient / gradient.norm()
        steps += 1
    fooled, taken = fool(small, image, targets[:1], SETTINGS, "course")
    assert taken == steps > 0
    torch.testing.assert_close(fooled, wanted.detach())


def test_the_margin_holds_after_rounding(small, targets):
    settings = Fooling(learning_rate=0.3, margin=0.05)
    fooled, _ = fool(small, small.images(PIXELS), targets, settings)
    _, ahead = lead(small, rounded(small, fooled), targets)
    assert (ahead > 0.05).all()
    assert torch.equal(small.clamp(fooled), fooled)
    beyond, _ = fool(small, small.images(PIXELS), targets, settings, "course")
    assert not torch.equal(small.clamp(beyond), beyond)


def test_classes_that_are_seen_together_are_not_played_off(small, targets):
    images = small.images(PIXELS)
    settings = Fooling(learning_rate=0.3, steps=2, margin=100)
    alone, several = (
        lead(small, fool(classifier, images, targets, settings)[0], targets)
        for classifier in (small, replace(small, several=True))
    )
    assert (several[0] > alone[0]).all()
    assert (several[1] < alone[1]).all()


def test_steps_have_an_end(small, targets):
    _, steps = fool(small, small.images(PIXELS), targets, Fooling(learning_rate=1e-9, steps=3))
    assert steps.tolist() == [3, 3, 3]


def test_a_score_without_a_gradient_gives_no_nan(spotter):
    gray = spotter.images(np.full((1, 32, 32, 3), 90, np.uint8))
    fooled, steps = fool(spotter, gray, torch.tensor([1]), Fooling(steps=2), "course")
    assert torch.equal(fooled, gray)
    assert steps == 2


def test_how_far_a_target_is_ahead(spotter):
    pixels = np.zeros((1, 32, 32, 3), np.uint8)
    pixels[0, :16] = (255, 0, 0)
    own, ahead = lead(spotter, spotter.images(pixels), torch.tensor([1]))
    assert (own.item(), ahead.item()) == (0, -2.5)


# --- the command --------------------------------------------------------------------------------


@pytest.fixture
def photos(small, tmp_path, monkeypatch):
    monkeypatch.setattr(fooling, "load_network", lambda *_: small)
    labels = small.scores(small.images(PIXELS)).argmax(1).numpy()
    np.savez(tmp_path / "photos.npz", X=PIXELS, y=labels)
    return tmp_path / "photos.npz"


def test_a_folder_of_pictures_and_measures(photos, small, targets, tmp_path):
    numbers = sorted({int(small.scores(small.images(PIXELS[:1])).argmax()), *targets.tolist()})
    names = [small.class_names[number] for number in numbers]
    fool_network(photos, output=tmp_path / "out", target=[*names, names[0]], settings=SETTINGS)
    scores = json.loads((tmp_path / "out/scores.json").read_text())
    # Not those that a photo shows.
    assert len(scores["images"]) == 3 * (len(names) - 1)
    for entry in scores["images"]:
        assert entry["before"]["class"] == entry["labels"][0]
        assert entry["target"] in names
        row = int(entry["photo"][-1])
        for recipe in ("margin", "course"):
            pixels = np.array(Image.open(tmp_path / "out" / entry["pictures"][recipe]))
            best = small.scores(small.images(pixels[None])).argmax()
            assert small.class_names[best] == entry[recipe]["after"]["class"]
            assert entry[recipe]["kept"] == (entry["target"] == entry[recipe]["after"]["class"])
            change = pixels.astype(float) - PIXELS[row]
            assert entry[recipe]["distance"] == pytest.approx(np.linalg.norm(change / 255))
            difference = Image.open(tmp_path / "out" / entry["pictures"][f"{recipe}-difference"])
            assert np.array_equal(difference, (128 + 10 * change).clip(0, 255).astype(np.uint8))
    beyond, _ = fool(small, small.images(PIXELS), targets, SETTINGS, "course")
    absolute = small.preprocessing.unbounded_pixels(beyond).abs().round().clamp(max=255)
    best = small.scores(small.preprocessing.preprocess(absolute)).argmax(1)
    for entry in scores["images"]:
        row = int(entry["photo"][-1])
        if entry["target"] == small.class_names[targets[row]]:
            assert entry["course"]["absolute"] == (best[row] == targets[row])
    for recipe in ("margin", "course"):
        summary = scores["summary"][recipe]
        assert summary["cases"] == len(scores["images"])
        assert summary["most_steps"] >= summary["mean_steps"] > 0
        for key in ("fooled", "kept", "absolute"):
            assert summary[key] == sum(entry[recipe][key] for entry in scores["images"])
    assert scores["summary"]["margin"]["kept"] == len(scores["images"])


def test_one_picture_tells_before_and_after(photos, small, tmp_path, capsys):
    photo = tmp_path / "photo.png"
    Image.fromarray(PIXELS[0]).save(photo)
    order = small.scores(small.images(PIXELS[:1])).argsort(descending=True)[0].tolist()
    first, second = (small.class_names[number] for number in order[:2])
    output = tmp_path / "fooled.png"
    fool_network(photo, output=output, target=[str(order[1])], settings=SETTINGS)
    said = capsys.readouterr().out
    assert said.startswith(f"photo: {first} (")
    assert f" steps {second} (" in said
    best = small.scores(small.images(np.array(Image.open(output))[None])).argmax()
    assert best == order[1]
    with pytest.raises(InputError, match="takes the photos for the target already"):
        fool_network(photo, output=output, target=[str(order[0])])
    with pytest.raises(InputError, match=r"would lose the small changes: name a file \.png"):
        fool_network(photo, output=tmp_path / "fooled.jpg", target=["bee"])
    with pytest.raises(InputError, match=r"fooled\.png is one picture, and there are 2"):
        fool_network(photo, output=output, target=["bee", "cow"])
