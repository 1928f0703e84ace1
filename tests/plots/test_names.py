"""Names from data are shown as they stand: plotly takes none for markup, for a formula or for a variable."""

from dataclasses import replace
from html import unescape

import numpy as np
import plotly.graph_objects as go
import pytest

from analyses import results
from contractive import plots

NAME = "<i>$%{y}$"
ESCAPED = "&lt;i&gt;&#36;&#37;{y}&#36;"


def renamed(mapping):
    return {NAME: next(iter(mapping.values()))}


NAMES, POINTS, PICTURES = [NAME] * 9, np.zeros((3, 2)), np.zeros((3, 9))


def of_one(r):
    return {"contractive": r.examples["contractive"]}


FIGURES = {
    "feature bars": lambda r: plots.jacobian_features(of_one(r), r.headings, NAMES),
    "heat map by features": lambda r: plots.tangents(r.tangents, r.headings, names=NAMES),
    "heading of a panel": lambda r: plots.feature_lines(of_one(r), [NAME] * 3),
    "heading of a row": lambda r: plots.jacobian_pictures(PICTURES, r.examples["contractive"], [NAME] * 3, (3, 3)),
    "model in the legend": lambda r: plots.spectra(renamed(r.spectra)),
    "model in a hover": lambda r: plots.directions(renamed(r.directions)),
    "model at an axis": lambda r: plots.sensitivity({NAME: np.arange(3.0)}),
    "model above a panel": lambda r: plots.code_map({NAME: POINTS}),
    "model beside a mark": lambda r: plots.trade_off({NAME: np.ones(2)}, {NAME: np.ones(2)}),
    "models in a table": lambda r: plots.similarity(replace(r.similarities, names=(NAME, "other"))),
    "class in a map": lambda r: plots.code_map({"contractive": POINTS}, [NAME, NAME, "b"]),
    "class in a table": lambda r: plots.confusion(np.eye(2, dtype=int), [NAME, "b"]),
    "class below a picture": lambda r: plots.mistakes(PICTURES[:1], (3, 3), ["a"], [NAME[:8]]),
    "class at an axis": lambda r: plots.class_directions({"contractive": renamed(r.classes["contractive"])}),
    "method in the legend": lambda r: plots.ranking_curves({NAME: ([1.0], [1.0], [0.5])}),
}


@pytest.mark.parametrize("where", FIGURES)
def test_a_name_is_neither_markup_nor_formula_nor_variable(where):
    name, escaped = (NAME, ESCAPED) if "picture" not in where else (NAME[:8], "&lt;i&gt;&#36;&#37;{y}")
    figure = go.Figure(FIGURES[where](results())).for_each_trace(
        lambda trace: trace.update(legendgroup=None)
    )  # which is not shown
    text = str(figure.to_plotly_json()).replace(f"'offsetgroup': '{NAME}'", "")
    assert name not in text
    assert escaped in text
    assert unescape(escaped) == name


def test_text_is_escaped_once_and_a_coloured_title_keeps_its_mark():
    assert plots.plain(plots.plain(NAME)) == ESCAPED
    assert plots.colored(NAME, "#000000") == f'<span style="color:#000000">■</span> {ESCAPED}'
