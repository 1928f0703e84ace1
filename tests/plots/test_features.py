"""The axis of features: wavelengths in names are used by every picture over features."""

import numpy as np
import pytest
import torch

from contractive import plots
from contractive.analysis import ExampleJacobians, Tangents, Walks

CHANNELS = 24
NAMES = [f"wl_{1100 + 2.5 * i:g}" for i in range(CHANNELS)]
PLACES = 1100 + 2.5 * np.arange(CHANNELS)
HEADINGS = ["one"]


@pytest.mark.parametrize(
    ("names", "count", "line", "title", "first"),
    [
        (NAMES, CHANNELS, True, "wavelength", 1100),
        (["1100nm", "1102nm", "1104nm"], 3, True, "wavelength in nm", 1100),
        (["4000cm-1", "3990cm-1", "3980cm-1"], 3, True, "wavenumber in 1/cm", 4000),
        (["1990", "2000", "2010"], 3, True, "number in the column's name", 1990),
        (["height", "width"], 2, False, "feature", 1),
        ([f"x{i}" for i in range(21)], 21, True, "feature", 0),
        ([f"x{i}" for i in range(20)], 20, False, "feature", 1),
        ([f"x{20 - i}" for i in range(21)], 21, False, "feature", 1),
        (None, 21, True, "feature", 1),
        (None, 20, False, "feature", 1),
    ],
)
def test_features_are_a_line_where_names_or_number_say_so(names, count, line, title, first):
    axis = plots.FeatureAxis.of(names, count)
    assert (axis.line, axis.title, axis.places[0], len(axis.places)) == (line, title, first, count)


def test_wavenumbers_fall_to_the_right():
    axis = plots.FeatureAxis.of(["4000cm-1", "3990cm-1", "3980cm-1"], 3)
    assert axis.layout["autorange"] == "reversed"
    assert "autorange" not in plots.FeatureAxis.of(NAMES, CHANNELS).layout


def test_every_picture_over_features_has_wavelengths_below():
    rows, vectors = np.random.default_rng(0).random((2, CHANNELS)), torch.eye(CHANNELS)[None, :4]
    jacobians = ExampleJacobians(vectors, torch.ones(1), torch.ones(1), (CHANNELS,))
    steps = torch.tensor([0.0, 1.0])
    walk = torch.rand(1, 2, CHANNELS)
    drawn = {
        "reconstructions": plots.reconstructions({"input": rows}, {"input": rows}, None, NAMES),
        "sensitivities": plots.feature_lines({"contractive": jacobians}, HEADINGS, NAMES),
        "tangents": plots.tangents(Tangents(vectors, torch.ones(1, 4), (CHANNELS,)), HEADINGS, None, NAMES),
        "weights": plots.filters({"contractive": rows}, None, NAMES),
        "units": plots.jacobian_rows(jacobians, HEADINGS, None, NAMES),
        "walks": plots.walks(Walks(steps, walk, walk), HEADINGS, None, NAMES),
    }
    for name, figure in drawn.items():
        for trace in figure.data:
            np.testing.assert_allclose(trace.x, PLACES, err_msg=name)
        assert figure.layout.xaxis.title.text == "wavelength", name
    lines = drawn["tangents"].data
    assert [line.type for line in lines] == ["scatter"] * 3
    for line, vector in zip(lines, vectors[0], strict=False):
        np.testing.assert_array_equal(line.y, vector)


def test_weights_of_many_features_are_thinned_with_their_wavelengths():
    names = [str(900 + i) for i in range(600)]
    (trace,) = plots.filters({"contractive": np.ones((2, 600))}, None, names).data
    np.testing.assert_array_equal(trace.x, 900 + 3 * np.arange(200))
    assert trace.z.shape == (2, 200)
