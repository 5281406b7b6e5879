"""Link the reports of several studies on one page to start from."""

import html
import os
import re
from pathlib import Path
from typing import Any

from recap.core.errors import InputError
from recap.core.files import atomic_path
from recap.core.outputs import OutputFile
from recap.report.shell import render

HERE = Path(__file__).parent

MOST_PICTURES = 3
HEADING = re.compile(r"<h1>(.*?)</h1>", re.DOTALL)
KIND = re.compile(r'<p class="eyebrow">(.*?)</p>', re.DOTALL)
PICTURE = re.compile(r'<img [^>]*src="(data:image/[^"]+)"[^>]*?alt="([^"]*)"')


def link_reports(*reports: Path, output: OutputFile) -> None:
    """Write a page that links reports, each with its first pictures and what it found.

    Parameters
    ----------
    reports : Path
        Their pages, such as `results/shapes/report/index.html`; what was found is read from
        `summary.txt` beside each.
    output : Path
        Page to write, such as `results/index.html`. The links lead from there to the reports.

    Raises
    ------
    InputError
        If no report is given, or one is missing or is none of recap's.
    """
    if not reports:
        raise InputError("No report is given: name pages such as results/shapes/report/index.html.")
    linked = [
        {
            "link": Path(os.path.relpath(report, output.parent)).as_posix(),
            **_shown(report),
            "summary": _read(report.with_name("summary.txt")),
        }
        for report in map(Path, reports)
    ]
    page = render(HERE / "start.html", title="What was found", reports=linked)
    with atomic_path(output) as scratch:
        scratch.write_text(page, encoding="utf-8", newline="\n")


def _shown(report: Path) -> dict[str, Any]:
    """Return what a report is, its heading and its first pictures."""
    page = _read(report)
    heading = HEADING.search(page)
    if heading is None:
        raise InputError(f"{report} is no report of recap's: make it again.")
    kind = KIND.search(page)
    pictures: dict[str, str] = {}
    for source, alt in PICTURE.findall(page):
        pictures.setdefault(source, html.unescape(alt))
    return {
        "kind": html.unescape(kind[1]) if kind else report.parents[1].name,
        "title": html.unescape(heading[1]),
        "pictures": [
            {"source": source, "alt": alt} for source, alt in list(pictures.items())[:MOST_PICTURES]
        ],
    }


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise InputError(f"{path} cannot be read ({error}): make the report again.") from None
