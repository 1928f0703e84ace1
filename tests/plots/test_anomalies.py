import json

import pytest

from contractive import plots


def data(figure):
    return json.loads(figure.to_json())["data"]


def test_bars_are_the_falls_of_the_score_on_one_scale():
    found = plots.reason_bars([("row 3", [("a", 4.0), ("b", 1.5)]), ("row 7", [("c", 2.0)])])
    first, second = data(found)
    assert (first["x"], first["y"], second["x"], second["y"]) == ([4.0, 1.5], ["a", "b"], [2.0], ["c"])
    layout = json.loads(found.to_json())["layout"]
    assert layout["xaxis"]["range"] == layout["xaxis2"]["range"] == [0, pytest.approx(4.2)]


def test_p_values_stand_beside_the_count_of_uniform_ones():
    found = plots.p_values([8, 2, 1, 1])
    (bars,) = data(found)
    assert (bars["x"], bars["y"]) == ([0.125, 0.375, 0.625, 0.875], [8, 2, 1, 1])
    (line,) = json.loads(found.to_json())["layout"]["shapes"]
    assert line["y0"] == line["y1"] == 3.0
