"""Lead the site's links where the repository's lead: mkdocs.yml names this file as its hooks.

Pages are written for the repository. What they link to outside docs/ goes into the site, too:
README.md as its first page, all else under its path.
"""

import posixpath
import re
from pathlib import Path

from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File

ROOT = Path(__file__).parents[1]

# The target of a link or picture within the repository.
TARGET = re.compile(r'(?<=\]\()(?!\w+:)[^)#\s]+|(?<= src=")(?!\w+:)[^"]+')

# What a browser would fetch from the network to show a page.
FETCHED = re.compile(
    r'<(?:script|img|iframe|video)\b[^>]*\ssrc="?(?:https?:)?//[^>]*'
    r'|<link\b(?=[^>]*rel="?(?:stylesheet|preconnect|preload|icon))[^>]*href="?(?:https?:)?//[^>]*'
)


def on_files(files, config):
    """Add what is linked outside docs/, and what is linked from there."""
    waiting = ["README.md"] + [_in_repository(file.src_uri) for file in files.documentation_pages()]
    for path in waiting:
        if (ROOT / path).is_file() and not files.get_file_from_path(_in_site(path)):
            added = File.generated(config, _in_site(path), abs_src_path=str(ROOT / path))
            files.append(added)
        if path.endswith(".md") and (ROOT / path).is_file():
            text = (ROOT / path).read_text(encoding="utf-8")
            waiting += {_resolve(path, target) for target in TARGET.findall(text)} - {*waiting}
    return files


def on_page_markdown(markdown, page, config, files):
    """Write each target as the site has it."""
    path = _in_repository(page.file.src_uri)
    start = posixpath.dirname(page.file.src_uri)
    return TARGET.sub(
        lambda found: posixpath.relpath(_in_site(_resolve(path, found[0])), start), markdown
    )


def on_page_content(html, page, config, files):
    """Let a column without a name have no header, which a screen reader would announce.

    A table's head can have the focus, so that the arrow keys move a table that is wider than the
    page. (The table itself would lose its looks, which the theme gives to tables without a class: a
    script of the theme gives a class to what has the focus.)
    """
    return html.replace("<th></th>", "<td></td>").replace("<thead>", '<thead tabindex="0">')


def on_post_page(output, page, config):
    """Refuse a page that would load something from the network."""
    if found := FETCHED.search(output):
        raise PluginError(f"{page.file.src_uri} loads from the network: {found[0]}>")
    return output


def _resolve(path: str, target: str) -> str:
    return posixpath.normpath(posixpath.join(posixpath.dirname(path), target))


def _in_site(path: str) -> str:
    return "index.md" if path == "README.md" else path.removeprefix("docs/")


def _in_repository(uri: str) -> str:
    if uri == "index.md":
        return "README.md"
    return f"docs/{uri}" if (ROOT / "docs" / uri).exists() else uri
