"""A summary as HTML: template, style and script in one file, plotly.js included once."""

import json
from importlib.resources import files
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from plotly.offline import get_plotlyjs


def render(summary: dict[str, Any], template: str = "report.html.jinja") -> str:
    """The whole page by one of the templates here; everything from `summary` is escaped."""
    loader = PackageLoader("contractive", "report")
    environment = Environment(
        loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    return environment.get_template(template).render(
        summary,
        style=_part("report.css"),
        script=_part("report.js"),
        plotly=Markup(get_plotlyjs()),
        figures=_embedded({picture.name: picture.content for picture in summary["pictures"]}),
    )


def _part(name: str) -> Markup:
    return Markup(files("contractive.report").joinpath(name).read_text(encoding="utf-8"))


def _embedded(content: Any) -> Markup:
    """JSON that cannot end the script element it stands in."""
    text = json.dumps(content, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return Markup(text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026"))
