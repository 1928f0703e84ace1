"""A page as HTML: template, style and script in one file, plotly.js included once."""

import base64
import gzip
import json
import re
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from plotly.offline import get_plotlyjs

from contractive.core.errors import InvalidValue
from contractive.core.files import remove_temporary_files, write_text


def render(content: Mapping[str, Any], template: str, *styles: str) -> str:
    """Return the whole page by one of the templates here; everything from `content` is escaped.

    Args:
        content: What the template names; `pictures` holds all pictures. A mapping `exploration` is embedded as JSON.
        template: File name of the template.
        styles: File names of its styles; that of the reports if omitted.
    """
    embedded = {"style": Markup("").join(map(script, styles or ("report.css",)))}
    if "pictures" in content:
        figures = _as_json({picture.name: picture.content for picture in content["pictures"]})
        embedded |= {"figures": figures, "plotly": _packed_plotly(), "script": script("report.js")}
    if "exploration" in content:
        embedded["exploration"] = _as_json(content["exploration"])
    return _with_contents(_environment().get_template(template).render({**content, **embedded}))


@cache
def _environment() -> Environment:
    loader = PackageLoader("contractive", "report")
    return Environment(loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)


def _with_contents(page: str) -> str:
    """Return the page with an id for every section that has a heading, and the list of them."""
    titles: list[str] = []

    def numbered(found: re.Match[str]) -> str:
        titles.append(re.split("[:,]", found[1])[0])
        return f'<section id="part-{len(titles)}">\n  <h2>{found[1]}</h2>'

    page = re.sub(r"<section>\s*<h2>(.*?)</h2>", numbered, page)
    links = [f'<li><a href="#part-{number}">{title}</a></li>' for number, title in enumerate(titles, 1)]
    links.append('<li><a href="#settings">Settings</a></li>')
    begin = '<nav class="contents" aria-label="Contents">'
    return page.replace(f"{begin}</nav>", f"{begin}<ul>{''.join(links)}</ul></nav>", 1)


@cache
def _packed_plotly() -> Markup:
    """Return plotly.js, gzipped as base64: the page unpacks it, which saves 3 MB."""
    return Markup(base64.b64encode(gzip.compress(get_plotlyjs().encode(), mtime=0)).decode())


def script(name: str) -> Markup:
    """Return a script or style of this package."""
    return Markup(files("contractive.report").joinpath(name).read_text(encoding="utf-8"))


def _as_json(content: object) -> Markup:
    """Return JSON in which nothing can end the script element in which it stands."""
    text = json.dumps(content, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    for character in "<>&":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return Markup(text)


def write_page(html: str, path: str | Path) -> Path:
    """Write a page to a file, whole or not at all, and return its path; its folder is made if missing.

    Raises:
        InvalidValue: The path is a folder.
    """
    path = Path(path)
    if path.is_dir():
        raise InvalidValue("path", "name a file", f"the folder {path}", f"Try {path / 'report.html'}.")
    path.parent.mkdir(parents=True, exist_ok=True)
    remove_temporary_files(path.parent, path.name)
    write_text(path, html)
    return path
