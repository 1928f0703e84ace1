"""Pictures show the numbers they were given, and every kind keeps its colour."""

import json
from functools import cache

import numpy as np
import pytest

from contractive import plots
from contractive.objectives import OBJECTIVES
from contractive.plots import Room, panels

VARIANTS = (
    "standard",
    "denoising",
    "sparse",
    "contractive",
    "higher_order",
    "reconstruction_contractive",
    "weight_decay",
)
EVERYONE = (*VARIANTS, "one of my own")


def randoms(*shape: int, names=EVERYONE[:4]) -> dict[str, np.ndarray]:
    generator = np.random.default_rng(0)
    return {name: generator.random(shape).astype(np.float32) for name in names}


def histories(epochs: int = 5, seeds: int = 3, names=EVERYONE[:4]):
    def row(variant: int, seed: int, epoch: int) -> dict[str, float]:
        error = (1 + variant + 0.1 * seed) / epoch
        return {
            "epoch": epoch,
            "train_reconstruction": error,
            "val_reconstruction": 2 * error,
            "val_squared_norm": epoch * error,
        }

    return {
        name: [[row(at, seed, epoch) for epoch in range(1, epochs + 1)] for seed in range(seeds)]
        for at, name in enumerate(names)
    }


@cache
def every_figure(names: tuple[str, ...]):
    image = {name: array for name, array in randoms(10, 16, names=["input", *names]).items()}
    return {
        "training": plots.training_curves(histories(names=names)),
        "accuracy": plots.accuracy_under_noise([0, 1, 2], {"Linear probe": randoms(3, 3, names=names)}),
        "trade-off": plots.trade_off(randoms(3, names=names), randoms(3, names=names)),
        "sensitivity": plots.sensitivity(randoms(50, names=names)),
        "operator norm": plots.operator_norm(randoms(50, names=names)),
        "filters": plots.filters(randoms(8, 16, names=names), (4, 4)),
        "weights": plots.filters(randoms(8, 16, names=names)),
        "pictures": plots.reconstructions(image, image, (4, 4)),
        "lines": plots.reconstructions(image, image),
    }


FIGURES = list(every_figure(VARIANTS))


def luminance(color: str) -> float:
    channels = np.array([int(color[at : at + 2], 16) for at in (1, 3, 5)]) / 255
    linear = np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)
    return float(linear @ [0.2126, 0.7152, 0.0722])


def contrast(one: str, other: str) -> float:
    low, high = sorted([luminance(one), luminance(other)])
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("background", ["#ffffff", "#15141a"])
@pytest.mark.parametrize("name", EVERYONE)
def test_a_colour_is_seen_on_light_and_on_dark(name, background):
    assert contrast(plots.color(name), background) >= 2.7


def test_every_kind_has_a_colour_of_its_own():
    assert len({plots.color(name) for name in VARIANTS}) == len(VARIANTS)


@pytest.mark.parametrize("which", FIGURES)
@pytest.mark.parametrize("names", [VARIANTS, EVERYONE[-1:]], ids=["seven", "unknown"])
def test_a_variant_keeps_its_colour(which, names):
    traces = [trace.to_plotly_json() for trace in every_figure(names)[which].data]
    for trace in traces:
        drawn = trace.get("line", {}).get("color", "rgba")
        if trace.get("legendgroup") in names and "rgba" not in drawn:
            assert drawn == plots.color(trace["legendgroup"])
            assert trace["name"] == OBJECTIVES[trace["legendgroup"]].label if len(names) > 1 else names[0]


@pytest.mark.parametrize("which", FIGURES)
def test_figures_are_transparent_and_complete(which):
    figure = json.loads(every_figure(VARIANTS)[which].to_json())
    assert figure["layout"]["template"]["layout"]["paper_bgcolor"] == "rgba(0, 0, 0, 0)"
    assert {"wide", "narrow"} <= set(figure["layout"]["meta"])
    assert figure["layout"]["meta"]["narrow"]["dragmode"] is False


@pytest.mark.parametrize("count", [1, 2, 3, 7])
@pytest.mark.parametrize("screen", ["wide", "narrow"])
def test_panels_do_not_meet(count, screen):
    layout = panels([str(number) for number in range(count)], Room(200, 100))["layout"]["meta"][screen]
    ends = ["", *(str(number) for number in range(2, count + 1))]
    boxes = [(*layout[f"xaxis{end}"]["domain"], *layout[f"yaxis{end}"]["domain"]) for end in ends]
    for at, (left, right, low, high) in enumerate(boxes):
        assert 0 <= left < right <= 1
        assert 0 <= low < high <= 1
        for box in boxes[at + 1 :]:
            assert right < box[0] or box[1] < left or high < box[2] or box[3] < low
    assert len({box[:2] for box in boxes}) == ({1: 1, 3: 3}.get(count, 2) if screen == "wide" else 1)


def test_training_curves_show_means_and_seeds():
    figure = plots.training_curves(histories(epochs=4, names=["contractive"]))
    solid = [trace for trace in figure.data if trace.line.width == 2.5]
    thin = [trace for trace in figure.data if trace.line.width == 1]
    assert len(thin) == 6
    assert [trace.xaxis for trace in solid] == ["x", "x2"]
    np.testing.assert_allclose(solid[0].y, 2 * 1.1 / np.arange(1, 5), rtol=1e-6)
    np.testing.assert_allclose(solid[1].y, np.full(4, 1.1), rtol=1e-6)
    assert figure.layout.yaxis.type == "log"
    assert {"0.5", "1", "2"} <= set(figure.layout.yaxis.ticktext)


def test_training_curves_of_one_seed_have_no_thin_lines():
    assert len(plots.training_curves(histories(seeds=1, names=["standard"])).data) == 3


def test_long_trainings_are_thinned_and_keep_their_end():
    figure = plots.training_curves(histories(epochs=5000, seeds=1, names=["standard"]))
    assert len(figure.data[0].x) == 400
    assert (figure.data[0].x[0], figure.data[0].x[-1]) == (1, 5000)


def test_a_missing_number_leaves_a_gap():
    rows = histories(seeds=1, names=["standard"])
    rows["standard"][0][2]["val_squared_norm"] = None
    assert np.isnan(plots.training_curves(rows).data[-1].y).tolist() == [False, False, True, False, False]


def test_accuracy_shows_mean_and_deviation_in_per_cent():
    values = np.array([[0.9, 0.5], [1.0, 0.7]])
    band, line = plots.accuracy_under_noise([0, 1], {"kNN": {"sparse": values}}).data
    np.testing.assert_allclose(line.y, [95, 60])
    deviation = values.std(0, ddof=1) * 100
    np.testing.assert_allclose(line.customdata, deviation)
    np.testing.assert_allclose(band.y, [*(line.y + deviation), *(line.y - deviation)[::-1]])


def test_accuracy_of_one_seed_has_no_width():
    band, _ = plots.accuracy_under_noise([0, 1], {"kNN": {"sparse": np.array([[0.9, 0.5]])}}).data
    np.testing.assert_allclose(band.y, [90, 50, 50, 90])


def test_trade_off_marks_means_and_seeds():
    figure = plots.trade_off({"standard": np.array([1.0, 3.0])}, {"standard": np.array([0.2, 0.6])})
    rays, mean = figure.data
    assert (mean.x[0], mean.y[0]) == (2, pytest.approx(0.4))
    assert rays.x == (2, 1, None, 2, 3, None)


def test_labels_of_near_marks_keep_apart():
    figure = plots.trade_off(
        {"denoising": np.array([1.0]), "contractive": np.array([1.0]), "standard": np.array([0.5])},
        {"denoising": np.array([0.31]), "contractive": np.array([0.3]), "standard": np.array([0.9])},
    )
    assert [trace.textposition for trace in figure.data[:2]] == ["top center", "bottom center"]


def test_histograms_hold_all_examples():
    values = {"standard": np.linspace(1, 2, 100), "contractive": np.linspace(0, 1, 60)}
    histogram, box, *_ = plots.sensitivity(values).data
    assert sum(histogram.y) == pytest.approx(100)
    np.testing.assert_allclose(box.x, values["standard"], rtol=1e-6)


@pytest.mark.parametrize(
    "values", [np.full(5, 0.3), np.array([np.nan, 1.0]), np.zeros(0)], ids=["equal", "nan", "empty"]
)
def test_odd_distributions_are_drawn(values):
    assert len(plots.operator_norm({"standard": values}).data) == 2


def test_reconstruction_errors_are_counted():
    figure = plots.reconstruction_error({"contractive": np.array([0.0] * 3 + [8.0])})
    assert max(figure.data[0].y) == 75
    assert figure.data[0].y[-2] == 25
    assert figure.layout.xaxis.title.text == "squared reconstruction error"


def test_operator_norms_have_a_line_at_one():
    (line,) = plots.operator_norm({"standard": np.array([0.2, 0.4])}).layout.shapes
    assert (line.x0, line.x1) == (1, 1)


def test_filters_of_images_are_tiles():
    weights = np.arange(10 * 4, dtype=np.float32).reshape(10, 4)
    mosaic = plots.filters({"standard": weights}, (2, 2)).data[0].z
    assert mosaic.shape == (5, 23)
    np.testing.assert_array_equal(mosaic[:2, 3:5], weights[1].reshape(2, 2))
    np.testing.assert_array_equal(mosaic[3:, :2], weights[8].reshape(2, 2))
    assert np.isnan(mosaic[2]).all()
    assert np.isnan(mosaic[3:, 6:]).all()


def test_large_images_are_averaged():
    image = np.kron(np.arange(32 * 16).reshape(32, 16), np.ones((2, 2)))  # 64 x 32 in blocks of 2 x 2
    mosaic = plots.filters({"standard": image.reshape(1, -1)}, image.shape).data[0].z
    np.testing.assert_array_equal(mosaic[:, :16], np.arange(32 * 16).reshape(32, 16))


def test_weights_of_many_features_are_thinned_and_numbered():
    heatmap = plots.filters({"standard": np.arange(600.0)[None]}).data[0]
    assert heatmap.z.shape == (1, 200)
    assert list(heatmap.x) == list(range(1, 600, 3))
    assert heatmap.z[0, 1] == 3


def test_filters_share_a_scale():
    figure = plots.filters({"standard": np.full((1, 4), 2.0), "contractive": np.full((1, 4), -0.5)}, (2, 2))
    assert {(trace.zmin, trace.zmax) for trace in figure.data} == {(-2.0, 2.0)}


def test_reconstructed_pictures_stand_below_their_inputs():
    inputs, outputs = np.eye(4)[:2], 0.5 * np.eye(4)[:2]
    figure = plots.reconstructions({"input": inputs, "sparse": outputs}, {"input": inputs, "sparse": outputs}, (2, 2))
    mosaic = figure.data[0].z
    np.testing.assert_array_equal(mosaic[:2, :2], inputs[0].reshape(2, 2))
    np.testing.assert_array_equal(mosaic[3:, 3:], outputs[1].reshape(2, 2))
    assert figure.layout.yaxis.ticktext == ("input", "sparse")
    assert figure.layout.meta["narrow"]["yaxis2"]["showticklabels"]
    assert not figure.layout.yaxis2.showticklabels


def test_reconstructed_rows_are_lines():
    rows = randoms(3, 6, names=["input", "sparse"])
    figure = plots.reconstructions(rows, rows)
    assert [trace.name for trace in figure.data] == ["input", "sparse"] * 4
    np.testing.assert_array_equal(figure.data[3].y, rows["sparse"][1])


def test_pictures_of_large_images_stay_small():
    rows = randoms(10, 100 * 100, names=("input", *VARIANTS))
    weights = randoms(32, 100 * 100, names=VARIANTS)
    drawn = [plots.filters(weights, (100, 100)), plots.reconstructions(rows, rows, (100, 100))]
    assert sum(len(figure.to_json()) for figure in drawn) < 2.5e6  # a report is 8 MB at most, and plotly.js 4.8 of them
