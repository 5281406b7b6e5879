import re

import pytest

from recap.core.errors import InputError
from recap.report.start.link_reports import link_reports

HOSTILE = "<b>Red & blue</b> {{ 7 * 7 }}"


def write(folder, heading, summary):
    folder.mkdir(parents=True)
    pictures = "".join(
        f'<img src="data:image/webp;base64,{number}" width="1" height="1" alt="a &lt;{number}">'
        for number in (0, 0, 1, 2, 3)
    )
    kind = f'<p class="eyebrow">{folder.parent.name} &amp; more</p>'
    (folder / "index.html").write_text(f"<html>{kind}<h1>{heading}</h1>{pictures}</html>")
    (folder / "summary.txt").write_text(summary)
    return folder / "index.html"


def test_each_report_is_linked_with_what_it_found(tmp_path):
    reports = [
        write(tmp_path / "shapes/report", "lstm leads &amp; wins", "lstm  55.9\n"),
        write(tmp_path / "vision-scenes/report", "What the network sees", HOSTILE),
    ]
    link_reports(*reports, output=tmp_path / "index.html")
    page = (tmp_path / "index.html").read_text()
    links = re.findall(r'<h2><a href="(.*?)">(.*?)</a>', page)
    assert links == [
        ("shapes/report/index.html", "lstm leads &amp; wins"),
        ("vision-scenes/report/index.html", "What the network sees"),
    ]
    assert all((tmp_path / link).exists() for link, _ in links)
    assert "lstm  55.9" in page
    assert "shapes &amp; more" in page
    # The first three of each, which differ.
    pictures = re.findall(r'<img src="data:image/webp;base64,(\d)" alt="a &lt;(\d)">', page)
    assert pictures == [("0", "0"), ("1", "1"), ("2", "2")] * 2
    assert "<b>Red" not in page
    assert "{{ 7 * 7 }}" in page


def test_what_is_no_report_is_told(tmp_path):
    with pytest.raises(InputError, match="No report is given"):
        link_reports(output=tmp_path / "index.html")
    with pytest.raises(InputError, match="none.html cannot be read"):
        link_reports(tmp_path / "none.html", output=tmp_path / "index.html")
    report = write(tmp_path / "shapes/report", "heading", "summary")
    report.write_text("<html></html>")
    with pytest.raises(InputError, match="is no report of recap's"):
        link_reports(report, output=tmp_path / "index.html")
