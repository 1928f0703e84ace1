"""Names from data are shown as they stand: plotly takes none for markup, for a formula or for a variable."""

from dataclasses import replace
from functools import cache
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


@cache
def drawn():
    r, names, points = results(), [NAME] * 9, np.zeros((3, 2))
    example = {"contractive": r.examples["contractive"]}
    pictures = np.zeros((3, 9))
    return {
        "feature bars": plots.jacobian_features(example, r.headings, names),
        "heat map by features": plots.tangents(r.tangents, r.headings, names=names),
        "heading of a panel": plots.feature_lines(example, [NAME] * 3),
        "heading of a row": plots.jacobian_pictures(pictures, r.examples["contractive"], [NAME] * 3, (3, 3)),
        "model in the legend": plots.spectra(renamed(r.spectra)),
        "model in a hover": plots.directions(renamed(r.directions)),
        "model at an axis": plots.sensitivity({NAME: np.arange(3.0)}),
        "model above a panel": plots.code_map({NAME: points}),
        "model beside a mark": plots.trade_off({NAME: np.ones(2)}, {NAME: np.ones(2)}),
        "models in a table": plots.similarity(replace(r.similarities, names=(NAME, "other"))),
        "class in a map": plots.code_map({"contractive": points}, [NAME, NAME, "b"]),
        "class in a table": plots.confusion(np.eye(2, dtype=int), [NAME, "b"]),
        "class below a picture": plots.mistakes(pictures[:1], (3, 3), ["a"], [NAME[:8]]),
        "class at an axis": plots.class_directions({"contractive": renamed(r.classes["contractive"])}),
        "method in the legend": plots.ranking_curves({NAME: ([1.0], [1.0], [0.5])}),
    }


@pytest.mark.parametrize("where", list(drawn()))
def test_a_name_is_neither_markup_nor_formula_nor_variable(where):
    name, escaped = (NAME, ESCAPED) if "picture" not in where else (NAME[:8], "&lt;i&gt;&#36;&#37;{y}")
    figure = go.Figure(drawn()[where]).for_each_trace(
        lambda trace: trace.update(legendgroup=None)
    )  # which is not shown
    text = str(figure.to_plotly_json()).replace(f"'offsetgroup': '{NAME}'", "")
    assert name not in text
    assert escaped in text
    assert unescape(escaped) == name


def test_text_is_escaped_once_and_a_coloured_title_keeps_its_mark():
    assert plots.plain(plots.plain(NAME)) == ESCAPED
    assert plots.colored(NAME, "#000000") == f'<span style="color:#000000">■</span> {ESCAPED}'
