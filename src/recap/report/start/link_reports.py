"""Link the reports of several studies on one page to start from."""

import html
import os
import re
from pathlib import Path

from recap.core.errors import InputError
from recap.core.files import atomic_path
from recap.core.outputs import OutputFile
from recap.report.shell import render

HERE = Path(__file__).parent


def link_reports(*reports: Path, output: OutputFile) -> None:
    """Write a page that links reports, each with what it found.

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
            "study": report.parents[1].name,
            "link": Path(os.path.relpath(report, output.parent)).as_posix(),
            "title": _title(report),
            "summary": _read(report.with_name("summary.txt")),
        }
        for report in map(Path, reports)
    ]
    page = render(HERE / "start.html", title="What was found", reports=linked)
    with atomic_path(output) as scratch:
        scratch.write_text(page, encoding="utf-8", newline="\n")


def _title(report: Path) -> str:
    found = re.search(r"<h1>(.*?)</h1>", _read(report), re.DOTALL)
    if found is None:
        raise InputError(f"{report} is no report of recap's: make it again.")
    return html.unescape(found[1])


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise InputError(f"{path} cannot be read ({error}): make the report again.") from None
