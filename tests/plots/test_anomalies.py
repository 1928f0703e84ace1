import json

import numpy as np

from contractive import plots


def data(figure):
    return json.loads(figure.to_json())["data"]


def test_curves_begin_where_nothing_is_flagged():
    found = plots.ranking_curves({"detector": ([0.0, 1.0], [0.5, 1.0], [1.0, 0.4]), "other": ([1.0], [1.0], [0.4])})
    roc, recall, other, _ = found.data
    np.testing.assert_allclose([roc.x, roc.y], [[0, 0, 1], [0, 0.5, 1]])
    np.testing.assert_allclose([recall.x, recall.y], [[0.5, 1], [1, 0.4]])
    np.testing.assert_allclose([other.x, other.y], [[0, 1], [0, 1]])
    assert other.name == "other"


def test_p_values_stand_beside_the_count_of_uniform_ones():
    found = plots.p_values([8, 2, 1, 1])
    (bars,) = data(found)
    assert (bars["x"], bars["y"]) == ([0.125, 0.375, 0.625, 0.875], [8, 2, 1, 1])
    (line,) = json.loads(found.to_json())["layout"]["shapes"]
    assert line["y0"] == line["y1"] == 3.0
