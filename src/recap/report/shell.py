"""A page of HTML that loads nothing from elsewhere."""

import base64
import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

import recap
from recap.report.figures import scale_of
from recap.report.numbers import duration, percent, size

KIT = Path(__file__).parent


def render(
    template: Path, *, scripts: Sequence[Path] = (), pictures_beside: bool = False, **content: Any
) -> str:
    """Return a page as HTML. Whatever a caption, a name or a setting holds is escaped.

    Parameters
    ----------
    template : Path
        Template that extends `base.html`; those of its folder and of the kit can be included.
    scripts : sequence of Path
        JavaScript of the page, the only one that its reader's browser runs; none by default.
    pictures_beside : bool
        Whether the page may show pictures that lie beside it; by default only its own.
    **content
        What the templates show; `title` is the page's heading.
    """
    environment = Environment(
        loader=FileSystemLoader([template.parent, KIT]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(percent=percent, duration=duration, size=size)
    environment.globals.update(scale_of=scale_of)
    code = "".join(script.read_text(encoding="utf-8") for script in scripts)
    digest = base64.b64encode(hashlib.sha256(code.encode()).digest()).decode()
    return environment.get_template(template.name).render(
        content,
        version=recap.__version__,
        script=code,
        script_digest=digest,
        pictures="data: file: 'self'" if pictures_beside else "data:",
    )
