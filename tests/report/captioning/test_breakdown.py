import numpy as np
import pytest

from recap.report.captioning.breakdown import Slice, by_category, by_reference_length


def with_references(fake, *lengths):
    """Write references of these lengths, in words, in turn over the images."""
    comparison = fake.compared()
    comparison.references[:] = [
        ["word " * lengths[index % len(lengths)]] * 2 for index in range(20)
    ]
    return comparison


def test_scores_by_length_are_means_over_the_images_of_that_length(fake):
    comparison = with_references(fake, 4, 8, 8, 20)
    slices = by_reference_length(comparison, "beam3")
    assert [(item.name, item.images) for item in slices] == [
        ("4 words", 5),
        ("8 words", 10),
        ("20 words", 5),
    ]
    scores = np.mean([item.cider for item in comparison.decodings("rnn", "beam3")], axis=0)
    assert slices[1].scores["rnn"] == pytest.approx(scores[np.arange(20) % 4 % 3 != 0].mean())
    assert slices[0].lead("lstm", "rnn") == slices[0].scores["lstm"] - slices[0].scores["rnn"]


def test_many_lengths_are_put_into_five_classes(fake):
    comparison = with_references(fake, *range(1, 21))
    slices = by_reference_length(comparison, "beam3")
    assert [item.name for item in slices] == [
        *("1 to 4 words", "5 to 8 words", "9 to 12 words", "13 to 16 words", "17 to 20 words")
    ]
    assert sum(item.images for item in slices) == 20


def test_one_length_is_no_breakdown(fake):
    assert by_reference_length(with_references(fake, 5), "beam3") == []
    fake.compared().references[0].clear()


def test_scores_by_category_leave_out_the_rare(fake):
    comparison = fake.compared()
    slices = by_category(comparison, "greedy")
    assert [(item.name, item.images) for item in slices] == [("disc", 12), ("<ring>", 10)]
    scores = np.mean([item.cider for item in comparison.decodings("lstm", "greedy")], axis=0)
    assert slices[0].scores["lstm"] == pytest.approx(scores[:12].mean())
    assert slices[1].scores["lstm"] == pytest.approx(scores[10:].mean())
    comparison.categories.clear()
    assert by_category(comparison, "greedy") == []


def test_few_images_zeros_and_failures_have_no_winner():
    scores = {"a": 0.3001, "b": 0.3, "c": 0.9}
    assert Slice("x", 10, scores).highest(["a", "b"]) == ["a", "b"]
    assert Slice("x", 10, scores).highest(["a", "c"]) == ["c"]
    assert Slice("x", 9, scores).highest(["a", "c"]) == []
    assert Slice("x", 10, scores).highest([]) == []
    assert Slice("x", 10, {"a": 0.0, "b": 0.0004}).highest(["a", "b"]) == []
