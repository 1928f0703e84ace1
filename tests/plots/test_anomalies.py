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


def test_p_values_that_a_detector_flags_are_coloured_up_to_a_line_at_its_rate():
    found = plots.p_values([8, 2, 1, 1], 0.25)
    first, *others = found.data[0].marker.color
    assert first not in others
    assert len(set(others)) == 1
    assert [(line.x0, line.x1) for line in found.layout.shapes][1:] == [(0.25, 0.25)]


def test_the_unusual_stretch_of_a_curve_is_shaded():
    axis = plots.FeatureAxis.of(["30nm", "20nm", "10nm"], 3)
    found = plots.unusual_curves(np.eye(3)[:1], np.zeros((1, 3)), [(1, 2)], ["row 1"], axis)
    observed, reconstruction = found.data
    np.testing.assert_allclose([observed.x, observed.y, reconstruction.y], [[30, 20, 10], [1, 0, 0], [0, 0, 0]])
    (shape,) = found.layout.shapes
    assert (shape.x0, shape.x1) == (5, 25)


def test_images_stand_above_their_reconstructions_and_errors_beside_them():
    rows = np.arange(8.0).reshape(2, 4)
    pictures, errors = plots.unusual_images(rows, -rows, rows**2, (2, 2)).data
    np.testing.assert_allclose(np.asarray(pictures.z)[3:, 3:], -rows[1].reshape(2, 2))
    np.testing.assert_allclose(np.asarray(errors.z)[:, :2], rows[0].reshape(2, 2) ** 2)
    assert errors.zmax == 49
