"""Style transfer: its losses against plain ones, the ways down, and the pictures."""

import json
import os
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from recap.backbones.weights import RANDOM
from recap.core.errors import InputError
from recap.vision.networks import load_network
from recap.vision.settings import StyleTransfer
from recap.vision.style import transfer_style
from recap.vision.style_losses import content_loss, gram_matrix, style_loss, tv_loss
from recap.vision.style_objective import descend, make_objective


def draw(seed, size):
    """Return a picture with soft spots."""
    small = np.random.default_rng(seed).integers(0, 256, (5, 7, 3), dtype=np.uint8)
    return Image.fromarray(small).resize(size, Image.Resampling.BICUBIC)


def numbers(*shape, seed=0):
    values = torch.randn(shape, generator=torch.Generator().manual_seed(seed))
    return values.contiguous(memory_format=torch.channels_last)


@pytest.fixture(scope="module")
def classifier():
    return load_network("squeezenet1_1", RANDOM)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pictures")
    draw(1, (48, 40)).save(folder / "photo.png")
    draw(2, (40, 64)).save(folder / "other.png")
    draw(3, (50, 40)).save(folder / "painting.png")
    draw(4, (40, 40)).convert("L").save(folder / "drawing.png")
    return folder


# --- the course's losses, written out -----------------------------------------------------------


def plain_gram(features):
    rows = features.flatten(2)[0]
    return rows @ rows.T / features.numel()


def plain_content(features, target, weight):
    return weight * (features - target).pow(2).sum()


def plain_style(features, target, weight):
    return weight * (plain_gram(features) - target).pow(2).sum()


def plain_tv(image, weight):
    below = image[:, :, 1:] - image[:, :, :-1]
    beside = image[:, :, :, 1:] - image[:, :, :, :-1]
    return weight * (below.pow(2).sum() + beside.pow(2).sum())


@pytest.mark.parametrize("layout", [torch.channels_last, torch.contiguous_format])
@pytest.mark.parametrize(
    ("ours", "plain", "others"),
    [
        (content_loss, plain_content, [numbers(1, 5, 6, 4, seed=1)]),
        (style_loss, plain_style, [plain_gram(numbers(1, 5, 3, 9, seed=2))]),
        (tv_loss, plain_tv, []),
    ],
)
def test_a_loss_and_its_gradient(ours, plain, others, layout):
    features = numbers(1, 5, 6, 4).contiguous(memory_format=layout).double()
    others = [other.double() for other in others]
    loss, gradient = ours(features, *others, 0.3)
    if ours is not tv_loss:
        gradient = gradient()
    features.requires_grad_()
    wanted = plain(features, *others, 0.3)
    torch.testing.assert_close(loss, wanted.detach())
    torch.testing.assert_close(gradient, torch.autograd.grad(wanted, features)[0])


def test_losses_of_small_numbers_by_hand():
    features = torch.tensor([[[[1.0, 2.0]], [[3.0, 4.0]]]])
    torch.testing.assert_close(gram_matrix(features), torch.tensor([[5.0, 11], [11, 25]]) / 4)
    assert content_loss(features, torch.zeros(1, 2, 1, 2), 0.5)[0] == pytest.approx(15)
    assert style_loss(features, gram_matrix(features), 2)[0] == 0
    assert tv_loss(torch.tensor([[[[0.0, 1], [3, 7]]]]), 0.1)[0] == pytest.approx(6.2)


# --- the objective ------------------------------------------------------------------------------

SETTINGS = StyleTransfer(
    absolute_weights=True, content_weight=0.06, style_weights=(3000, 100, 15, 3), tv_weight=0.02
)


def plain_total(classifier, image, content, style):
    def maps(picture):
        found, outputs = picture, []
        for module in classifier.network.features:
            found = module(found)
            outputs.append(found)
        return outputs

    of_image, of_content, of_style = maps(image), maps(content), maps(style)
    total = plain_content(of_image[3], of_content[3], 0.06) + plain_tv(image, 0.02)
    for layer, weight in zip((1, 4, 6, 7), (3000, 100, 15, 3), strict=True):
        total = total + plain_style(of_image[layer], plain_gram(of_style[layer]), weight)
    return total


def test_the_objective_is_the_courses(classifier):
    content, style = numbers(1, 3, 40, 56, seed=1), numbers(1, 3, 48, 40, seed=2)
    image = numbers(1, 3, 40, 56, seed=3)
    objective = make_objective(classifier, content, [style], [1], SETTINGS)
    losses, gradient = objective(image)
    assert image.grad is None
    assert not image.requires_grad
    image.requires_grad_()
    wanted = plain_total(classifier, image, content, style)
    torch.testing.assert_close(losses.sum(), wanted.detach(), rtol=1e-5, atol=0)
    (wanted_gradient,) = torch.autograd.grad(wanted, image)
    scale = wanted_gradient.abs().max()
    assert (gradient - wanted_gradient).abs().max() < 1e-5 * scale


def test_a_layer_of_both_content_and_style(classifier):
    content, style = numbers(1, 3, 40, 40, seed=1), numbers(1, 3, 40, 40, seed=2)
    image = numbers(1, 3, 40, 40, seed=3)

    def gradient(**options):
        settings = StyleTransfer(
            absolute_weights=True, content_layer="fire2", style_layers=("fire2",), **options
        )
        return make_objective(classifier, content, [style], [1], settings)(image)[1]

    both = gradient(content_weight=1, style_weights=(100,), tv_weight=0)
    one = gradient(content_weight=1, style_weights=(0,), tv_weight=0)
    other = gradient(content_weight=0, style_weights=(100,), tv_weight=0)
    torch.testing.assert_close(both, one + other)


def test_relative_weights_are_shares_of_what_targets_have(classifier):
    content, style = numbers(1, 3, 40, 40, seed=1), numbers(1, 3, 40, 40, seed=2)
    settings = StyleTransfer(content_weight=2, style_weights=(3,), tv_weight=0.5)
    objective = make_objective(classifier, content, [style], [1], settings)
    target, weight = objective.content["fire2"]
    assert weight * target.square().sum() == pytest.approx(2)
    assert list(objective.styles) == ["conv1", "fire3", "fire4", "fire5"]
    for target, weight in objective.styles.values():
        assert weight * target.square().sum() == pytest.approx(3)
    assert objective.tv_weight == 0.5 / (3 * 40 * 40)


def test_the_distance_to_several_styles_is_their_mean_but_for_a_constant(classifier):
    content = numbers(1, 3, 40, 40)
    styles = [numbers(1, 3, 40, 40, seed=seed) * seed for seed in (1, 2)]
    images = [numbers(1, 3, 40, 40, seed=seed) for seed in (3, 4)]

    def style_losses(styles, shares):
        objective = make_objective(classifier, content, styles, shares, SETTINGS)
        return torch.stack([objective(image)[0][1] for image in images])

    both = style_losses(styles, [0.25, 0.75])
    each = 0.25 * style_losses(styles[:1], [1]) + 0.75 * style_losses(styles[1:], [1])
    torch.testing.assert_close(both.diff(), each.diff(), rtol=1e-3, atol=0)


def test_usual_layers_of_vgg16():
    vgg16 = load_network("vgg16", RANDOM)
    images = numbers(1, 3, 32, 32)
    objective = make_objective(vgg16, images, [images], [1], StyleTransfer())
    assert list(objective.content) == ["conv4_2"]
    assert list(objective.styles)[::4] == ["conv1_1", "conv5_1"]


# --- the ways down ------------------------------------------------------------------------------


def plain_adam(classifier, content, style, steps):
    """Return the course's loop."""
    image = content.clone().requires_grad_()
    optimizer = torch.optim.Adam([image], lr=3.0)
    for step in range(steps):
        if step < steps - 10:
            image.data.clamp_(-1.5, 1.5)
        optimizer.zero_grad()
        plain_total(classifier, image, content, style).backward()
        if step == steps - 20:
            optimizer = torch.optim.Adam([image], lr=0.1)
        optimizer.step()
    return image.detach()


def test_adam_takes_the_courses_steps(classifier):
    content, style = numbers(1, 3, 32, 32, seed=1), numbers(1, 3, 32, 32, seed=2)
    settings = StyleTransfer(
        absolute_weights=True,
        content_weight=0.06,
        style_weights=(3000, 100, 15, 3),
        tv_weight=0.02,
        optimizer="adam",
        steps=23,
    )
    objective = make_objective(classifier, content, [style], [1], settings)
    kept = content.clone()
    image, totals = descend(objective, content, settings, classifier.clamp, id)
    assert torch.equal(content, kept)
    assert len(totals) == 23
    wanted = plain_adam(classifier, content, style, 23)
    # Rounding grows from step to step.
    assert (image - wanted).abs().median() < 1e-3
    assert wanted.abs().max() > 1.5


def test_lbfgs_falls_lower_within_the_range_of_colours(classifier):
    content = classifier.images(np.array(draw(1, (40, 32)))[None])
    style = classifier.images(np.array(draw(2, (32, 32)))[None])
    last, images = {}, {}
    for optimizer in ("adam", "lbfgs"):
        settings = StyleTransfer(optimizer=optimizer, steps=60)
        objective = make_objective(classifier, content, [style], [1], settings)
        images[optimizer], totals = descend(objective, content, settings, classifier.clamp, id)
        last[optimizer] = float(objective(images[optimizer])[0].sum())
    assert last["lbfgs"] < last["adam"] < totals[0]
    preprocessing = classifier.preprocessing
    again = preprocessing.preprocess(preprocessing.deprocess(images["lbfgs"]))
    # Half a step of 8 bits, of the channel with the smallest deviation.
    assert (images["lbfgs"] - again).abs().max() < 0.51 / 255 / 0.224


# --- pictures -----------------------------------------------------------------------------------


def paint(folder, output, *names, style=("painting",), **options):
    settings = {"size": 32, "style_size": 32, "steps": 3} | options.pop("settings", {})
    transfer_style(
        *(folder / f"{name}.png" for name in names),
        style=[folder / f"{name}.png" for name in style],
        output=output,
        weights=RANDOM,
        settings=StyleTransfer(**settings),
        threads=1,
        **options,
    )
    return output


def test_a_folder_of_pictures_their_losses_and_frames(folder, tmp_path):
    both = ("painting", "drawing")
    output = paint(folder, tmp_path / "out", "photo", "other", style=both, frames=tmp_path / "way")
    scores = json.loads((output / "scores.json").read_text())
    assert [entry["name"] for entry in scores["images"]] == ["photo", "other"]
    assert [each["share"] for each in scores["styles"]] == [0.5, 0.5]
    arrays = np.load(output / "images.npz")
    for entry in scores["images"]:
        for picture in entry["pictures"].values():
            size = Image.open(output / picture).size
            assert size == {"photo": (38, 32), "other": (32, 51)}[entry["name"]]
        assert arrays[entry["name"]].shape == (3, *size[::-1])
        assert entry["last"]["total"] < entry["first"]["total"] == pytest.approx(entry["totals"][0])
        assert entry["first"]["content"] == 0
        assert entry["rounded"] == pytest.approx(entry["last"]["total"], rel=0.05)
        assert Image.open(tmp_path / "way" / f"{entry['name']}.webp").n_frames > 1
    assert Image.open(output / scores["styles"][1]["picture"]).size == (32, 32)


def test_a_batch_gives_what_its_photos_give_one_at_a_time(folder, tmp_path):
    together = np.load(paint(folder, tmp_path / "both", "photo", "other") / "images.npz")
    for name in ("photo", "other"):
        alone = np.load(paint(folder, tmp_path / name, name) / "images.npz")
        assert np.array_equal(alone[name], together[name])


def test_a_random_start_depends_on_the_seed_alone(folder, tmp_path):
    random = {"start": "random", "content_weight": 0}
    arrays = [
        np.load(
            paint(folder, tmp_path / str(number), "photo", settings=random, seed=seed)
            / "images.npz"
        )
        for number, seed in enumerate((1, 1, 2))
    ]
    assert np.array_equal(arrays[0]["photo"], arrays[1]["photo"])
    assert not np.allclose(arrays[0]["photo"], arrays[2]["photo"])


def test_colours_of_the_photo_are_kept(folder, tmp_path):
    settings = {"keep_colors": True, "steps": 10}
    output = paint(folder, tmp_path / "p.png", "photo", style=["drawing"], settings=settings)
    painted = np.asarray(Image.open(output).convert("YCbCr"), dtype=int)
    photo = draw(1, (48, 40)).resize((38, 32), Image.Resampling.BILINEAR).convert("YCbCr")
    difference = np.abs(painted - np.asarray(photo, dtype=int))
    assert np.quantile(difference[..., 1:], 0.9) <= 2 < np.quantile(difference[..., 0], 0.9)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"style_shares": [1.0, 2]}, "`style_shares` must be as many as styles, 1"),
        ({"style_shares": [0.0]}, "`style_shares` must be more than 0"),
        ({"settings": {"style_weights": [1, 2]}}, "`style_weights` must be one number, or 4"),
        (
            {"settings": {"content_layer": "conv9"}},
            "no layer 'conv9' to look at: give one of",
        ),
        ({"settings": {"style_layers": ["conv10"]}}, "no layer 'conv10'"),
        ({"settings": {"content_weight": 0, "style_weights": [0]}}, "Neither the content nor"),
        ({"settings": {"size": 8}}, "`size` must be at least 32"),
        ({"seed": -1}, "`seed` must be at least 0"),
    ],
)
def test_what_cannot_be(folder, tmp_path, options, sentence):
    with pytest.raises(InputError, match=sentence):
        paint(folder, tmp_path / "out", "photo", **options)
    assert not (tmp_path / "out").exists()


# --- the course's values ------------------------------------------------------------------------


@pytest.mark.skipif(
    "RECAP_DATA" not in os.environ, reason="RECAP_DATA names no folder of real data"
)
def test_losses_are_the_courses():
    folder = Path(os.environ["RECAP_DATA"])
    weights = folder / "imagenet/squeezenet1_1_imagenet.safetensors"
    classifier = load_network("squeezenet1_1", str(weights))
    content, style = (
        classifier.images(np.array(classifier.preprocessing.scale(Image.open(path), 192))[None])
        for path in (folder / "styles/tubingen.jpg", folder / "styles/starry_night.jpg")
    )
    with np.load(folder / "cs231n/style-transfer-checks.npz") as values:
        wanted = {name: torch.from_numpy(values[name]) for name in values}
    settings = StyleTransfer(
        absolute_weights=True,
        content_weight=0.06,
        style_weights=(300_000, 1000, 15, 3),
        tv_weight=0.02,
    )
    # The course holds the content against an image of zeros.
    objective = make_objective(classifier, torch.zeros_like(content), [style], [1], settings)
    losses, _ = objective(content)
    torch.testing.assert_close(losses[0], wanted["cl_out"], rtol=1e-3, atol=0)
    torch.testing.assert_close(losses[1], wanted["sl_out"], rtol=1e-3, atol=0)
    torch.testing.assert_close(losses[2], wanted["tv_out"], rtol=1e-4, atol=0)
    gram = gram_matrix(classifier.network.features[:6](style))
    error = (gram - wanted["gm_out"][0]).abs() / (gram.abs() + wanted["gm_out"][0].abs()).clamp(
        1e-8
    )
    assert error.max() < 4e-3
