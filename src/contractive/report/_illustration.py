"""An illustration as one HTML file, with the style and script of the comparison's page."""

import json
import re
from dataclasses import replace

import plotly.graph_objects as go
from markupsafe import Markup, escape

from contractive.report._html import render
from contractive.studies.documents import versions
from contractive.studies.illustrations import Illustration, Topic
from contractive.studies.pages import described


def illustration_html(topic: Topic, result: Illustration, *, command: str) -> str:
    """The whole page as text.

    Args:
        topic: What is shown and why.
        result: What `topic.run` gave.
        command: That makes the page again.
    """
    page = {
        "topic": topic,
        "maths": lambda text: Markup(_subscripts(str(escape(text)))),
        "finding": result.finding,
        "tiles": result.tiles,
        "table": result.table,
        "pictures": [
            replace(each, figure=go.Figure(json.loads(_subscripts(json.dumps(each.content, ensure_ascii=False)))))
            for each in result.pictures()
        ],
        "settings": described(result.settings),
        "command": command,
        "versions": versions(),
    }
    return render(page, "illustration.html.jinja")


def _subscripts(text: str) -> str:
    """J_f and J_r as one reads them; both pages and plotly know the element."""
    return re.sub(r"\b([JWh])_([fgrj])\b", r"\1<sub>\2</sub>", text)
