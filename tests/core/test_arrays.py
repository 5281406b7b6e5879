"""NumPy archives, whole and damaged."""

import numpy as np
import pytest

from recap.core.arrays import read_arrays
from recap.core.errors import InputError


@pytest.fixture
def archive(tmp_path):
    np.savez(tmp_path / "a.npz", x=np.arange(3), y=np.eye(2))
    return tmp_path / "a.npz"


def test_arrays_are_read_by_their_names(archive):
    found = read_arrays(archive, "x", optional=("y", "z"))
    assert found.keys() == {"x", "y"}
    np.testing.assert_array_equal(found["x"], np.arange(3))
    assert read_arrays(archive, "x").keys() == {"x"}


def test_what_lacks_an_array_is_told(archive):
    with pytest.raises(InputError, match=r"a\.npz is not a whole NumPy archive with x, z"):
        read_arrays(archive, "x", "z")


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: b"",
        lambda data: data[:100],
        lambda data: b"no archive",
        # Flags of patched data, and a header whose brackets do not close: errors of other modules.
        lambda data: data.replace(b"PK\x01\x02", b"PK\x01\x03"),
        lambda data: data.replace(b"(3,)", b"((3,"),
        lambda data: data.replace(b"'<i8'", b"'|O8'"),
    ],
)
def test_damage_is_told(archive, damage):
    archive.write_bytes(damage(archive.read_bytes()))
    with pytest.raises(InputError, match=r"a\.npz is not a whole NumPy archive with x"):
        read_arrays(archive, "x")


def test_a_single_array_and_a_missing_file_are_told(tmp_path):
    np.save(tmp_path / "a.npy", np.arange(3))
    with pytest.raises(InputError, match="is not a whole NumPy archive"):
        read_arrays(tmp_path / "a.npy", "x")
    with pytest.raises(InputError, match="does not exist"):
        read_arrays(tmp_path / "none.npz", "x")
