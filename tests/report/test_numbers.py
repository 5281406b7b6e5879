import pytest

from recap.report.numbers import duration, percent, signed, significant, size


def test_durations():
    assert [duration(value) for value in (0.04, 59.94, 59.96, 3599.6, 7500)] == [
        "0.0 s",
        "59.9 s",
        "1 min 00 s",
        "1 h 00 min",
        "2 h 05 min",
    ]


def test_sizes():
    assert [size(count) for count in (0, 999, 1000, 3_400_000, 13_510_573_713)] == [
        "0 B",
        "999 B",
        "1.0 kB",
        "3.4 MB",
        "13.5 GB",
    ]


def test_scores_are_times_100():
    assert [percent(score) for score in (None, 0.12345, 1.0)] == ["–", "12.3", "100.0"]


@pytest.mark.parametrize(
    ("score", "decimals", "text"), [(0.0123, 1, "+1.2"), (-0.0123, 2, "−1.23"), (0.0, 1, "+0.0")]
)
def test_differences_have_a_sign(score, decimals, text):
    assert signed(score, decimals) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0"), (0.00912345, "0.00912"), (91.92, "91.9"), (1707.46, "1,707"), (-62540, "-62,540")],
)
def test_numbers_keep_the_digits_that_count(value, text):
    assert significant(value) == text
