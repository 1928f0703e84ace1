"""What every picture of a measure has in common: the style, the colours, both layouts, plain JSON."""

import json
from functools import cache

import numpy as np
import pytest
import torch

from analyses import VARIANTS, results
from contractive import analysis, plots

NAMES = [f"feature-{at}" for at in range(9)]


@cache
def figures():
    r = results()
    rows = np.zeros((4, 2))
    field = analysis.vector_field(lambda rows: rows / 2, analysis.grid((-1.0, -1.0), (1.0, 1.0), 3))
    own = r.examples["contractive"]
    return {
        "sensitivity profiles": plots.sensitivity_profiles(r.profiles),
        "sensitivity at": plots.sensitivity_at(r.profiles, "masking", 0.2),
        "evaluation points": plots.evaluation_points(r.evaluation_points),
        "contraction curves": plots.contraction_curves(r.curves),
        "contraction by depth": plots.contraction_by_depth(r.depths),
        "spectra": plots.spectra(r.spectra),
        "directions": plots.directions(r.directions),
        "class directions": plots.class_directions(r.classes),
        "jacobian rows": plots.jacobian_rows(own, r.headings),
        "jacobian tiles": plots.jacobian_rows(own, r.headings, (3, 3)),
        "jacobian pictures": plots.jacobian_pictures(r.rows.numpy(), own, r.headings, (3, 3)),
        "jacobian features": plots.jacobian_features(r.examples, r.headings, NAMES),
        "tangents": plots.tangents(r.tangents, r.headings, names=NAMES),
        "tangent tiles": plots.tangents(r.tangents, r.headings, (3, 3)),
        "walks": plots.walks(r.walks, r.headings, names=NAMES),
        "walks of pictures": plots.walks(r.walks, r.headings, (3, 3)),
        "tangent agreement": plots.tangent_agreement(r.agreement),
        "code histograms": plots.code_histograms(r.codes),
        "unit activity": plots.unit_activity(r.codes),
        "similarity": plots.similarity(r.similarities),
        "code map": plots.code_map(r.maps, r.labels.numpy()),
        "robustness": plots.robustness(r.robustness, chance=1 / 3),
        "ranking curves": plots.ranking_curves({"detector": ([0, 1], [0.5, 1], [1, 0.5]), "forest": ([1], [1], [0.5])}),
        "p values": plots.p_values([5, 3, 4, 6]),
        "unusual curves": plots.unusual_curves(rows, rows, [(0, 1)] * 4, list("abcd"), plots.FeatureAxis.of(None, 2)),
        "unusual images": plots.unusual_images(rows, rows, rows, (1, 2)),
        "vector fields": plots.vector_fields({"contractive": field}, rows),
    }


FIGURES = list(figures())


@pytest.mark.parametrize("which", FIGURES)
def test_a_figure_has_the_style_and_both_layouts(which):
    layout = json.loads(figures()[which].to_json())["layout"]
    assert layout["template"]["layout"]["paper_bgcolor"] == "rgba(0, 0, 0, 0)"
    assert {"wide", "narrow"} <= set(layout["meta"])
    assert layout["meta"]["narrow"]["dragmode"] is False
    figures()[which].update_layout(layout["meta"]["narrow"])
    figures()[which].update_layout(layout["meta"]["wide"])


@pytest.mark.parametrize("which", FIGURES)
def test_a_variant_keeps_its_colour(which):
    for trace in (trace.to_plotly_json() for trace in figures()[which].data):
        for part in ("line", "marker"):
            drawn = trace.get(part, {}).get("color", "")
            if trace.get("name") in VARIANTS and drawn.startswith("#"):
                assert drawn == plots.color(trace["name"])


@pytest.mark.parametrize("which", FIGURES)
def test_a_variant_is_in_the_legend_once(which):
    shown = [trace.name for trace in figures()[which].data if trace.showlegend is not False and trace.name in VARIANTS]
    assert len(shown) == len(set(shown))


def test_arrays_do_as_well_as_tensors():
    r = results()
    curve = r.curves["standard"]
    arrays = analysis.ContractionCurve(
        *(getattr(curve, key).numpy() for key in ("radii", "mean", "root_mean_square", "low", "high")), curve.distances
    )
    one, other = plots.contraction_curves({"standard": arrays}), plots.contraction_curves({"standard": curve})
    assert one.to_json() == other.to_json()


def test_tensors_that_take_gradients_are_drawn():
    figure = plots.code_map({"standard": torch.zeros(2, 2, requires_grad=True)})
    assert figure.data[0].x.tolist() == [0, 0]


def test_models_that_are_no_kinds_have_the_look_of_their_place():
    names = [f"weight {at}" for at in range(10)]
    outside = plots.color(names[0])
    with plots.in_order(names):
        found = [plots.color(name) for name in names]
        drawn = plots.operator_norm({name: np.ones(5) for name in names[:2]})
    assert found[0] == plots.color("standard")
    assert len(set(found)) == 10
    assert set(found[:2]) <= set(json.dumps(drawn.to_plotly_json(), default=str).replace('"', " ").split())
    assert plots.color(names[0]) == outside
    with pytest.raises(ValueError, match="names must be at most 10, got 11"), plots.in_order([*names, "one more"]):
        pass
