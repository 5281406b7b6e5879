"""Numbers as people read them."""

ZERO = "0.0"  # as `percent` prints it


def percent(score: float | None) -> str:
    """Return a score times 100 with one decimal, as papers print it; a dash for none."""
    return "–" if score is None else f"{100 * score:.1f}"


def signed(score: float, decimals: int = 1) -> str:
    """Return a difference of scores times 100, with its sign."""
    return f"{100 * score:+.{decimals}f}".replace("-", "−")


def significant(value: float, digits: int = 3) -> str:
    """Return a number with so many digits that count: `0.00912`, `91.9`, `1,707`.

    Digits before the point are never left out.
    """
    if abs(value) >= 10 ** (digits - 1):
        return f"{value:,.0f}"
    return f"{value:.{digits}g}"


def duration(seconds: float) -> str:
    """Return a time as people read it: `48.2 s`, `3 min 20 s`, `2 h 05 min`."""
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s"
    return f"{minutes // 60:,} h {minutes % 60:02d} min"


def size(count: int) -> str:
    """Return a number of bytes as people read it: `12 kB`, `3.4 MB`."""
    for unit, factor in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if count >= factor:
            return f"{count / factor:.1f} {unit}"
    return f"{count} B"
