"""Digits under growing weights of a penalty."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from contractive.models import Autoencoder
from contractive.studies.illustrations._on_digits import Study, entropy, histogram, metrics


def two_units():
    """Unit 0 tells whether the pixel is above 1/2, unit 1 is always at sigmoid(-4)."""
    encoder = nn.Sequential(nn.Linear(1, 2), nn.Sigmoid())
    with torch.no_grad():
        encoder[0].weight.copy_(torch.tensor([[8.0], [0.0]]))
        encoder[0].bias.copy_(torch.tensor([-4.0, -4.0]))
    return Autoencoder(encoder, nn.Linear(2, 1))


def test_metrics_of_a_known_encoder():
    x = torch.tensor([[0.0], [0.0], [0.0], [1.0]])
    found = metrics(two_units(), x)
    low, high = (float(torch.sigmoid(torch.tensor(a))) for a in (-4.0, 4.0))
    assert found["activation"] == pytest.approx((7 * low + high) / 8)
    assert found["saturation"] == 1
    assert found["distinct"] == 0.5
    assert found["entropy"] == pytest.approx((-0.25 * np.log2(0.25) - 0.75 * np.log2(0.75)) / 2)
    assert found["slope"] == pytest.approx((low * high) ** 2)
    assert found["weight_norms"] == 32
    assert found["squared_norm"] == pytest.approx(64 * (low * high) ** 2)
    np.testing.assert_allclose(histogram(two_units(), x)[[0, -1]], [7 / 8, 1 / 8])


@pytest.mark.parametrize(("share", "bits"), [(0.0, 0), (1.0, 0), (0.5, 1), (0.25, 0.811278)])
def test_entropy_in_bits(share, bits):
    assert float(entropy(torch.tensor(share))) == pytest.approx(bits, abs=1e-6)


def test_one_layer_norm_is_slopes_times_weights(quick):
    study = quick("sparse-link").study  # ||J||^2 = sum_j s_j^2 ||W_j||^2, here with nearly equal ||W_j||
    np.testing.assert_allclose(study.squared_norm, 64 * study.slope * study.weight_norms, rtol=0.15)


def test_sparser_codes_have_smaller_jacobians_but_are_hardly_less_sensitive(quick):
    study = quick("sparse-link").study
    for falling in ("activation", "squared_norm", "sensitivity", "slope"):
        assert (np.diff(study.mean(falling)) < 0).all(), falling
    assert study.mean("squared_norm")[0] > 3 * study.mean("squared_norm")[-1]
    free = study.mean("scale_free")
    assert free.min() > 0.7 * free[0]
    assert (np.diff(study.mean("weight_norms")) > 0).all()


def test_codes_become_binary_and_then_the_same(quick):
    study = quick("saturation").study
    assert (np.diff(study.mean("saturation")) > 0).all()
    assert study.mean("saturation")[-1] > 0.6
    assert study.mean("distinct")[:2].min() > 0.9
    assert study.mean("distinct")[-1] < 0.5
    assert (np.diff(study.mean("entropy")) < 0).all()
    np.testing.assert_allclose(study.histograms.sum(1), 1)
    assert study.histograms[-1, [0, -1]].sum() > study.histograms[0, [0, -1]].sum() + 0.5


def test_weight_trades_sensitivity_for_error(quick):
    study = quick("weight-tradeoff").study
    assert (np.diff(study.mean("error")) > 0).all()
    for falling in ("squared_norm", "scale_free"):
        assert (np.diff(study.mean(falling)) < 0).all(), falling
    raw, free = (study.mean(name)[0] / study.mean(name)[-1] for name in ("squared_norm", "scale_free"))
    assert raw > 5 * free > 5


def test_text_is_mean_and_spread():
    fields = {name: np.zeros((1, 2)) for name in Study.__dataclass_fields__}
    study = Study(**{**fields, "error": np.array([[1.0, 3.0]])})
    assert study.text("error", 0) == "2 ± 1"


def test_the_sparse_page_says_why_only_where_it_is_so(quick):
    found = quick("sparse-link")
    assert "does not follow" in found.finding
    assert "varies less" in found.finding
    less_sensitive = replace(found, study=replace(found.study, scale_free=found.study.squared_norm))
    assert "And scale-free sensitivity falls nearly as much" in less_sensitive.finding
    assert "varies less" not in less_sensitive.finding
