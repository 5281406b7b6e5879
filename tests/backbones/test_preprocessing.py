"""What a network sees of a photo, and the way back."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from recap.backbones.load import CAFFE, TORCHVISION_VGG16
from recap.backbones.preprocessing import Preprocessing

RED, GREEN, BLUE = (255, 0, 0), (0, 255, 0), (0, 0, 255)


def noise(size):
    pixels = np.random.default_rng(0).integers(0, 256, (*size[::-1], 3), dtype=np.uint8)
    return Image.fromarray(pixels)


# --- to the network's size ----------------------------------------------------------------------


@pytest.mark.parametrize("size", [(640, 480), (480, 640), (1, 1), (3, 500), (224, 224), (225, 224)])
def test_cut_has_the_size_that_the_weights_want(size):
    for preprocessing in (Preprocessing(256), Preprocessing(224)):
        pixels = preprocessing.cut(Image.new("RGB", size, RED))
        assert pixels.shape == (224, 224, 3)
        assert pixels.dtype == np.uint8
        assert (pixels == RED).all()


@pytest.mark.parametrize("landscape", [True, False])
def test_cut_takes_the_centre(landscape):
    pixels = np.zeros((100, 300, 3), dtype=np.uint8)
    pixels[:, 100:200] = RED
    pixels[:, :100] = GREEN
    pixels[:, 200:] = BLUE
    image = Image.fromarray(pixels if landscape else pixels.transpose(1, 0, 2))
    cut = Preprocessing(100, 100).cut(image)
    assert (cut == RED).all()


def test_cut_of_an_image_that_needs_no_scaling_keeps_its_pixels():
    image = noise((300, 224))
    cut = Preprocessing(224).cut(image)
    assert (cut == np.asarray(image)[:, 38:262]).all()


def as_torchvision_does(image, resize, crop, resample):
    """Return Resize(resize) and CenterCrop(crop) in torchvision's arithmetic, by PIL."""
    width, height = image.size
    short, long = min(image.size), max(image.size)
    longer = int(resize * long / short)
    width, height = (resize, longer) if width <= height else (longer, resize)
    whole = np.asarray(image.resize((width, height), resample))
    top, left = int(round((height - crop) / 2.0)), int(round((width - crop) / 2.0))  # noqa: RUF046
    return whole[top : top + crop, left : left + crop]


# Landscapes, portraits, squares, sides that scale to .5 and more, odd margins, strips.
SIZES = [
    *[(640, 427), (427, 640), (640, 480), (480, 640), (500, 375), (333, 500), (500, 333)],
    *[(640, 425), (612, 612), (256, 256), (224, 224), (225, 224), (224, 227), (227, 524)],
    *[(100, 100), (70, 50), (1, 1), (2, 3), (13, 7), (1920, 1080), (1080, 1923), (257, 255)],
    *[(3, 700), (700, 3), (1, 256), (256, 1), (5000, 20), (20, 5001), (31, 1000), (799, 37)],
]


@pytest.mark.parametrize("size", SIZES)
def test_cut_is_that_of_torchvision_to_the_pixel(size):
    image = noise(size)
    for preprocessing in (Preprocessing(256), Preprocessing(224, resample="bicubic")):
        resample = Image.Resampling[preprocessing.resample.upper()]
        expected = as_torchvision_does(image, preprocessing.resize, 224, resample)
        assert (preprocessing.cut(image) == expected).all()


@pytest.mark.parametrize("size", [(1, 30_000), (30_000, 1)])
def test_cut_of_a_strip_does_not_blow_it_up_whole(size, monkeypatch):
    # Scaled as a whole, this would be 224 x 6,720,000 pixels: 4.5 GB.
    asked = []
    resize = Image.Image.resize
    monkeypatch.setattr(
        Image.Image, "resize", lambda *words: asked.append(words[1]) or resize(*words)
    )
    pixels = np.zeros((*size[::-1], 3), np.uint8)
    pixels[size[1] // 2 - 3 : size[1] // 2 + 3, size[0] // 2 - 3 : size[0] // 2 + 3] = BLUE
    assert (Preprocessing(224).cut(Image.fromarray(pixels)) == BLUE).all()
    assert max(map(max, asked)) <= 256 * 224


def test_the_whole_image_can_be_scaled_to_the_square():
    image = noise((333, 500))
    preprocessing = Preprocessing(None, resample="bicubic")
    expected = image.resize((224, 224), Image.Resampling.BICUBIC)
    assert (preprocessing.cut(image) == np.asarray(expected)).all()
    assert "whole image to 224 x 224 (bicubic, antialiased)" in str(preprocessing)


def test_preprocessing_is_described_in_words():
    text = str(Preprocessing(256))
    assert "shorter side to 256" in text
    assert "centre 224" in text
    assert "0.485" in text
    assert "0.229" in text


# --- to the network's numbers, and back ---------------------------------------------------------

# Every value of every channel, each beside others.
PIXELS = torch.stack(
    [torch.arange(256, dtype=torch.uint8).roll(shift) for shift in (0, 85, 170)], dim=1
).view(2, 8, 16, 3)


@pytest.mark.parametrize("preprocessing", [TORCHVISION_VGG16, CAFFE])
def test_preprocess_agrees_with_numpy(preprocessing):
    pixels = PIXELS.numpy() / 255
    if preprocessing.channels == "BGR":
        pixels = pixels[..., ::-1]
    expected = (pixels - preprocessing.mean) / preprocessing.std
    images = preprocessing.preprocess(PIXELS)
    assert images.dtype == torch.float32
    np.testing.assert_allclose(
        images.numpy(), expected.transpose(0, 3, 1, 2), rtol=1e-5, atol=1e-5 * expected.max()
    )


@pytest.mark.parametrize("preprocessing", [TORCHVISION_VGG16, CAFFE])
def test_deprocess_is_the_inverse(preprocessing):
    images = preprocessing.preprocess(PIXELS)
    pixels = preprocessing.deprocess(images)
    assert pixels.dtype == torch.uint8
    assert torch.equal(pixels, PIXELS)
    # A third of a step of the pixels away, the same one is the nearest.
    step = torch.tensor(preprocessing.std).view(3, 1, 1) * 255
    assert torch.equal(preprocessing.deprocess(images + 0.3 / step), PIXELS)
    assert torch.equal(preprocessing.deprocess(images - 0.3 / step), PIXELS)


def test_deprocess_stays_within_the_range_of_pixels():
    images = torch.tensor([-9.0, 9.0, 0.0]).view(1, 3, 1, 1)
    pixels = Preprocessing(224).deprocess(images)
    assert pixels.tolist() == [[[[0, 255, round(0.406 * 255)]]]]


def test_gradients_reach_the_pixels_after_a_use_without_them():
    preprocessing = Preprocessing(224, mean=(0.1, 0.2, 0.3))
    with torch.inference_mode():
        preprocessing.preprocess(PIXELS)
    pixels = PIXELS.float().requires_grad_()
    (preprocessing.preprocess(pixels) * 2).sum().backward()
    expected = 2 / (255 * torch.tensor(preprocessing.std))
    torch.testing.assert_close(pixels.grad, expected.expand_as(pixels))
    images = preprocessing.preprocess(PIXELS).requires_grad_()
    assert torch.equal(preprocessing.deprocess(images), PIXELS)


def test_channels_are_in_the_order_that_the_weights_want():
    rgb = Preprocessing(224, mean=(0.5, 0.5, 0.5), std=(1, 1, 1))
    bgr = replace(rgb, channels="BGR")
    assert torch.equal(bgr.preprocess(PIXELS), rgb.preprocess(PIXELS.flip(3)))
