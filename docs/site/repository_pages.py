"""A hook of MkDocs: files outside docs/ that are pages of the site, and the links to them.

A link is written as it works in the repository; here it is turned to where the file is on the site.
A link to a file that is neither in docs/ nor named below is an error: the site does not have it.
"""

from __future__ import annotations

import posixpath
import re
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File, Files

_ROOT = Path(__file__).parents[2]
_DOCS = "docs/"

# By its place in the repository: the place on the site, below docs/.
_PLACES = {
    "README.md": "index.md",
    "CHANGELOG.md": "changelog.md",
    "CONTRIBUTING.md": "contributing.md",
    "argan_plugin/models/README.md": "models.md",
    "argan_plugin/samples/README.md": "samples.md",
    "CITATION.cff": "CITATION.cff",
    "LICENSE": "LICENSE",
}
_SOURCES = {place: source for source, place in _PLACES.items()}

# [text](target), with an optional title behind the target; an image begins with "!".
_LINK = re.compile(r"(\]\()([^)\s]+)((?:\s+\"[^\"]*\")?\))")


def on_files(files: Files, config: Any) -> Files:
    """Add the files outside docs/."""
    for source, place in _PLACES.items():
        files.append(File.generated(config, place, abs_src_path=str(_ROOT / source)))
    return files


def on_page_markdown(markdown: str, *, page: Any, **_: Any) -> str:
    """Turn the page's relative links from the repository's tree to the site's."""
    place = page.file.src_uri
    source = _SOURCES.get(place, _DOCS + place)

    def turned(link: re.Match[str]) -> str:
        before, target, after = link.groups()
        address = urlsplit(target)
        if address.scheme or not address.path:
            return link[0]
        named = posixpath.normpath(posixpath.join(posixpath.dirname(source), address.path))
        if (_ROOT / named / "README.md").exists():  # a folder
            named += "/README.md"
        goal = _PLACES.get(named, named.removeprefix(_DOCS))
        if named not in _PLACES and not named.startswith(_DOCS):
            raise PluginError(f"{source}: the site has no {named}; name the file without a link")
        anchor = f"#{address.fragment}" if address.fragment else ""
        return before + posixpath.relpath(goal, posixpath.dirname(place) or ".") + anchor + after

    return _LINK.sub(turned, markdown)
