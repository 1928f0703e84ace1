"""An illustration as one HTML file, with the style and script of the comparison's page."""

import json
import re
from dataclasses import asdict, is_dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import plotly.graph_objects as go
from markupsafe import Markup, escape

from contractive import __version__
from contractive.core.files import write_text
from contractive.report._html import render
from contractive.studies.illustrations import Illustration, Topic
from contractive.studies.pages import Picture


def illustration_html(topic: Topic, result: Illustration, *, command: str) -> str:
    """The whole page as text.

    Args:
        topic: What is shown and why.
        result: What `topic.run` gave.
        command: That makes the page again.
    """
    return render(_summary(topic, result, command), "illustration.html.jinja")


def write_illustration(topic: Topic, result: Illustration, path: str | Path, *, command: str) -> Path:
    """Write the page to a file, whole or not at all, and return its path; folders are made if missing."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_text(path, illustration_html(topic, result, command=command))
    return path


def _summary(topic: Topic, result: Illustration, command: str) -> dict[str, Any]:
    return {
        "topic": topic,
        "maths": lambda text: Markup(_subscripts(str(escape(text)))),
        "finding": result.finding,
        "tiles": result.tiles,
        "table": result.table,
        "pictures": [_with_subscripts(picture) for picture in result.pictures()],
        "settings": _settings(result.settings),
        "command": command,
        "versions": {"contractive": __version__, "torch": version("torch")},
    }


def _with_subscripts(picture: Picture) -> Picture:
    return replace(picture, figure=go.Figure(json.loads(_subscripts(json.dumps(picture.content, ensure_ascii=False)))))


def _subscripts(text: str) -> str:
    """J_f and J_r as one reads them; both pages and plotly know the element."""
    return re.sub(r"\b([JWh])_([fgrj])\b", r"\1<sub>\2</sub>", text)


def _settings(settings: Any) -> list[tuple[str, str]]:
    """Fields of a dataclass, and of dataclasses in it, as words and text."""
    if not is_dataclass(settings) or isinstance(settings, type):
        return []
    flat: dict[str, Any] = {}
    for name, value in asdict(settings).items():
        flat |= value if isinstance(value, dict) else {name: value}
    return [(name.replace("_", " "), _text(value)) for name, value in flat.items() if value not in (None, ())]


def _text(value: Any) -> str:
    if isinstance(value, tuple | list):
        return ", ".join(map(_text, value))
    return f"{value:g}" if isinstance(value, float) else str(value)
