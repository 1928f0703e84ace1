"""Which map a term penalises, and at which points: by the maps' Jacobians, brute force in float64."""

import copy
from functools import partial

import pytest
import torch
from torch import nn

import contractive as ct
from contractive.core.errors import InvalidValue
from contractive.jacobian import leading
from contractive.objectives import (
    OBJECTIVES,
    Gaussian,
    Interpolation,
    JacobianNorm,
    Objective,
    Term,
    isometric,
    jacobian_l1,
    largest_singular_value,
    nuclear,
)
from problems import at_scale, by_jacrev

X = torch.rand(6, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
SQUARED = JacobianNorm("exact", penalty_rows=1.0)


@pytest.fixture
def net():
    encoder = nn.Sequential(nn.Linear(5, 4), nn.Tanh(), nn.Linear(4, 3), nn.Softplus())
    return at_scale(ct.Autoencoder(encoder, nn.Sequential(nn.Linear(3, 6), nn.SiLU(), nn.Linear(6, 5))), 0.5)


def matrices(f, x):
    return by_jacrev(f, x)[1]


def gradients(total, net):
    return torch.autograd.grad(total, list(net.parameters()), allow_unused=True, materialize_grads=True)


def assert_trained_by(objective, net, truth):
    """The penalties have these values, and the total the gradient of loss and penalties."""
    values = objective(net, X)
    torch.testing.assert_close(torch.stack(list(values.penalties.values())), torch.stack(truth))
    error = (net(X) - X).square().sum(1)
    weights = [term.weight for term in objective.terms]
    wanted = (error + sum(weight * one for weight, one in zip(weights, truth, strict=True))).mean()
    torch.testing.assert_close(values.total, wanted)
    for seen, right in zip(gradients(values.total, net), gradients(wanted, net), strict=True):
        torch.testing.assert_close(seen, right, rtol=1e-7, atol=1e-10)


MAPS = {
    "encoder": lambda net, x: matrices(net.encoder, x),
    "decoder": lambda net, x: matrices(net.decoder, net.encoder(x)),
    "reconstruction": lambda net, x: matrices(net, x),
    "encoder.1": lambda net, x: matrices(net.encoder[:2], x),
    "encoder.3": lambda net, x: matrices(net.encoder, x),
}


@pytest.mark.parametrize("of", MAPS)
def test_every_map(of, net):
    objective = Objective("mine", terms=(Term("norm", 0.3, SQUARED, of=of),))
    assert_trained_by(objective, net, [MAPS[of](net, X).square().sum((1, 2))])


def test_a_module_that_stands_twice_counts_at_each_place():
    act = nn.Tanh()
    encoder = nn.Sequential(nn.Linear(5, 4), act, nn.Linear(4, 3), act, nn.Linear(3, 2))
    net = at_scale(ct.Autoencoder(encoder, nn.Linear(2, 5)), 0.5)
    for name in ("3", "4"):
        objective = Objective("mine", terms=(Term("norm", 0.3, SQUARED, of=f"encoder.{name}"),))
        assert_trained_by(objective, net, [matrices(net.encoder[: int(name) + 1], X).square().sum((1, 2))])


def test_a_layer_of_an_encoder_with_hooks_is_refused(net):
    net.encoder.register_forward_pre_hook(lambda module, inputs: (3 * inputs[0],))
    objective = Objective("mine", terms=(Term("norm", 0.3, SQUARED, of="encoder.1"),))
    with pytest.raises(
        InvalidValue, match=r"of must name a layer of an nn.Sequential encoder, got encoder.1 of an alt"
    ):
        objective(net, X)


MEASURES = {
    "singular values": lambda f, x: ct.singular_values(f, x)[:, 0],
    "leading": lambda f, x: leading(f, x, 1).values[:, 0],
    "under no_grad": lambda f, x: torch.no_grad()(ct.squared_norm)(f, x),
    "code under no_grad": lambda f, x: torch.no_grad()(f)(x).sum(1),
}


@pytest.mark.parametrize("kind", ["chain", "no chain"])
@pytest.mark.parametrize("measure", MEASURES)
def test_a_penalty_that_only_measures_leaves_the_code_its_gradient(measure, kind):
    layers = [nn.Linear(5, 3), nn.Tanh() if kind == "chain" else nn.LayerNorm(3)]
    net = at_scale(ct.Autoencoder(nn.Sequential(*layers), nn.Linear(3, 5)), 0.5)

    def penalty(encode, x):
        value = MEASURES[measure](encode, x)
        return encode(x), value

    found = Objective("mine", terms=(Term("mine", 0.0, penalty),))(net, X).total
    wanted = (net(X) - X).square().sum(1).mean()
    for seen, right in zip(gradients(found, net), gradients(wanted, net), strict=True):
        torch.testing.assert_close(seen, right)


def test_a_step_runs_encoder_and_decoder_once(net):
    passes = []
    counted = ct.Autoencoder(net.encoder, net.decoder)
    for part in (counted.encoder, counted.decoder):
        part.register_forward_hook(lambda module, *_: passes.append(module))
    nuclear(0.1)(counted, X)
    assert passes == [counted.encoder, counted.decoder]


@pytest.mark.parametrize("at", [Gaussian(0.1), Interpolation(-0.2, 1.2)], ids=["noise", "between"])
@pytest.mark.parametrize("of", ["encoder", "decoder"])
def test_other_points(of, at, net):
    term = Term("norm", 0.3, SQUARED, of=of, at=at)
    values = Objective("mine", terms=(term,))(net, X, generator=torch.Generator().manual_seed(4))
    points = at(X if of == "encoder" else net.encoder(X), torch.Generator().manual_seed(4))
    truth = matrices(getattr(net, of), points).square().sum((1, 2))
    torch.testing.assert_close(values.penalties["norm"], truth)
    torch.testing.assert_close(values.reconstruction, (net(X) - X).square().sum(1))


def test_points_between_rows_lie_between_them():
    generator = torch.Generator().manual_seed(0)
    x = torch.tensor([[0.0, 0.0], [1.0, 2.0]])
    for _ in range(20):
        found = Interpolation()(x, generator)
        torch.testing.assert_close(found[:, 1], 2 * found[:, 0])
        assert 0 <= found.min() and found[:, 0].max() <= 1
    with pytest.raises(InvalidValue, match=r"low must be at most high, got 1 and 0"):
        Interpolation(1, 0)


PRESETS = {
    "nuclear": (nuclear, lambda j, g: [j.square().sum((1, 2)), g.square().sum((1, 2))]),
    "jacobian_l1": (jacobian_l1, lambda j, g: [j.abs().sum((1, 2))]),
    "largest_singular_value": (largest_singular_value, lambda j, g: [torch.linalg.svdvals(j)[:, 0].square()]),
    "isometric": (isometric, lambda j, g: [distortion(g.mT @ g)]),
}


def distortion(metric):
    c = metric.diagonal(dim1=1, dim2=2).sum(1).mean() / metric.shape[1]
    return (metric / c - torch.eye(metric.shape[1], dtype=metric.dtype)).square().sum((1, 2))


@pytest.mark.parametrize("name", PRESETS)
def test_the_presets_are_their_formulas(name, net):
    make, formula = PRESETS[name]
    truth = formula(matrices(net.encoder, X), matrices(net.decoder, net.encoder(X)))
    assert_trained_by(make(0.2, method="exact"), net, truth)


def test_the_two_norms_bound_the_nuclear_norm_and_reach_it(net):
    values = nuclear(1.0, method="exact")(net, X).penalties
    bound = values["encoder_norm"] + values["decoder_norm"]
    assert (bound >= 2 * torch.linalg.svdvals(matrices(net, X)).sum(1)).all()
    linear = ct.Autoencoder(nn.Linear(5, 3).double(), nn.Linear(3, 5).double())
    with torch.no_grad():  # balanced factors of one matrix
        u, s, v = torch.linalg.svd(torch.rand(5, 5, dtype=torch.float64))
        linear.decoder.weight.copy_(u[:, :3] * s[:3].sqrt())
        linear.encoder.weight.copy_(s[:3].sqrt()[:, None] * v[:3])
        values = nuclear(1.0, method="exact")(linear, X).penalties
    torch.testing.assert_close(values["encoder_norm"] + values["decoder_norm"], (2 * s[:3].sum()).expand(6))


def test_tangents_may_depend_on_the_point(net):
    along = JacobianNorm("exact", directions=lambda x: torch.stack([x, x.square()], 1))
    tangents = torch.stack([X, X.square()], 1)
    assert_trained_by(
        Objective("mine", terms=(Term("tangents", 0.4, along),)),
        net,
        [(matrices(net.encoder, X) @ tangents.mT).square().sum((1, 2))],
    )


def test_some_rows_of_another_norm_are_unbiased(net):
    generator, penalty = torch.Generator().manual_seed(0), JacobianNorm("exact", norm="entries", penalty_rows=2)
    objective = Objective("mine", terms=(Term("entries", 1.0, penalty),))
    with torch.no_grad():
        found = torch.stack([objective(net, X, generator=generator).penalties["entries"].mean() for _ in range(150)])
        truth = matrices(net.encoder, X).abs().sum((1, 2)).mean()
    assert abs(found.mean() - truth) < 4 * found.std() / 150**0.5


@pytest.mark.parametrize("name", ["largest_singular_value", "jacobian_l1", "isometric", "nuclear"])
def test_fit_lowers_each(name):
    torch.manual_seed(0)
    x, net = torch.randn(48, 2) @ torch.randn(2, 6), ct.mlp(6, code=3, output="linear")
    found = []
    for weight in (1e-4, 0.1):
        trained, objective = copy.deepcopy(net), partial(OBJECTIVES[name].make, loss=ct.objectives.squared_error)
        ct.fit(trained, x, objective(weight), max_epochs=15, batch_size=24, learning_rate=0.01, progress=False, seed=1)
        found.append(sum(float(one.mean().detach()) for one in objective(1.0).exact()(trained, x).penalties.values()))
    assert found[1] < found[0]


@pytest.mark.parametrize(
    ("make", "match"),
    [
        (lambda net: Term("a", 1, SQUARED, of="code"), "of must be one of encoder, decoder, reconstruction, encoder.L"),
        (
            lambda net: Objective(terms=(Term("a", 1, SQUARED, of="encoder.9"),))(net, X),
            r"of must name a layer of an nn\.Sequential encoder, got encoder\.9 of a Sequential with 0, 1, 2, 3",
        ),
        (lambda net: JacobianNorm(norm="l1"), "norm must be one of squared, largest, entries, distortion, got 'l1'"),
        (lambda net: JacobianNorm("forward_probes", norm="largest"), "method must be one of auto, exact, probes"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_refused(make, match, net):
    with pytest.raises(InvalidValue, match=match):
        make(net)
