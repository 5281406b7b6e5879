import subprocess
import sys

import numpy as np
import pytest
import torch
from PIL import Image
from scipy.ndimage import gaussian_filter1d
from torch import nn

from recap.cs231n import net_visualization_pytorch as door

# The cells that the notebook itself brings, in its words: the loop of class visualization.
NOTEBOOK = """
import recap.cs231n
recap.cs231n.put_in_place()
import torch, torchvision, random
import numpy as np
from cs231n.image_utils import SQUEEZENET_MEAN, SQUEEZENET_STD
from cs231n.net_visualization_pytorch import *
from PIL import Image

model = torchvision.models.squeezenet1_1(pretrained=False)
for param in model.parameters():
    param.requires_grad = False
X = torch.cat([preprocess(Image.new("RGB", (90, 70), c), size=64) for c in ("red", "blue")])
saliency = compute_saliency_maps(X, torch.LongTensor([1, 2]), model)
assert saliency.shape == X.shape[:1] + X.shape[2:]
img = torch.randn(1, 3, 64, 64).mul_(1.0).requires_grad_()
for t in range(2):
    ox, oy = random.randint(0, 16), random.randint(0, 16)
    img.data.copy_(jitter(img.data, ox, oy))
    class_visualization_update_step(img, model, 76, 1e-3, 25)
    img.data.copy_(jitter(img.data, -ox, -oy))
    for c in range(3):
        lo = float(-SQUEEZENET_MEAN[c] / SQUEEZENET_STD[c])
        hi = float((1.0 - SQUEEZENET_MEAN[c]) / SQUEEZENET_STD[c])
        img.data[:, c].clamp_(min=lo, max=hi)
    blur_image(img.data, sigma=0.5)
fooled = make_fooling_image(X[:1], int(model(X[:1]).argmax()), model)
assert np.asarray(deprocess(10 * (fooled - X[:1]), should_rescale=False)).ndim == 3
assert deprocess(img.data.clone().cpu()).size == (64, 64)
print("done")
"""


@pytest.fixture
def model():
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, stride=2),
        nn.ReLU(),
        nn.Dropout(),
        nn.Conv2d(8, 5, 1),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
    )


@pytest.fixture
def images():
    return torch.randn(2, 3, 16, 16, generator=torch.Generator().manual_seed(0))


def test_saliency_is_the_largest_gradient(model, images):
    y = torch.tensor([3, 1])
    found = door.compute_saliency_maps(images, y, model)
    assert not model.training
    assert not images.requires_grad
    wanted = images.clone().requires_grad_()
    model(wanted).gather(1, y[:, None]).sum().backward()
    torch.testing.assert_close(found, wanted.grad.abs().max(dim=1)[0])


@pytest.mark.parametrize("target", range(5))
def test_an_image_is_fooled_by_the_courses_loop(model, images, target):
    model.eval()
    X = images[:1]
    before = X.clone()
    wanted = X.clone()
    for _ in range(100):
        wanted = wanted.detach().requires_grad_()
        scores = model(wanted)
        if scores.argmax() == target:
            break
        scores[0, target].backward()
        wanted = wanted + wanted.grad / wanted.grad.norm()
    fooled = door.make_fooling_image(X, target, model)
    torch.testing.assert_close(fooled, wanted.detach(), atol=1e-4, rtol=1e-4)
    assert torch.equal(X, before)


def test_a_step_is_taken_in_place(model, images):
    model.eval()
    img = images[:1].clone().requires_grad_()
    wanted = img.detach().clone().requires_grad_()
    (model(wanted)[0, 2] - 0.1 * wanted.norm() ** 2).backward()
    door.class_visualization_update_step(img, model, 2, 0.1, 3.0)
    step = 3 * wanted.grad / wanted.grad.norm()
    torch.testing.assert_close(img.detach(), wanted.detach() + step)
    assert img.grad is None


@pytest.mark.parametrize(("ox", "oy"), [(0, 0), (3, 0), (0, 2), (5, 1), (-3, 0), (-4, -2)])
def test_jitter_is_the_courses(images, ox, oy):
    wanted = images
    if ox != 0:
        wanted = torch.cat([wanted[:, :, :, -ox:], wanted[:, :, :, :-ox]], dim=3)
    if oy != 0:
        wanted = torch.cat([wanted[:, :, -oy:], wanted[:, :, :-oy]], dim=2)
    assert torch.equal(door.jitter(images, ox, oy), wanted)


def test_images_are_blurred_in_place(images):
    wanted = gaussian_filter1d(gaussian_filter1d(images.numpy(), 1, axis=2), 1, axis=3)
    assert door.blur_image(images) is images
    np.testing.assert_allclose(images.numpy(), wanted, rtol=1e-6)


def test_pictures_and_back():
    pixels = np.random.default_rng(0).integers(0, 256, (30, 20, 3), dtype=np.uint8)
    pixels[0, 0], pixels[1, 1] = 0, 255
    image = door.preprocess(Image.fromarray(pixels), size=20)
    assert image.shape == (1, 3, 30, 20)
    for should_rescale in (True, False):
        back = np.asarray(door.deprocess(image, should_rescale), int)
        assert np.abs(back - pixels).max() <= 1
    assert door.preprocess(Image.new("RGB", (500, 300))).shape == (1, 3, 224, 373)
    white = door.deprocess(image + 100, should_rescale=False)
    assert np.asarray(white).min() == 255
    assert door.rescale(torch.tensor([2.0, 3, 4])).tolist() == [0, 0.5, 1]


def test_the_notebooks_cells_run(tmp_path):
    path = str(door.__file__).removesuffix("recap/cs231n/net_visualization_pytorch.py")
    ran = subprocess.run(
        [sys.executable, "-c", NOTEBOOK],
        cwd=tmp_path,
        env={"PYTHONPATH": path},
        capture_output=True,
        text=True,
    )
    assert ran.stdout == "done\n", ran.stderr
