"""Distances of sets of features, against torchmetrics, formulas of papers and plain loops."""

import numpy as np
import pytest
import torch
from scipy.linalg import sqrtm
from torchmetrics.image.fid import FrechetInceptionDistance

from recap.generative.metrics import frechet_distance, nearest, precision_and_recall


@pytest.fixture
def sets():
    generator = np.random.default_rng(0)
    mixing = generator.normal(size=(12, 12))
    first = generator.normal(size=(300, 12)) @ mixing
    second = generator.normal(size=(200, 12)) @ mixing * 1.2 + 0.5
    return first.astype(np.float32), second.astype(np.float32)


def test_frechet_distance_of_one_number_is_that_of_two_normal_distributions():
    generator = np.random.default_rng(0)
    first, second = generator.normal(1, 2, (50, 1)), generator.normal(-1, 3, (70, 1))
    means = (first.mean() - second.mean()) ** 2
    deviations = (first.std(ddof=1) - second.std(ddof=1)) ** 2
    assert frechet_distance(first, second) == pytest.approx(means + deviations)


def test_frechet_distance_is_the_formula_with_a_matrix_root(sets):
    first, second = (of.astype(np.float64) for of in sets)
    one, two = (np.cov(of, rowvar=False) for of in (first, second))
    wanted = np.square(first.mean(0) - second.mean(0)).sum()
    wanted += np.trace(one + two - 2 * sqrtm(one @ two).real)
    assert frechet_distance(first, second) == pytest.approx(wanted, rel=1e-9)
    assert frechet_distance(second, first) == pytest.approx(wanted, rel=1e-9)


class Features(torch.nn.Module):
    """Takes what torchmetrics takes for pictures as the features themselves."""

    num_features = 12

    def forward(self, pictures):
        return pictures.flatten(1)


def test_frechet_distance_is_that_of_torchmetrics(sets):
    oracle = FrechetInceptionDistance(Features(), normalize=True, input_img_size=(1, 1, 12))
    oracle = oracle.set_dtype(torch.float64)
    for features, real in zip(sets, (True, False), strict=True):
        oracle.update(torch.from_numpy(features)[:, None, None], real=real)
    assert frechet_distance(*sets) == pytest.approx(oracle.compute().item(), rel=1e-5)


def test_frechet_distance_of_a_set_to_itself_is_zero_even_where_numbers_are_constant(sets):
    features = np.hstack([sets[0], np.zeros((300, 3), np.float32)])
    assert frechet_distance(features, features) == pytest.approx(0, abs=1e-6)


def within(point, points):
    distances = np.sqrt(((points[:, None] - points[None]) ** 2).sum(-1))
    return any(
        np.sqrt(((point - other) ** 2).sum()) <= np.sort(row)[3]
        for other, row in zip(points, distances, strict=True)
    )


def test_precision_and_recall_are_those_of_the_paper(sets):
    real, made = (of[:60].astype(np.float64) for of in sets)
    made[:20] += 30
    wanted = (
        np.mean([within(point, real) for point in made]),
        np.mean([within(point, made) for point in real]),
    )
    assert precision_and_recall(real, made) == pytest.approx(wanted)
    assert 0 < wanted[0] < 1


def test_pictures_of_one_kind_are_precise_and_recall_little():
    generator = np.random.default_rng(0)
    real = generator.normal(size=(600, 4))
    made = real[:50].repeat(4, axis=0) + generator.normal(0, 1e-3, (200, 4))
    precision, recall = precision_and_recall(real, made)
    assert precision == 1
    assert recall < 0.3


def test_the_nearest_is_found_across_blocks(sets):
    first, second = sets[0].repeat(3, axis=0), sets[1]
    places, distances = nearest(first, second)
    all_distances = np.linalg.norm(first[:, None] - second[None], axis=-1)
    np.testing.assert_array_equal(places, all_distances.argmin(axis=1))
    np.testing.assert_allclose(distances, all_distances.min(axis=1), rtol=1e-3)
