import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from recap.core.errors import InputError
from recap.vision import saliency
from recap.vision.networks import load_network
from recap.vision.pointing import baseline_maps, pointing
from recap.vision.saliency import show_saliency
from recap.vision.saliency_checks import (
    erasure_areas,
    overlap,
    randomization_check,
    shuffle_weights,
)
from recap.vision.saliency_maps import (
    grad_cam,
    integrated_gradients,
    saliency_maps,
    score_gradients,
    smooth_gradients,
)
from recap.vision.settings import Saliency

METHODS = ["gradient", "smoothgrad", "integrated_gradients", "grad_cam"]
FEW = Saliency(samples=4, steps=6, erasures=4, checked=2)

# --- the maps -----------------------------------------------------------------------------------


# In float64: a rounding error may turn a ReLU on or off, and with it a whole pixel's gradient.


@pytest.fixture
def squeezenet():
    classifier = load_network("squeezenet1_1", "random")
    classifier.network.double()
    return classifier


@pytest.fixture
def images(squeezenet):
    pixels = np.random.default_rng(0).integers(0, 256, (3, 48, 48, 3), dtype=np.uint8)
    return squeezenet.images(pixels).double()


@pytest.fixture
def targets(squeezenet, images):
    # Of a score that is cut off at 0 there is no gradient.
    return squeezenet.scores(images).topk(3).indices.diagonal()


def assert_close(found, wanted):
    assert found.shape == wanted.shape
    assert wanted.abs().max() > 0
    assert (found - wanted).abs().max() <= 1e-5 * wanted.abs().max()


def test_gradients_are_those_of_captum(squeezenet, images, targets):
    captum = pytest.importorskip("captum.attr")
    wanted = captum.Saliency(squeezenet.scores).attribute(images.clone(), targets, abs=False)
    assert_close(score_gradients(squeezenet, images, targets), wanted)


def test_smoothgrad_is_that_of_captum(squeezenet, images, targets, monkeypatch):
    captum = pytest.importorskip("captum.attr")
    generator = torch.Generator().manual_seed(7)
    drawn = torch.randn((5, *images.shape[1:]), generator=generator).double()
    monkeypatch.setattr(torch, "normal", lambda mean, deviation: deviation * drawn)
    tunnel = captum.NoiseTunnel(captum.Saliency(squeezenet.scores))
    for image, target in zip(images.split(1), targets.split(1), strict=True):
        wanted = tunnel.attribute(
            image.clone(),
            nt_type="smoothgrad",
            nt_samples=5,
            stdevs=float(0.15 * (image.max() - image.min())),
            target=target,
            abs=False,
        )
        assert_close(smooth_gradients(squeezenet, image, target, 5, 0.15, seed=7), wanted)


def test_integrated_gradients_are_those_of_captum(squeezenet, images, targets):
    captum = pytest.importorskip("captum.attr")
    wanted = captum.IntegratedGradients(squeezenet.scores).attribute(
        images,
        torch.zeros_like(images),
        targets,
        n_steps=7,
        method="riemann_middle",
    )
    assert_close(integrated_gradients(squeezenet, images, targets, 7), wanted)


def test_grad_cam_is_that_of_captum(squeezenet, images, targets):
    captum = pytest.importorskip("captum.attr")
    method = captum.LayerGradCam(squeezenet.scores, squeezenet.network.features[-1])
    attributed = method.attribute(images, targets, relu_attributions=True)
    wanted = captum.LayerAttribution.interpolate(attributed, (48, 48), "bilinear")
    assert_close(grad_cam(squeezenet, images, targets, "fire9"), wanted[:, 0])


def test_integrated_gradients_are_complete(small):
    images = small.images(np.random.default_rng(1).integers(0, 256, (2, 32, 32, 3), dtype=np.uint8))
    targets = torch.tensor([1, 4])
    found = integrated_gradients(small, images, targets, 200).sum((1, 2, 3))
    differences = small.scores(images) - small.scores(torch.zeros_like(images))
    torch.testing.assert_close(
        found, differences.gather(1, targets[:, None])[:, 0], atol=1e-3, rtol=1e-2
    )


def test_a_batch_gives_what_its_images_give_alone_and_keeps_no_gradient(small):
    images = small.images(np.random.default_rng(1).integers(0, 256, (3, 32, 32, 3), dtype=np.uint8))
    images.requires_grad_()
    targets = torch.tensor([1, 4, 2])
    together = saliency_maps(small, images, targets, FEW, seed=3)
    assert list(together) == METHODS
    alone = [
        saliency_maps(small, image, target, FEW, seed=3)
        for image, target in zip(images.split(1), targets.split(1), strict=True)
    ]
    for method, maps in together.items():
        assert not maps.requires_grad
        assert_close(maps, torch.cat([each[method] for each in alone]))
    assert images.grad is None


def test_noise_is_of_the_seed(small):
    images = small.images(np.random.default_rng(1).integers(0, 256, (1, 32, 32, 3), dtype=np.uint8))
    first, again, other = (
        smooth_gradients(small, images, torch.tensor([0]), 3, 0.2, seed) for seed in (1, 1, 2)
    )
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


# --- how much they tell -------------------------------------------------------------------------


@pytest.fixture
def red_corner():
    """Return a grey picture with a red square, and where it is."""
    pixels = np.full((32, 32, 3), 100, np.uint8)
    mask = np.zeros((32, 32), bool)
    mask[3:9, 20:28] = True
    pixels[mask] = (250, 10, 10)
    return pixels, mask


@pytest.mark.parametrize("method", METHODS)
def test_every_method_finds_what_the_network_looks_at(spotter, red_corner, method):
    pixels, mask = red_corner
    image = spotter.images(pixels[None])
    (found,) = saliency_maps(spotter, image, torch.tensor([0]), FEW)[method].abs().numpy()
    assert pointing(found, mask) == 1
    assert overlap(found, mask) > 0.9
    inserted, deleted = erasure_areas(spotter, image[0], 0, found, 16)
    for baseline in baseline_maps(32, 32, 0).values():
        assert pointing(baseline, mask) == 0
        assert overlap(baseline, mask) < 0.2
        other_inserted, other_deleted = erasure_areas(spotter, image[0], 0, baseline, 16)
        assert inserted > other_inserted
        assert deleted < other_deleted


def test_overlap_is_intersection_over_union():
    saliency_map = np.array([[3.0, 2.0], [1.0, 0.0]])
    assert overlap(saliency_map, np.array([[1, 0], [1, 0]], bool)) == pytest.approx(1 / 3)
    assert overlap(saliency_map, np.array([[1, 1], [0, 0]], bool)) == 1
    assert overlap(saliency_map, np.zeros((2, 2), bool)) == 0


def test_areas_of_a_curve_computed_by_hand(spotter):
    """Two red pixels in a row of four, of which the map finds the first only."""
    classifier = replace(spotter, several=True)
    image = torch.zeros(3, 1, 4)
    image[0, 0, :2] = 1
    scores = [10 * 0.5 * many / 4 for many in (0, 1, 2)]
    none, one, two = torch.tensor(scores).sigmoid().tolist()
    inserted, deleted = erasure_areas(classifier, image, 0, np.array([[9.0, 0, 5, 4]]), 4)
    # Pixels are given back in the order 0, 2, 3, 1.
    assert inserted == pytest.approx((none / 2 + one + one + one + two / 2) / 4)
    assert deleted == pytest.approx((two / 2 + one + one + one + none / 2) / 4)


def test_the_centre_is_a_gaussian():
    centre = baseline_maps(5, 7, 0)["centre"]
    assert centre.argmax() == 2 * 7 + 3
    assert np.allclose(centre, centre[::-1, ::-1])


def test_weights_are_shuffled_from_the_last_layer_to_the_first(small):
    before = {name: weights.clone() for name, weights in small.network.state_dict().items()}
    changed = []
    for layer, shuffled in shuffle_weights(small, seed=0):
        state = shuffled.network.state_dict()
        changed.append((layer, {n for n in before if not torch.equal(before[n], state[n])}))
        for name in before:
            assert torch.equal(before[name].flatten().sort()[0], state[name].flatten().sort()[0])
    last = {"classifier.0.weight", "classifier.0.bias"}
    second = {"features.2.weight", "features.2.bias"}
    first = {"features.0.weight", "features.0.bias"}
    assert changed == [
        ("classes", last),
        ("conv2", last | second),
        ("conv1", last | second | first),
    ]
    assert all(torch.equal(before[n], w) for n, w in small.network.state_dict().items())


def test_maps_of_shuffled_weights_are_others(small):
    pixels = np.random.default_rng(1).integers(0, 256, (2, 32, 32, 3), dtype=np.uint8)
    checked = randomization_check(small, small.images(pixels), torch.tensor([1, 4]), FEW)
    assert checked["layers"] == ["classes", "conv2", "conv1"]
    assert list(checked["correlations"]) == METHODS
    gradient = checked["correlations"]["gradient"]
    assert gradient[-1] < 0.5
    assert all(-1 <= value <= 1 for row in checked["correlations"].values() for value in row)
    assert not any(sum(row) for row in checked["flat"].values())


def test_a_map_that_is_the_same_everywhere_has_no_correlation(spotter):
    """No pixel of the first picture is blue, and its gradient is 0; of the second some are."""
    pixels = np.zeros((2, 32, 32, 3), np.uint8)
    pixels[1, 4:9, 4:9, 2] = 255
    images, targets = spotter.images(pixels), torch.tensor([1, 1])
    alone = randomization_check(spotter, images[:1], targets[:1], FEW, seed=1)
    assert alone["correlations"]["gradient"][0] is None
    assert alone["flat"]["gradient"][0] == 1
    both = randomization_check(spotter, images, targets, FEW, seed=1)
    other = randomization_check(spotter, images[1:], targets[1:], FEW, seed=1)
    assert both["flat"]["gradient"][0] == other["flat"]["gradient"][0] + 1
    assert both["correlations"]["gradient"][0] == other["correlations"]["gradient"][0] is not None


def test_grad_cam_of_a_class_that_all_weights_count_against_is_empty(small):
    """So are those of shuffled detectors: nearly all of their last weights are negative."""
    with torch.no_grad():
        small.network.classifier[0].weight.copy_(-small.network.classifier[0].weight.abs())
    images = small.images(np.random.default_rng(1).integers(0, 256, (2, 32, 32, 3), dtype=np.uint8))
    checked = randomization_check(small, images, torch.tensor([1, 4]), FEW)
    assert checked["correlations"]["grad_cam"] == [None, None, None]
    assert checked["flat"]["grad_cam"] == [2, 2, 2]
    assert checked["flat"]["gradient"] == [0, 0, 0]


# --- the command --------------------------------------------------------------------------------


@pytest.fixture
def use(monkeypatch):
    """Return a function that has a classifier loaded, whatever is asked for."""

    def use(classifier):
        monkeypatch.setattr(saliency, "load_network", lambda *_: classifier)

    return use


def test_a_folder_of_pictures_and_measures(use, spotter, red_corner, tmp_path):
    pixels, mask = red_corner
    masks = np.stack([mask, mask])
    masks[1] = False
    scenes = tmp_path / "scenes.npz"
    labels = np.array([[True, False], [True, True]])
    np.savez(scenes, X=np.stack([pixels, pixels]), y=labels, masks=np.stack([masks, masks]))
    use(spotter)
    show_saliency(scenes, output=tmp_path / "out", settings=FEW)
    scores = json.loads((tmp_path / "out/scores.json").read_text())
    assert [entry["name"] for entry in scores["images"]] == [
        "scenes-0",
        "scenes-1-red",
        "scenes-1-blue",
    ]
    first, _, blue = scores["images"]
    assert first["target"] == "red"
    assert set(first["insertion"]) == {*METHODS, "random", "centre"}
    assert first["pointing"]["gradient"] == 1
    assert first["pointing"]["random"] == pytest.approx(48 / 1024)
    assert first["overlap"]["centre"] == 0
    assert first["completeness"]["delta"] < 0.1
    assert blue["pointing"]["random"] == 0
    assert scores["summary"]["pointing"]["grad_cam"] == pytest.approx(2 / 3)
    assert scores["randomization"]["layers"] == ["classes", "colour"]
    assert scores["settings"]["samples"] == 4
    for entry in scores["images"]:
        for name in entry["pictures"].values():
            assert Image.open(tmp_path / "out" / name).size == (32, 32)
    with np.load(tmp_path / "out/maps.npz") as maps:
        assert list(maps["names"]) == ["scenes-0", "scenes-1-red", "scenes-1-blue"]
        assert maps["gradient"].shape == (3, 32, 32)
        total = maps["integrated_gradients"][0].sum()
    assert total == pytest.approx(first["completeness"]["attributed"], rel=1e-5)
    assert np.array_equal(Image.open(tmp_path / "out/scenes-0.png"), pixels)


def test_photos_without_true_masks(use, small, tmp_path):
    photo = tmp_path / "photo.png"
    Image.fromarray(np.random.default_rng(2).integers(0, 256, (40, 50, 3), np.uint8)).save(photo)
    use(small)
    show_saliency(photo, output=tmp_path / "out", settings=FEW)
    scores = json.loads((tmp_path / "out/scores.json").read_text())
    assert "pointing" not in scores["summary"]


def test_one_picture_of_one_photo(use, small, tmp_path):
    photo = tmp_path / "photo.png"
    Image.fromarray(np.full((40, 50, 3), 9, np.uint8)).save(photo)
    use(small)
    show_saliency(photo, output=tmp_path / "saliency.png", target="Emmet", settings=FEW)
    assert Image.open(tmp_path / "saliency.png").size == (5 * 32 + 4 * 6, 32 + 24)
    with pytest.raises(InputError, match="no class 'emet': the nearest are emmet"):
        show_saliency(photo, output=tmp_path / "saliency.png", target="emet", settings=FEW)
    other = tmp_path / "other.png"
    other.write_bytes(photo.read_bytes())
    with pytest.raises(InputError, match=r"saliency\.png is one picture"):
        show_saliency(photo, other, output=tmp_path / "saliency.png", settings=FEW)


def test_labels_of_another_network(use, spotter, red_corner, tmp_path):
    np.savez(tmp_path / "photos.npz", X=red_corner[0][None], y=np.array([958]))
    use(spotter)
    with pytest.raises(InputError, match="photos-0 has labels or masks of other classes"):
        show_saliency(tmp_path / "photos.npz", output=tmp_path / "out", settings=FEW)
