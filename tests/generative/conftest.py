"""Small sets of drawn digits."""

import pytest

from recap.datasets.digits.draw import draw_digits

NAMES = ("train_images", "train_labels", "test_images", "test_labels")


@pytest.fixture(scope="session")
def digits(tmp_path_factory):
    """Return the paths of 1,500 digits to train on and 1,000 to test on, by parameter."""
    folder = tmp_path_factory.mktemp("digits")
    paths = {name: folder / f"{name}.gz" for name in NAMES}
    draw_digits(**paths, train=1500, test=1000)
    return paths
