"""The course's style transfer: its losses, its loop, and its pictures."""

import inspect

import numpy as np
import pytest
import torch
from PIL import Image

from recap.cs231n import style_transfer_pytorch as door
from recap.cs231n.stand_ins.torchvision import models
from recap.vision import style_losses


def numbers(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


@pytest.fixture(scope="module")
def cnn():
    return models.squeezenet1_1().features.type(door.dtype)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("styles")
    generator = np.random.default_rng(0)
    for name, mode in (("tubingen", "RGB"), ("drawing", "L")):
        small = Image.fromarray(generator.integers(0, 256, (6, 8, 3), dtype=np.uint8))
        small.resize((50, 40)).convert(mode).save(folder / f"{name}.png")
    return folder


def test_losses_are_those_of_recap():
    features, target = numbers(1, 4, 5, 6), numbers(1, 4, 5, 6, seed=1)
    gram = style_losses.gram_matrix(target)
    assert torch.allclose(door.gram_matrix(target)[0], gram)
    pairs = [
        (
            door.content_loss(0.3, features, target),
            style_losses.content_loss(features, target, 0.3),
        ),
        (
            door.style_loss([0, features], [1], [gram], [7]),
            style_losses.style_loss(features, gram, 7),
        ),
        (door.tv_loss(features, 2), style_losses.tv_loss(features, 2)),
    ]
    for ours, (wanted, _) in pairs:
        torch.testing.assert_close(ours, wanted)


def test_gradients_flow_through_the_losses():
    features = numbers(1, 4, 5, 6).requires_grad_()
    door.content_loss(1, features, torch.zeros(1, 4, 5, 6)).backward()
    torch.testing.assert_close(features.grad, 2 * features.detach())


def test_gram_matrices_of_a_batch():
    features = numbers(2, 3, 4, 5)
    gram = door.gram_matrix(features, normalize=False)
    rows = features[1].reshape(3, -1)
    torch.testing.assert_close(gram[1], rows @ rows.T)
    torch.testing.assert_close(door.gram_matrix(features), gram / 60)


def test_a_picture_and_back(folder):
    img = door.preprocess(Image.open(folder / "tubingen.png"), size=20)
    assert img.shape == (1, 3, 20, 25)
    picture = np.asarray(door.deprocess(img))
    assert picture.shape == (20, 25, 3)
    assert (picture.min(), picture.max()) == (0, 255)


def test_features_of_a_file(folder, cnn):
    features, img = door.features_from_img(folder / "drawing.png", 32, cnn)
    assert img.shape == (1, 3, 32, 40)
    assert len(features) == len(cnn) == 13
    assert features[3].shape[1] == 128
    # The ReLU works in place: what is kept of the convolution is rectified.
    assert features[0].min() == 0


CASE = {
    "image_size": 32,
    "style_size": 32,
    "content_layer": 3,
    "content_weight": 6e-2,
    "style_layers": [1, 4],
    "style_weights": [3000, 100],
    "tv_weight": 2e-2,
}


STEPS = door.StyleTransfer


def plain_loop(content_image, style_image, cnn, steps):
    """Return what the notebook's loop makes, in fewer steps."""
    content = door.preprocess(Image.open(content_image).convert("RGB"), 32).type(door.dtype)
    target = door.extract_features(content, cnn)[3]
    of_style, _ = door.features_from_img(style_image, 32, cnn)
    grams = [door.gram_matrix(of_style[layer]) for layer in (1, 4)]
    img = content.clone().requires_grad_()
    optimizer = torch.optim.Adam([img], lr=3.0)
    for step in range(steps):
        if step < steps - 10:
            img.data.clamp_(-1.5, 1.5)
        optimizer.zero_grad()
        feats = door.extract_features(img, cnn)
        loss = door.content_loss(6e-2, feats[3], target) + door.tv_loss(img, 2e-2)
        (loss + door.style_loss(feats, [1, 4], grams, [3000, 100])).backward()
        if step == steps - 20:
            optimizer = torch.optim.Adam([img], lr=0.1)
        optimizer.step()
    return door.deprocess(img)


def test_style_transfer_is_the_notebooks_loop(folder, cnn, monkeypatch):
    monkeypatch.setattr(door, "StyleTransfer", lambda **options: STEPS(steps=22, **options))
    files = (folder / "tubingen.png", folder / "drawing.png")
    painted, wanted = door.style_transfer(*files, **CASE, cnn=cnn), plain_loop(*files, cnn, 22)
    assert painted.size == (40, 32)
    difference = np.abs(np.asarray(painted, dtype=int) - np.asarray(wanted, dtype=int))
    # Rounding grows from step to step.
    assert np.median(difference) <= 8


def test_a_random_start_is_torchs(folder, cnn, monkeypatch):
    monkeypatch.setattr(door, "StyleTransfer", lambda **options: STEPS(steps=1, **options))
    files = (folder / "tubingen.png", folder / "drawing.png")
    pictures = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        painted = door.style_transfer(*files, **CASE, init_random=True, name="x", cnn=cnn)
        pictures.append(np.asarray(painted, dtype=int))
    assert np.array_equal(pictures[0], pictures[1])
    assert not np.array_equal(pictures[0], pictures[2])


@pytest.mark.parametrize(
    ("function", "parameters"),
    [
        (door.content_loss, "content_weight content_current content_original"),
        (door.gram_matrix, "features normalize"),
        (door.style_loss, "feats style_layers style_targets style_weights"),
        (door.tv_loss, "img tv_weight"),
        (door.preprocess, "img size"),
        (door.deprocess, "img"),
        (door.rescale, "x"),
        (door.rel_error, "x y"),
        (door.extract_features, "x cnn"),
        (door.features_from_img, "imgpath imgsize cnn"),
    ],
)
def test_signatures_are_the_courses(function, parameters):
    assert list(inspect.signature(function).parameters) == parameters.split()
