import pytest

from recap.text import is_one_line, normalize_text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("A dog's bone.", "A dog's bone."),
        ("cafe\u0301", "caf\u00e9"),
        ("\ufeffa dog", "a dog"),
        ("co\u00adop\u200berate", "cooperate"),
        ("\u2764\ufe0f \U0001f468\u200d\U0001f469", "\u2764 \U0001f468\U0001f469"),
        ("\u200ea\u202eb\u2066c", "abc"),
        ("\U000e0101\U000e0061x", "x"),
        ("a\ud800b\x00\x07c", "abc"),
        # What parts words stays, and so do letters and marks that show.
        ("a\tb\u00a0c\u2028d", "a\tb\u00a0c\u2028d"),
        ("नमस्ते", "नमस्ते"),
        ("１", "１"),
    ],
)
def test_equal_looks_have_equal_characters(text, expected):
    assert normalize_text(text) == expected


def test_names_that_stand_on_one_line():
    assert is_one_line("a b\u00a0c\u202fé.jpg")
    assert not any(map(is_one_line, ("a\nb", "a\rb", "a\x85b", "a\u2028b", "a\u2029b", "\udcff")))
