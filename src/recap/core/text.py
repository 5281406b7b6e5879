"""Text as people see it."""

import re
import unicodedata
from collections.abc import Sequence

# Unicode's Default_Ignorable_Code_Point (DerivedCoreProperties.txt, 15.1): what no font shows, such
# as the soft hyphen, the zero-width space and joiner, marks of direction, variation selectors, and
# the byte order mark.
_IGNORABLE = (
    (0x00AD, 0x00AD),
    (0x034F, 0x034F),
    (0x061C, 0x061C),
    (0x115F, 0x1160),
    (0x17B4, 0x17B5),
    (0x180B, 0x180F),
    (0x200B, 0x200F),
    (0x202A, 0x202E),
    (0x2060, 0x206F),
    (0x3164, 0x3164),
    (0xFE00, 0xFE0F),
    (0xFEFF, 0xFEFF),
    (0xFFA0, 0xFFA0),
    (0xFFF0, 0xFFF8),
    (0x1BCA0, 0x1BCA3),
    (0x1D173, 0x1D17A),
    (0xE0000, 0xE0FFF),
)

# Letters of scripts that are written without spaces between words: Thai, Lao, Tibetan, Burmese,
# Khmer, Japanese, Chinese.
UNSPACED = "[\u0e00-\u0fff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff]"
_UNSPACED = re.compile(UNSPACED)

# Control characters, halves of surrogate pairs, separators of lines and paragraphs.
BREAKS = {"Cc", "Cs", "Zl", "Zp"}


class _WithoutInvisible(dict):
    """A table for `str.translate` that deletes what cannot be seen."""

    def __missing__(self, code: int) -> int | None:
        character = chr(code)
        # Halves of a surrogate pair cannot be written as UTF-8 either.
        hidden = unicodedata.category(character) in ("Cc", "Cs") and not character.isspace()
        self[code] = None if hidden else code
        return self[code]


WITHOUT_INVISIBLE = _WithoutInvisible(
    {code: None for first, last in _IGNORABLE for code in range(first, last + 1)}
)


def normalize_text(text: str) -> str:
    """Return text of which equal looks have equal characters.

    Accents and letters are put together (Unicode's NFC), and characters that cannot be seen are
    left out, so that they make no words and no differences between words.

    Parameters
    ----------
    text : str
        As a file holds it.
    """
    if text.isascii() and text.isprintable():
        return text
    return unicodedata.normalize("NFC", text.translate(WITHOUT_INVISIBLE))


def is_one_line(text: str) -> bool:
    """Return whether text has no line break and no other control character.

    Parameters
    ----------
    text : str
        Such as a file's name, which stands on a line of its own in a list.
    """
    return not any(unicodedata.category(character) in BREAKS for character in text)


def part_characters(text: str) -> str:
    """Put spaces around each letter of a script that is written without them.

    Marks, such as vowel signs, stay with their letter. Punctuation beyond ASCII is left out, as
    what cuts captions into words knows ASCII's best. Words of other scripts stay as they are.

    Parameters
    ----------
    text : str
        As a person wrote it: `一只狗，2 cats` gives `一 只 狗 2 cats`.
    """
    if text.isascii():
        return text
    parts, alone = [], False
    for character in text:
        kind = unicodedata.category(character)[0]
        if kind == "P" and not character.isascii():
            character = " "
        elif kind != "M":
            before, alone = alone, bool(_UNSPACED.match(character))
            if before or alone:
                parts.append(" ")
        parts.append(character)
    return " ".join("".join(parts).split())


def join_words(words: Sequence[str]) -> str:
    """Return words as they are written: with spaces, but in scripts that have none.

    Parameters
    ----------
    words : sequence of str
        Words or letters: `["一", "只", "狗", "2", "cats"]` gives `一只狗 2 cats`.
    """
    text = ""
    for word in words:
        together = text and _UNSPACED.match(text[-1]) and _UNSPACED.match(word)
        text += word if together or not text else f" {word}"
    return text


def counted(number: int, noun: str) -> str:
    """Return how many there are in words.

    Parameters
    ----------
    number : int
        How many.
    noun : str
        What, of one: `image` gives `1 image` and `1,200 images`.
    """
    return f"{number:,} {noun}{'s' * (number != 1)}"
