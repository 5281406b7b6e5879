"""Captions as packed rows."""

import numpy as np

from recap.captioners.packing import pack_captions


def test_pack_captions():
    order, sizes, inputs, targets = pack_captions(
        np.array([[1, 4, 2, 0, 0], [1, 0, 5, 2, 0], [1, 0, 0, 0, 0]]), 0
    )
    assert order.tolist() == [1, 0, 2]
    assert sizes.tolist() == [2, 2, 1, 0]
    assert inputs.tolist() == [1, 1, 0, 4, 5]
    assert targets.tolist() == [0, 4, 5, 2, 2]
