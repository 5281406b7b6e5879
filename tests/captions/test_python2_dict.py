"""Expected values are what CPython 2.7.18 printed on a 64-bit machine."""

import pytest

from recap.captions.python2_dict import python2_hash, python2_order


@pytest.mark.parametrize(
    ("text", "value"),
    [("", 0), ("a", 12416037344), ("café", 5473382298129946391), ("<NULL>", 3927019521992026825)],
)
def test_hashes(text, value):
    assert python2_hash(text) == value % 2**64


def test_order_of_few_keys():
    assert python2_order([]) == []
    assert "".join(python2_order("abcdefghij")) == "acbedgfihj"
    assert python2_order(["idx_to_word", "word_to_idx"]) == ["idx_to_word", "word_to_idx"]


def test_keys_that_collide_stand_as_they_came():
    assert python2_order(["a", "i"]) == ["a", "i"]
    assert python2_order(["i", "a"]) == ["i", "a"]


@pytest.mark.parametrize(
    ("count", "beginning", "end"),
    [
        (5, "w4 w3 w2 w1 w0", "w4 w3 w2 w1 w0"),
        (6, "w5 w4 w3 w2 w1", "w4 w3 w2 w1 w0"),
        (100, "w75 w74 w77 w76 w71", "w45 w46 w47 w48 w49"),
        (1004, "w926 w927 w978 w924 w925", "w419 w557 w556 w555 w554"),
        (25000, "w7853 w7854 w7855 w17928 w17929", "w22782 w22783 w7850 w7851 w16345"),
        # Beyond 50,000 keys the table grows only twofold.
        (60000, "w7853 w7854 w7855 w17928 w17929", "w43330 w54136 w7850 w7851 w16345"),
    ],
)
def test_order_of_many_keys(count, beginning, end):
    order = python2_order(f"w{number}" for number in range(count))
    assert len(set(order)) == count
    assert order[:5] == beginning.split()
    assert order[-5:] == end.split()
