"""Pictures of sensitivity, places, curves, spectra and directions carry the numbers measured."""

import numpy as np
import pytest
import torch

from analyses import results
from contractive import plots
from contractive.analysis import (
    ContractionCurve,
    Directions,
    EvaluationPoints,
    Norms,
    Sensitivity,
    SensitivityProfile,
    Spectra,
)


def of(figure, name=None, axis=None, kind=None):
    return [
        trace
        for trace in figure.data
        if (name is None or trace.name == name)
        and (axis is None or trace.xaxis == axis)
        and (kind is None or trace.type == kind)
    ]


def test_profiles_show_quantiles_and_the_scale_free_figure():
    ratios = torch.arange(101.0)
    moved = (Sensitivity(ratios, 0.5), Sensitivity(2 * ratios, 0.75))
    profile = SensitivityProfile({"gaussian": (0.1, 1.0)}, {"gaussian": moved}, 1.0)
    box, line = plots.sensitivity_profiles({"sparse": profile}).data
    assert box.x == ("0.1", "1")
    for key, expected in (("lowerfence", 5), ("q1", 25), ("median", 50), ("q3", 75), ("upperfence", 95)):
        np.testing.assert_allclose(getattr(box, key), [expected, 2 * expected])
    np.testing.assert_allclose(line.x, [0.1, 1.0], rtol=1e-6)
    np.testing.assert_allclose(line.y, [0.5, 0.75])


def test_every_noise_has_its_panels():
    figure = plots.sensitivity_profiles(results().profiles)
    titles = [annotation.text for annotation in figure.layout.annotations]
    assert titles == [
        "Gaussian noise, raw",
        "Gaussian noise, scale-free",
        "Masking noise, raw",
        "Masking noise, scale-free",
    ]
    assert len(of(figure, axis="x3", kind="box")) == 2


def test_one_level_is_the_histogram_of_its_ratios():
    profiles = results().profiles
    figure = plots.sensitivity_at(profiles, "gaussian", 0.5)
    boxes = of(figure, "contractive", kind="box")
    np.testing.assert_allclose(boxes[0].x, profiles["contractive"].sensitivities["gaussian"][1].ratios, rtol=1e-6)


@pytest.mark.parametrize(("noise", "level"), [("gaussian", 0.3), ("hum", 0.1)])
def test_a_level_that_was_not_measured_is_refused(noise, level):
    with pytest.raises(ValueError, match=r"(noise|level) must be one of"):
        plots.sensitivity_at(results().profiles, noise, level)


def test_places_show_norms_shares_and_distances():
    norms = {
        "training": Norms(torch.tensor([4.0, 16.0]), torch.tensor([0.5, 2.0])),
        "box": Norms(torch.tensor([9.0, 9.0]), torch.tensor([0.9, 0.8])),
    }
    distances = {"training": torch.zeros(2), "box": torch.tensor([3.0, 5.0])}
    frobenius, operator, shares, near = plots.evaluation_points({"sparse": EvaluationPoints(norms, distances)}).data
    assert frobenius.y == operator.y == shares.y == ("training", "box")
    np.testing.assert_allclose(frobenius.median, [3, 3])
    np.testing.assert_allclose(operator.median, [1.25, 0.85])
    assert list(shares.x) == [50, 100]
    np.testing.assert_allclose(near.x, [3, 5])
    np.testing.assert_allclose(near.y, [0.9, 0.8])


def test_places_have_lines_where_contraction_ends():
    shapes = plots.evaluation_points(results().evaluation_points).layout.shapes
    assert (shapes[0].x0, shapes[0].x1, shapes[0].xref) == (1, 1, "x2")
    assert (shapes[1].y0, shapes[1].y1, shapes[1].yref) == (1, 1, "y4")


def curve(*means):
    mean = torch.tensor(means)
    return ContractionCurve(torch.tensor([1.0, 2.0]), mean, 2 * mean, mean - 0.1, mean + 0.1, (0.5, 1.5, 1.9))


def test_curves_have_bands_and_distances():
    figure = plots.contraction_curves({"sparse": curve(0.4, 0.3)})
    band, line = figure.data
    np.testing.assert_allclose(line.x, [1, 2])
    np.testing.assert_allclose(line.y, [0.4, 0.3])
    np.testing.assert_allclose(band.y, [0.5, 0.4, 0.2, 0.3])
    assert [shape.x0 for shape in figure.layout.shapes] == [0.5, 1.5, 1.9]
    assert [note.text for note in figure.layout.annotations[1:]] == ["nearest", "median", "farthest"]


def test_depths_have_a_panel_per_variant_and_a_line_per_layer():
    figure = plots.contraction_by_depth({"sparse": (curve(0.4, 0.3), curve(0.2, 0.1)), "standard": (curve(0.9, 0.8),)})
    first, second, other = figure.data
    np.testing.assert_allclose(first.y, [0.4, 0.3])
    np.testing.assert_allclose(second.y, [0.2, 0.1])
    assert (first.xaxis, second.xaxis, other.xaxis) == ("x", "x", "x2")
    assert second.line.dash == "solid"
    words = {note.text: note.y for note in figure.layout.annotations if note.text and note.text.startswith("layer")}
    assert max(words.values()) <= 0.8 * figure.layout.yaxis2.range[1]  # below the names of distances


def test_spectra_have_means_bands_and_ranks():
    values = torch.tensor([[3.0, 1.0, 0.0], [5.0, 1.0, 0.0]])
    band, line, ranks = plots.spectra({"sparse": Spectra(values, 3)}).data
    np.testing.assert_allclose(line.y, [4, 1, 0])
    np.testing.assert_allclose(band.y[:3], [4.9, 1, 4.9e-9], rtol=1e-5)
    assert ranks.x == ("entropy", "participation", "95 % of ‖J‖²", "largest gap")
    found = Spectra(values, 3)
    expected = [float(found.entropy_rank.mean()), float(found.participation_ratio.mean())]  # of two, the median
    np.testing.assert_allclose(ranks.median[:2], expected, rtol=1e-6)
    np.testing.assert_allclose(ranks.median[2:], [1.5, 2])


def test_directions_are_points_and_lines():
    found = Directions(torch.tensor([0, 4]), torch.tensor([9.0, 1.0]), torch.tensor([6.0, 1.0]), torch.eye(2), 2.0)
    figure = plots.directions({"sparse": found})
    data, points, line = figure.data
    np.testing.assert_allclose(points.x, [9, 1])
    np.testing.assert_allclose(points.y, [3, 0.5])
    np.testing.assert_allclose(line.x, [1, 5])
    np.testing.assert_allclose(line.y, [3, 0.5])
    np.testing.assert_allclose(data.y, [9 / 5, 1 / 5])
    assert figure.layout.annotations[-1].text == "ρ = 1.00"
    assert figure.layout.xaxis.type == figure.layout.yaxis.type == "log"


def test_a_code_that_does_not_move_is_drawn():
    found = Directions(torch.tensor([0, 1]), torch.tensor([2.0, 1.0]), torch.zeros(2), torch.eye(2), 0.0)
    assert plots.directions({"sparse": found}).data[1].y.tolist() == [0, 0]


def test_classes_are_marked_with_their_correlation():
    measured = results().classes
    (marks,) = of(plots.class_directions(measured), "contractive")
    assert marks.x == ("0", "1", "2")
    assert marks.y == pytest.approx([found.rank_correlation for found in measured["contractive"].values()])


def test_ticks_of_many_decades_are_few():
    found = Spectra(torch.logspace(2, -9, 12).unsqueeze(0), 12)
    axis = plots.spectra({"sparse": found}).layout.yaxis
    assert axis.range[1] - axis.range[0] < 7
    assert len(axis.tickvals) <= 8
