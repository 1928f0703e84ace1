"""Principal components against scikit-learn's, a network that begins as them, and training from there on."""

import math
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from sklearn.decomposition import PCA
from torch import nn

import contractive as ct
from contractive.core.errors import ContractiveError, InvalidValue
from contractive.jacobian import value_and_gain_weighted_norm
from contractive.models import residual, storage
from contractive.objectives import gain_weighted, standard
from contractive.training import (
    SearchWarning,
    WarmCosine,
    _component_runs,
    fit_from_components,
    preconditioned,
    principal_components,
    start_at_principal_components,
)
from contractive.training import _principal_components as module
from contractive.training import _weight_search as search

pytestmark = pytest.mark.filterwarnings("ignore::contractive.CollapseWarning")


def rows(n=60, d=7, rank=7, seed=0) -> torch.Tensor:
    """Rows with variances that fall by a factor of four, and a mean."""
    g = torch.Generator().manual_seed(seed)
    scores = torch.randn(n, rank, generator=g, dtype=torch.float64) * 0.5 ** torch.arange(rank)
    turn = torch.linalg.qr(torch.randn(d, d, generator=g, dtype=torch.float64))[0][:, :rank]
    return scores @ turn.T + torch.arange(d) / 3


def arc(n=400, noise=0.02) -> torch.Tensor:
    """Three quarters of a circle in 5-D: one dimension, of which no line explains much more than half."""
    g = torch.Generator().manual_seed(1)
    angle = 4.7 * torch.rand(n, generator=g)
    plane = torch.stack([angle.cos(), angle.sin()], 1) @ torch.linalg.qr(torch.randn(5, 2, generator=g))[0].T
    return plane + noise * torch.randn(n, 5, generator=g)


def surface(n=600) -> torch.Tensor:
    """A curved surface in 6-D with some noise."""
    g = torch.Generator().manual_seed(2)
    a, b = torch.randn(2, n, generator=g)
    bent = torch.stack([a, b, a * a / 2, a * b, b * b / 2, a + b], 1)
    return bent + 0.1 * torch.randn(n, 6, generator=g)


@pytest.mark.parametrize("way", ["covariance", "singular values", "randomised"])
def test_components_are_those_of_scikit_learn(way, monkeypatch):
    x = rows(rank=5)
    if way != "covariance":
        monkeypatch.setattr(module, "_WIDE", 1 if way == "randomised" else 100)
        x = x if way == "randomised" else torch.cat([x, x @ torch.rand(7, 200, dtype=x.dtype)], 1)
        monkeypatch.setattr(module, "_MOST", 5)
    found, truth = principal_components(x, 2), PCA(svd_solver="full").fit(x.numpy())
    assert found.directions.shape[1] == 5
    np.testing.assert_allclose(found.mean, truth.mean_, atol=1e-12)
    np.testing.assert_allclose(found.variances, truth.explained_variance_[:5] * 59 / 60, rtol=1e-6)
    signs = np.sign((truth.components_[:5] * found.directions.numpy().T).sum(1))
    np.testing.assert_allclose(found.directions.numpy().T * signs[:, None], truth.components_[:5], atol=1e-6)
    assert found.total == pytest.approx(truth.explained_variance_.sum() * 59 / 60)
    assert (found.directions.gather(0, found.directions.abs().argmax(0, keepdim=True)) > 0).all()


def test_weights_count_as_repetitions():
    x, times = rows(n=9), torch.tensor([1, 2, 3, 1, 1, 2, 1, 1, 4])
    weighted, repeated = (
        principal_components(x, 2, weights=times),
        principal_components(x.repeat_interleave(times, 0), 2),
    )
    torch.testing.assert_close(weighted.mean, repeated.mean)
    torch.testing.assert_close(weighted.variances, repeated.variances)
    torch.testing.assert_close(weighted.directions, repeated.directions, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("code", [2, 5, 7, 9], ids=["fewer", "rank", "features", "more"])
def test_a_network_begins_as_principal_components(code):
    x = rows(rank=5)
    net, components = residual(7, code=code, hidden=6).double(), principal_components(x, code)
    start_at_principal_components(net, components)
    truth = PCA(min(code, 5)).fit(x.numpy())
    wanted = truth.inverse_transform(truth.transform(x.numpy()))
    np.testing.assert_allclose(net(x).detach(), wanted, atol=1e-6)
    linear = components.autoencoder(code, torch.float64)
    torch.testing.assert_close(linear(x).detach(), torch.from_numpy(wanted))
    torch.testing.assert_close(linear.encode(x).detach(), net.encode(x).detach(), rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(net.encode(x).detach().var(0, correction=0)[:5], components.variances[:code], rtol=1e-5)
    far = 1e4 * x  # nothing saturates: far outside it is the same linear map
    np.testing.assert_allclose(net(far).detach(), truth.inverse_transform(truth.transform(far.numpy())), rtol=1e-5)
    assert value_and_gain_weighted_norm(net.encoder, net.decoder, x, method="exact")[1].detach() == pytest.approx(
        min(code, 5), rel=1e-5
    )


def test_rows_without_variance_are_no_trouble():
    net, x = residual(3, code=2, hidden=4), torch.full((5, 3), 2.0)
    start_at_principal_components(net, principal_components(x, 2))
    torch.testing.assert_close(net(x), x)


def test_weights_are_trained_in_units_of_the_data_and_are_ordinary_afterwards(tmp_path):
    x = rows()
    net, components = residual(7, code=3, hidden=4).double(), principal_components(x, 3)
    start_at_principal_components(net, components)
    before, given = net(x).detach(), {name: weight.clone() for name, weight in net.named_parameters()}
    tau, rho = (components.variances + components.rho(3) ** 2).sqrt(), components.rho(3)
    with preconditioned(net, components):
        torch.testing.assert_close(net(x), before)
        change = net.encoder[0].parametrizations.weight.original
        assert change.shape == (7, 7)
        with torch.no_grad():
            change.copy_(torch.arange(49.0).reshape(7, 7))
            out = net.decoder[2].parametrizations.weight.original
            out.fill_(1.0)
        assert "autograd" not in str(ct.plan(net.encoder, x))
    scaled = torch.arange(49.0, dtype=x.dtype).reshape(7, 7) / tau @ components.directions.T
    scaled[:3] *= rho
    torch.testing.assert_close(net.encoder[0].weight, given["encoder.0.weight"] + scaled)
    spread = torch.cat([1 / tau[:3], torch.ones(4, dtype=x.dtype)])
    moved = components.directions @ components.variances.sqrt().clamp_max(rho)
    torch.testing.assert_close(net.decoder[2].weight, given["decoder.2.weight"] + torch.outer(moved, spread))
    assert type(net.encoder[0]) is nn.Linear
    storage.save(net.float(), tmp_path)
    torch.testing.assert_close(ct.load(tmp_path)(x.float()), net(x.float()))


def test_what_cannot_begin_as_principal_components():
    components = principal_components(rows(), 2)
    for net, match in (
        (ct.mlp(7, code=2), r"autoencoder must be built by models.residual, got mlp. Build"),
        (ct.Autoencoder(nn.Linear(7, 2), nn.Linear(2, 7)), r"must be built by models.residual, got your own modules"),
        (
            residual(7, code=2, activation="tanh"),
            "activation must be linear to begin as .*, got tanh. Leave",
        ),
        (residual(7, code=2, output="sigmoid"), "output must be linear to begin as .*, got sigmoid. Leave"),
        (residual(6, code=2), "autoencoder must have 7 features, as the components, got 6. Build it"),
    ):
        with pytest.raises(InvalidValue, match=match):
            start_at_principal_components(net, components)


def fitted(x, objective, code=1, max_epochs=40, **options):
    net, schedule = residual(x.shape[1], code=code, hidden=16), WarmCosine(max_epochs, 128, 0.02)
    found = fit_from_components(net, x, objective, schedule, progress=False, device="cpu", **options)
    return net, found


@torch.no_grad()
def explained(net, x):
    return 1 - float((net(x) - x).square().sum() / (x - x.mean(0)).square().sum())


def test_a_curve_is_learned_beyond_its_principal_components():
    net, found = fitted(arc(), standard(), max_epochs=100)
    components = principal_components(arc(), 1)
    assert explained(components.autoencoder(1), arc()) < 0.8
    assert explained(net, arc()) > 0.97
    assert found.gain > 0.9
    assert (found.weight, found.error_increase) == (0.0, None)
    assert len(found.history) == found.history.best_epoch > 0


def test_where_nothing_is_gained_the_components_are_kept():
    x = rows(n=80).float()
    net, found = fitted(x, standard(), code=2)
    torch.testing.assert_close(net(x), principal_components(x, 2).autoencoder(2)(x), rtol=1e-4, atol=1e-4)
    assert (len(found.history), found.gain) == (0, 0.0)


def test_the_gain_is_judged_by_weighted_rows_and_by_more_than_one():
    x, generator = rows(n=40).float(), torch.Generator().manual_seed(0)
    values, weights = torch.randn(40, generator=generator).double(), torch.rand(40, generator=generator)
    weights[0] = 0
    given = {"held": torch.arange(40), "weights": None, "data": x}
    error = _component_runs.Runs._standard_error
    runs = SimpleNamespace(**given, mean=lambda v: float(v.mean()))
    assert error(runs, values) == pytest.approx(float(values.std()) / 40**0.5)
    assert error(runs, values[:1]) == math.inf
    w = weights.double() / weights.double().sum()
    runs = SimpleNamespace(**given | {"weights": weights}, mean=lambda v: float(w @ v))
    by_hand = float((w.square() * (values - w @ values).square()).sum() * 40 / 39) ** 0.5
    assert error(runs, values) == pytest.approx(by_hand, rel=1e-6)


def test_the_weight_found_is_the_models_weight():
    x = surface(250)
    net, found = fitted(x, gain_weighted(), code=2, max_error_increase=0.1)
    assert found.error_increase == pytest.approx(0.1, abs=0.05)
    again, given = fitted(x, gain_weighted(found.weight), code=2)
    for ours, theirs in zip(net.parameters(), again.parameters(), strict=True):
        assert torch.equal(ours, theirs)
    plain, _ = fitted(x, standard(), code=2)
    norms = [
        value_and_gain_weighted_norm(each.encoder, each.decoder, x, method="exact")[1].mean() for each in (net, plain)
    ]
    assert norms[0] < norms[1]
    assert given.weight == found.weight > 0


def test_sample_weights_of_zero_leave_rows_out_of_the_components():
    x = arc()
    weights = torch.ones(len(x))
    weights[::2] = 0
    net = fitted(x, standard(), code=2, sample_weight=weights, validation_fraction=0.2)[0]
    assert explained(net, x[1::2]) > 0.98


def test_a_search_without_a_reference_is_refused():
    with pytest.raises(ContractiveError, match=r"no better than their mean's 0\. Train longer or"):
        fitted(torch.ones(50, 3), gain_weighted(), max_error_increase=0.1)
    with pytest.raises(InvalidValue, match="objective must have a penalty with a weight above 0, got 'standard'"):
        fitted(arc(), standard(), max_error_increase=0.1)
    with pytest.raises(InvalidValue, match="max_error_increase must be above 0 and finite, got 0"):
        fitted(arc(), gain_weighted(), max_error_increase=0)


def test_a_weight_that_does_not_cost_what_was_allowed_is_reported(monkeypatch):
    x = surface(250)
    monkeypatch.setattr(search, "_WHOLE_RUNS", 1)
    monkeypatch.setattr(search, "_by_trials", lambda *_: 1e-12)
    with pytest.warns(SearchWarning, match=r"50 % was allowed, and no weight up to 1e-1. cost more than -?[0-9.e-]+ %"):
        fitted(x, gain_weighted(), code=2, max_epochs=30, max_error_increase=0.5)
    monkeypatch.setattr(search, "_by_trials", lambda *_: 1e3)
    with pytest.warns(SearchWarning, match=r"50 % was allowed, and no weight down to [0-9.e+]+ cost less than .* %"):
        fitted(x, gain_weighted(), code=2, max_epochs=30, max_error_increase=0.5)


def test_the_increase_of_an_error_and_its_variance_are_those_of_many_samples():
    generator = torch.Generator().manual_seed(0)
    other = torch.randn(2000, 50, generator=generator, dtype=torch.float64).square() + 1
    mine = 1.1 * other + 0.1 * torch.randn(2000, 50, generator=generator, dtype=torch.float64)
    weights = torch.rand(50, generator=generator, dtype=torch.float64)
    found = torch.tensor([search.excess(a, b, weights, 0.0) for a, b in zip(mine, other, strict=True)])
    assert abs(found[:, 0].mean() - 0.1) < 4 * found[:, 0].std() / 2000**0.5
    assert float(found[:, 1].mean()) == pytest.approx(float(found[:, 0].var()), rel=0.1)
    assert search.excess(other[0] + 0.3, other[0], None, 6.0) == pytest.approx((0.05, 0.0))  # 0.3 of at least 6


def test_learned_rows_make_the_increase_certain_as_far_as_they_agree():
    assert search.pooled((0.2, 0.03), (0.1, 0.01)) == pytest.approx(0.125)  # weights 1 : 3
    assert search.pooled((0.2, 0.0001), (0.1, 0.0001)) == pytest.approx(0.2 - 0.1 * 0.0001 / 0.01)  # they differ by 0.1
    assert search.pooled((0.2, 0.0), (0.1, 0.01)) == search.pooled((0.2, 0.0), (0.2, 0.0)) == 0.2


def test_a_search_that_ended_between_two_weights_does_not_say_that_no_more_could_be_spent():
    found = [(w, increase, SimpleNamespace(objective=gain_weighted(w))) for w, increase in ((0.1, 0.02), (0.2, 0.4))]
    assert search._missed(found, 0.02, 0.1) == (
        "An error increase of 10 % was allowed, and the nearest of 2 runs, whose weights lie on both sides, cost 2 %."
        " Train longer, hold more rows out, or give a weight."
    )


def test_the_next_weight_follows_the_increase():
    def increase(weight):
        return 3 * weight**1.2 - 0.02  # a little penalty helps

    tried = [(weight, increase(weight)) for weight in (0.02, 0.5)]
    assert increase(search._next_weight(tried, 0.2, 3.0)) == pytest.approx(0.2)
    assert search._next_weight(tried[:1], 0.2, 3.0) == pytest.approx(0.06)  # far below: a step of the largest factor
    assert search._next_weight(tried[1:], 0.2, 30.0) == pytest.approx(0.5 * (0.2 / tried[1][1]) ** (1 / 1.2))
