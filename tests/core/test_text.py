"""Text as people see it."""

import sys
import unicodedata
from itertools import chain, starmap

import pytest

from recap.core.text import (
    WITHOUT_INVISIBLE,
    is_one_line,
    join_words,
    normalize_text,
    part_characters,
)


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


def codes(*ranges):
    return set(chain(*starmap(range, ((first, last + 1) for first, last in ranges))))


def test_what_no_font_shows_is_what_unicode_derives():
    """By DerivedCoreProperties.txt it is sums and differences of PropList.txt's properties."""
    format_controls = {
        code for code in range(sys.maxunicode + 1) if unicodedata.category(chr(code)) == "Cf"
    }
    others = codes(
        (0x034F, 0x034F), (0x115F, 0x1160), (0x17B4, 0x17B5), (0x2065, 0x2065), (0x3164, 0x3164),
        (0xFFA0, 0xFFA0), (0xFFF0, 0xFFF8), (0xE0000, 0xE0000), (0xE0002, 0xE001F),
        (0xE0080, 0xE00FF), (0xE01F0, 0xE0FFF),
    )  # fmt: skip
    variation_selectors = codes((0x180B, 0x180D), (0x180F, 0x180F), (0xFE00, 0xFE0F))
    variation_selectors |= codes((0xE0100, 0xE01EF))
    of_annotations, of_hieroglyphs = codes((0xFFF9, 0xFFFB)), codes((0x13430, 0x13440))
    before_numbers = codes(
        (0x0600, 0x0605), (0x06DD, 0x06DD), (0x070F, 0x070F), (0x0890, 0x0891), (0x08E2, 0x08E2),
        (0x110BD, 0x110BD), (0x110CD, 0x110CD),
    )  # fmt: skip
    wanted = format_controls | others | variation_selectors
    wanted -= of_annotations | of_hieroglyphs | before_numbers
    deleted = {
        code
        for code, shown in WITHOUT_INVISIBLE.items()
        if shown is None and unicodedata.category(chr(code)) not in ("Cc", "Cs")
    }
    assert deleted == wanted


@pytest.mark.parametrize(
    ("text", "parted", "joined"),
    [
        ("A dog's bone, 2.5 m", "A dog's bone, 2.5 m", None),
        ("一只狗在草地上跑。", "一 只 狗 在 草 地 上 跑", "一只狗在草地上跑"),
        ("一只狗，2只 black cats", "一 只 狗 2 只 black cats", "一只狗 2 只 black cats"),
        # Vowel signs stay with their letters.
        ("หมาวิ่ง", "ห ม า วิ่ ง", "หมาวิ่ง"),
        ("犬がいる", "犬 が い る", "犬がいる"),
        ("개가 달린다", "개가 달린다", None),
    ],
)
def test_letters_of_scripts_without_spaces_are_words(text, parted, joined):
    assert part_characters(text) == parted
    assert part_characters(parted) == parted
    assert join_words(parted.split()) == (text if joined is None else joined)
