"""Pictures of codes, similarity, robustness and fields carry the numbers measured."""

import numpy as np
import pytest
import torch
from torch import nn

from analyses import results
from contractive import analysis, plots
from contractive.analysis import Robustness, SimilarityTable, VectorField


def test_histograms_are_rows_sorted_by_liveliness():
    code = torch.tensor([[0.5, 0.0, 0.2], [0.5, 1.0, 0.4]])
    found = analysis.codes(nn.Identity(), code, num_bins=2)
    (trace,) = plots.code_histograms({"sparse": found}).data
    np.testing.assert_allclose(trace.z, [[50, 50], [100, 0], [0, 100]])
    np.testing.assert_array_equal(trace.customdata[:, 0], [2, 3, 1])
    np.testing.assert_allclose(trace.x, [0.25, 0.75])


def test_activity_is_sorted():
    found = analysis.codes(nn.Identity(), torch.tensor([[0.5, 0.0], [0.5, 1.0]]))
    deviation, saturation, entropy = plots.unit_activity({"sparse": found}).data
    np.testing.assert_allclose(deviation.y, [0.5, 0])
    np.testing.assert_allclose(saturation.y, [100, 0])
    np.testing.assert_allclose(entropy.y, [1, 0])
    np.testing.assert_allclose(deviation.x, [25, 75])


def test_codes_without_saturation_have_no_line():
    found = analysis.codes(nn.Identity(), torch.tensor([[-3.0, 0.0], [0.5, 1.0]]))
    assert np.isnan(plots.unit_activity({"standard": found}).data[1].y).all()


def test_similarities_are_written_in_their_cells():
    matrix = torch.tensor([[1.0, 0.25], [0.25, 1.0]])
    table = SimilarityTable(("a", "b"), matrix, matrix**2, matrix / 2, 0.01)
    figure = plots.similarity(table)
    cka, procrustes, neighbours = figure.data
    np.testing.assert_allclose(cka.z, matrix)
    np.testing.assert_allclose(procrustes.z, matrix**2)
    np.testing.assert_allclose(neighbours.z, matrix / 2)
    assert cka.text[0][1] == "0.25"
    assert cka.x == ("a", "b")
    assert figure.layout.annotations[2].text == "Neighbours"
    assert figure.layout.xaxis3.title.text == "chance 1.0 %"


def test_maps_are_coloured_by_class():
    points, labels = np.arange(12.0).reshape(6, 2), np.array([1, 0, 1, 0, 0, 2])
    figure = plots.code_map({"a": points, "b": -points}, labels, hover=list("uvwxyz"))
    zero, one, two = figure.data[:3]
    assert (zero.name, one.name, two.name) == ("0", "1", "2")
    np.testing.assert_array_equal(zero.x, points[[1, 3, 4], 0])
    np.testing.assert_array_equal(one.y, points[[0, 2], 1])
    assert zero.text == ("v", "x", "y")
    assert [trace.marker.color for trace in figure.data[:3]] == [trace.marker.color for trace in figure.data[3:]]
    assert [trace.showlegend for trace in figure.data] == [True] * 3 + [False] * 3


def test_maps_without_labels_are_grey():
    (trace,) = plots.code_map({"a": np.zeros((5, 2))}).data
    assert len(trace.x) == 5
    assert trace.showlegend is False


def test_maps_of_many_points_use_the_graphics_card():
    assert plots.code_map({"a": np.zeros((3001, 2))}).data[0].type == "scattergl"


def test_thumbnails_are_dark_where_the_picture_is():
    picture = np.zeros((4, 4))
    picture[:2, :2], picture[2:, 2:] = 1, 0.4
    assert plots.thumbnails(picture.reshape(1, 16), (4, 4)) == ["@@..<br>..=="]


def test_large_thumbnails_are_averages():
    picture = np.kron(np.array([[0.0, 1.0]]), np.ones((60, 30)))
    (text,) = plots.thumbnails(picture.reshape(1, -1), (60, 60))
    lines = text.split("<br>")
    assert len(lines) == 14
    assert set(lines) == {"." * 14 + "@" * 14}


def test_robustness_is_in_per_cent():
    found = Robustness((0.0, 0.5), (0.9, 0.25), 0.125)
    figure = plots.robustness({"Noise": {"sparse": found}, "Attack": {"sparse": found}}, chance=0.1)
    for trace in figure.data:
        np.testing.assert_allclose(trace.x, [0, 0.5])
        np.testing.assert_allclose(trace.y, [90, 25])
        assert "12.5 % stay right without any gradient" in trace.hovertemplate
    assert [shape.y0 for shape in figure.layout.shapes] == [10, 10]
    assert [note.text for note in figure.layout.annotations[:2]] == ["Noise", "Attack"]


def test_arrows_point_where_reconstruction_goes():
    field = VectorField(torch.tensor([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0], [1.0, 1.0]]), torch.zeros(4, 2))
    field.steps[0] = torch.tensor([0.0, 4.0])
    field.steps[3] = torch.tensor([-2.0, 0.0])
    data, arrows = plots.vector_fields({"sparse": field}, np.ones((2, 2))).data
    x, y = arrows.x.reshape(4, 3), arrows.y.reshape(4, 3)
    factor = float(np.sqrt(1 / 3)) / 4  # four points in a unit square, the longest step 4
    np.testing.assert_allclose([x[0, 1], y[0, 1]], [0, 4 * factor], rtol=1e-6)
    np.testing.assert_allclose([x[3, 1], y[3, 1]], [1 - 2 * factor, 1], rtol=1e-6)
    assert np.isnan(x[:, 2]).all()
    np.testing.assert_array_equal(arrows.customdata[0], [0, 4])
    assert data.x.tolist() == [1, 1]


def test_a_field_at_rest_is_drawn():
    field = VectorField(torch.zeros(1, 2), torch.zeros(1, 2))
    assert plots.vector_fields({"sparse": field}).data[0].x[:2].tolist() == [0, 0]


def test_a_field_outside_the_plane_is_refused():
    field = analysis.vector_field(nn.Identity(), torch.rand(3, 4))
    with pytest.raises(ValueError, match=r"fields must have points \(rows, 2\), got \(3, 4\) for sparse"):
        plots.vector_fields({"sparse": field})


def test_results_of_models_make_the_picture():
    table = results().similarities
    np.testing.assert_allclose(plots.similarity(table).data[0].z, table.cka, rtol=1e-6)
