"""Pictures of Jacobians and tangents carry the numbers measured."""

import numpy as np
import pytest
import torch

from analyses import results
from contractive import plots
from contractive.analysis import ExampleJacobians, TangentAgreement, Tangents, Walks

HEADINGS = ["one", "two"]


def jacobians():
    matrices = torch.arange(2 * 3 * 4.0).reshape(2, 3, 4) - 10
    _, values, directions = torch.linalg.svd(matrices, full_matrices=False)
    return ExampleJacobians(matrices, values, directions, (4,))


def test_rows_are_heat_maps_on_one_scale():
    found = jacobians()
    figure = plots.jacobian_rows(found, HEADINGS, names=["a", "b", "c", "ocean_proximity=INLAND"])
    for trace, matrix in zip(figure.data, found.matrices, strict=True):
        np.testing.assert_array_equal(trace.z, matrix)
        assert (trace.x[0], trace.y0) == (1, 1)
    assert figure.data[0].zmax == figure.data[1].zmax == -figure.data[0].zmin
    assert figure.layout.xaxis.ticktext == ("a", "b", "c", "ocean…mity=INLAND")
    assert [note.text for note in figure.layout.annotations] == HEADINGS


def test_rows_of_images_are_tiles():
    found = jacobians()
    mosaic = plots.jacobian_rows(found, HEADINGS, (2, 2)).data[1].z
    np.testing.assert_array_equal(mosaic[:, 3:5], found.matrices[1, 1].reshape(2, 2))


def test_many_features_are_numbered():
    figure = plots.jacobian_rows(
        ExampleJacobians(torch.ones(1, 2, 40), *[torch.ones(1)] * 2, (40,)), ["one"], names=["n"] * 40
    )
    assert figure.layout.xaxis.title.text == "feature"


def test_pictures_show_inputs_norms_and_directions():
    found = jacobians()
    inputs = np.array([[0, 1, 2, 4.0], [1, 1, 1, 3]])
    left, right = plots.jacobian_pictures(inputs, found, HEADINGS, (2, 2)).data
    np.testing.assert_allclose(left.z[:2, :2], [[0, 0.25], [0.5, 1]])
    norms = found.feature_norms[0]
    np.testing.assert_allclose(
        left.z[:2, 3:], ((norms - norms.min()) / (norms.max() - norms.min())).reshape(2, 2), atol=1e-6
    )
    first = found.directions[1, 0]
    np.testing.assert_allclose(right.z[3:, :2], (first / first.abs().max()).reshape(2, 2), rtol=1e-6)
    last = found.directions[0, -1]
    np.testing.assert_allclose(right.z[:2, 9:11], (last / last.abs().max()).reshape(2, 2), rtol=1e-6)


def test_bars_are_the_largest_features_with_their_names():
    found = jacobians()
    twice = ExampleJacobians(2 * found.matrices, found.values, found.directions, (4,))
    figure = plots.jacobian_features({"standard": found, "sparse": twice}, HEADINGS, ["a", "b", "c", "d"])
    order = found.feature_norms[0].argsort(descending=True)
    np.testing.assert_allclose(figure.data[0].x, found.feature_norms[0][order], rtol=1e-6)
    np.testing.assert_allclose(figure.data[1].x, 2 * found.feature_norms[0][order], rtol=1e-6)
    assert figure.layout.yaxis.ticktext == tuple("abcd"[at] for at in order)
    assert [trace.xaxis for trace in figure.data] == ["x", "x", "x2", "x2"]


def test_at_most_twenty_bars():
    wide = ExampleJacobians(torch.rand(1, 2, 50), torch.ones(1), torch.ones(1), (50,))
    (bars,) = plots.jacobian_features({"standard": wide}, ["one"]).data
    assert len(bars.x) == 20
    assert bars.customdata[0] == f"feature {int(wide.feature_norms[0].argmax()) + 1}"


def test_tangents_are_the_basis():
    basis = torch.linalg.qr(torch.rand(2, 4, 3))[0].mT
    figure = plots.tangents(Tangents(basis, torch.ones(2, 3), (4,)), HEADINGS)
    np.testing.assert_array_equal(figure.data[1].z, basis[1])


def test_walks_of_rows_are_changes_from_the_start():
    outputs = torch.tensor([[[0.0, 5.0], [1.0, 5.0], [3.0, 4.0]]])
    (trace,) = plots.walks(Walks(torch.tensor([-1.0, 0.0, 1.0]), outputs, outputs), ["one"]).data
    np.testing.assert_array_equal(trace.z, [[-1, 0], [0, 0], [2, -1]])
    assert trace.y.tolist() == [-1, 0, 1]


def test_walks_of_images_have_inputs_above_outputs():
    found = results().walks
    figure = plots.walks(found, results().headings, (3, 3))
    mosaic = figure.data[2].z
    assert mosaic.shape == (7, 11)
    np.testing.assert_allclose(mosaic[:3, 4:7], found.inputs[2, 1].reshape(3, 3))
    np.testing.assert_allclose(mosaic[4:, 8:], found.reconstructions[2, 2].reshape(3, 3))
    assert figure.layout.xaxis3.ticktext == ("\N{MINUS SIGN}1", "0", "2")


def test_agreement_shows_shares_baselines_and_angles():
    shares = torch.tensor([[0.2, 0.4], [0.6, float("nan")]])
    angles = torch.full((2, 2, 3), torch.pi / 6)
    found = TangentAgreement(shares, shares / 2, shares / 4, 0.1, angles, 2 * angles[0])
    figure = plots.tangent_agreement({"sparse": found})
    box, _, line, random = figure.data
    assert box.x == ("tangents", "principal", "random")
    np.testing.assert_allclose(box.median, [40, 10, 20], rtol=1e-6)
    np.testing.assert_allclose(line.y, [30, 30, 30], rtol=1e-6)
    np.testing.assert_allclose(random.y, [60, 60, 60], rtol=1e-6)
    assert figure.layout.shapes[0].y0 == pytest.approx(10)


def test_lines_go_through_all_features_in_their_order():
    found = jacobians()
    figure = plots.feature_lines({"contractive": found}, HEADINGS)
    for trace, norms in zip(figure.data, found.feature_norms, strict=True):
        np.testing.assert_array_equal(trace.x, [1, 2, 3, 4])
        np.testing.assert_allclose(trace.y, norms)
