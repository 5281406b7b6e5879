"""Tables for the terminal."""

import textwrap

WIDTH = 88


def text_table(cells: list[list[str]], paragraphs: list[str], *, names: int) -> str:
    """Return an aligned table, with paragraphs below that are wrapped to under 90 columns.

    Parameters
    ----------
    cells : list of list of str
        The head, then the rows.
    paragraphs : list of str
        What is said below.
    names : int
        How many columns hold names, which are aligned to the left; the others hold numbers.
    """
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = []
    for line in cells:
        padded = [
            text.ljust(width) if column < names else text.rjust(width)
            for column, (text, width) in enumerate(zip(line, widths, strict=True))
        ]
        lines.append("  ".join(padded).rstrip())
    lines.insert(1, "-" * (sum(widths) + 2 * (len(widths) - 1)))
    for paragraph in paragraphs:
        lines.append("")
        for line in paragraph.split("\n"):
            lines += textwrap.wrap(line, WIDTH, break_on_hyphens=False)
    return "\n".join(lines) + "\n"
