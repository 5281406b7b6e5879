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


def test_ended_captions_fill_a_step_up():
    captions = np.array([[1, 4, 2, 0], [1, 5, 6, 2], [1, 2, 0, 0], [1, 7, 2, 0], [1, 0, 0, 0]])
    order, sizes, inputs, targets = pack_captions(captions, 0, multiple=2)
    assert order.tolist() == [1, 0, 3, 2, 4]
    assert sizes.tolist() == [4, 4, 2]
    assert inputs.tolist() == [1, 1, 1, 1, 5, 4, 7, 2, 6, 2]
    assert targets.tolist() == [5, 4, 7, 2, 6, 2, 2, 0, 2, 0]
    # Never more than there are.
    assert pack_captions(captions, 0, multiple=16)[1].tolist() == [5, 5, 5]
