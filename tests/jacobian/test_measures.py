"""Norms of J and of J M: value and gradient against the matrix by brute force in float64, estimates by their mean."""

from functools import partial

import pytest
import torch
from torch import nn

import contractive as ct
from contractive.core.errors import InvalidValue
from contractive.jacobian import NORMS, leading, operator_norm, value_and_norm
from problems import assert_close, assert_same, at_scale, by_jacrev, outcome

X = torch.rand(5, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
DIRECTIONS = {
    "all": None,
    "weights": torch.diag(torch.arange(1.0, 7)),
    "features": torch.eye(6)[[1, 4]],
    "tangents": torch.rand(5, 3, 6, generator=torch.Generator().manual_seed(2)),
}


def networks():
    return {
        "chain": nn.Sequential(nn.Linear(6, 5), nn.Tanh(), nn.Linear(5, 4), nn.Softplus()),
        "more code than input": nn.Sequential(nn.Linear(6, 8), nn.SiLU()),
        "no chain": nn.Sequential(nn.Linear(6, 5), nn.LayerNorm(5), nn.Tanh(), nn.Linear(5, 3)),
    }


@pytest.fixture(params=list(networks()))
def f(request):
    return at_scale(networks()[request.param], 0.6)


def of_matrices(norm, matrices):
    """The norms by their definitions."""
    if norm == "squared":
        return matrices.square().sum((1, 2))
    if norm == "largest":
        return torch.linalg.svdvals(matrices)[:, 0].square()
    if norm == "entries":
        return matrices.abs().sum((1, 2))
    metric = matrices.mT @ matrices
    m = metric.shape[1]
    c = metric.diagonal(dim1=1, dim2=2).sum(1).mean() / m
    return (metric / c - torch.eye(m, dtype=metric.dtype)).square().sum((1, 2))


def true_norm(norm, directions, f, x):
    code, matrices = by_jacrev(f, x)
    return code, of_matrices(norm, matrices if directions is None else matrices @ directions.to(x).mT)


@pytest.mark.parametrize("kind", DIRECTIONS)
@pytest.mark.parametrize("norm", NORMS)
def test_value_and_gradient(norm, kind, f):
    directions = DIRECTIONS[kind]
    seen = outcome(partial(value_and_norm, norm=norm, directions=directions, method="exact"), f, X)
    assert_same(seen, outcome(partial(true_norm, norm, directions), f, X), rtol=1e-8, atol=1e-11)


def test_the_squared_norm_is_that_of_its_own_function():
    f = nn.Sequential(nn.Linear(6, 5), nn.Tanh(), nn.Linear(5, 4))
    for method, num_probes in (("auto", None), ("exact", None), ("probes", 2)):
        options = {"method": method, "num_probes": num_probes, "rows": torch.tensor([2, 0])}
        found, wanted = (
            compute(f, X.float(), **options, generator=torch.Generator().manual_seed(0))
            for compute in (value_and_norm, ct.value_and_squared_norm)
        )
        assert all(map(torch.equal, found, wanted))


@pytest.mark.parametrize("norm", NORMS)
def test_probes_are_not_counted_where_there_are_none(norm):
    with pytest.raises(ValueError, match="num_probes must be left out with method 'exact', got 2"):
        value_and_norm(nn.Linear(6, 2), X.float(), norm, method="exact", num_probes=2)


@pytest.mark.parametrize("norm", ["squared", "largest", "entries"])
def test_some_rows(norm, f):
    rows, directions = torch.tensor([3, 0]), DIRECTIONS["tangents"]
    code, some = value_and_norm(f, X, norm, directions=directions, method="exact", rows=rows)
    whole = value_and_norm(f, X, norm, directions=directions, method="exact")
    assert_close(code.detach(), whole[0].detach(), "code")
    assert_close(some.detach(), whole[1].detach()[rows], "norm")


@pytest.mark.parametrize("num_probes", [1, 2])
@pytest.mark.parametrize("norm", ["squared", "entries"])
def test_estimates_are_unbiased(norm, num_probes, f):
    generator, draws = torch.Generator().manual_seed(0), 150
    options = {
        "method": "probes",
        "num_probes": num_probes,
        "generator": generator,
        "directions": DIRECTIONS["weights"],
    }
    with torch.no_grad():
        found = torch.stack([value_and_norm(f, X, norm, **options)[1].sum() for _ in range(draws)])
        truth = true_norm(norm, DIRECTIONS["weights"], f, X)[1].sum()
    assert abs(found.mean() - truth) < 4 * found.std() / draws**0.5


def test_the_estimated_distortion_approaches_the_true_one(f):
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        options = {"method": "probes", "num_probes": 20_000, "generator": generator}
        found, truth = value_and_norm(f, X, "distortion", **options)[1], true_norm("distortion", None, f, X)[1]
    torch.testing.assert_close(found, truth, rtol=0.1, atol=0.05)


def test_the_mean_distortion_is_that_of_the_paper(f):
    metric = (lambda matrices: matrices.mT @ matrices)(by_jacrev(f, X)[1])
    traces = [power.diagonal(dim1=1, dim2=2).sum(1).mean() for power in (metric, metric @ metric)]
    relaxed = 6**2 * traces[1] / traces[0] ** 2 - 6
    assert_close(value_and_norm(f, X, "distortion", method="exact")[1].mean(), relaxed, "mean")


def test_a_scaled_isometry_has_no_distortion():
    f = nn.Linear(3, 6).double()
    with torch.no_grad():
        f.weight.copy_(2.5 * torch.linalg.qr(torch.rand(6, 3, dtype=torch.float64))[0])
    assert value_and_norm(f, X[:, :3], "distortion")[1].detach().abs().max() < 1e-12


def test_auto_is_exact_for_few_numbers():
    f = at_scale(nn.Sequential(nn.Linear(6, 2), nn.Tanh()), 0.6)
    assert torch.equal(*(value_and_norm(f, X, "entries", method=method)[1] for method in ("auto", "exact")))


def wide():
    return at_scale(nn.Sequential(nn.Linear(140, 150), nn.Tanh()), 0.1), torch.rand(3, 140, dtype=torch.float64)


@pytest.mark.parametrize("name", [*networks(), "wide"])
def test_the_operator_norm_is_the_first_singular_value_and_differentiable(name):
    f, x = wide() if name == "wide" else (at_scale(networks()[name], 0.6), X)

    def ours(f, x):
        found = operator_norm(f, x, tolerance=1e-13)
        return found.value, found.norm

    def truth(f, x):
        code, matrices = by_jacrev(f, x)
        return code, torch.linalg.svdvals(matrices)[:, 0]

    assert_same(outcome(ours, f, x), outcome(truth, f, x), rtol=1e-5 if name == "wide" else 1e-8, atol=1e-11)
    found = operator_norm(f, x)
    torch.testing.assert_close(found.direction.norm(dim=1), x.new_ones(len(x)))
    assert not found.direction.requires_grad


def test_a_warm_start_saves_steps():
    f, x = wide()
    truth = leading(f, x, 1, method="exact").values[:, 0]
    direction = operator_norm(f, x, tolerance=1e-10).direction
    with torch.no_grad():
        for parameter in f.parameters():  # a step of training
            parameter.mul_(1.001)
        cold, warm = (
            operator_norm(f, x, start=start, max_iterations=1).norm for start in (torch.ones_like(x), direction)
        )
        truth = leading(f, x, 1, method="exact").values[:, 0]
    assert (warm - truth).abs().max() < 1e-4 * truth.max() < (cold - truth).abs().max()


def test_a_start_in_a_wrong_direction_is_left_and_few_iterations_trust_it():
    torch.manual_seed(0)
    left, right = (torch.linalg.qr(torch.randn(300, 300, dtype=torch.float64))[0] for _ in range(2))
    values = torch.cat([torch.tensor([1.02, 1.01, 1.0]), torch.linspace(0.99, 0.9, 297)]).double()
    f, x = nn.Linear(300, 300).double(), torch.zeros(1, 300, dtype=torch.float64)
    with torch.no_grad():
        f.weight.copy_(left * values @ right.T)
        found = [float(operator_norm(f, x, start=right[:, [i]].T).norm) for i in range(3)]
        trusted = float(operator_norm(f, x, start=right[:, [1]].T, max_iterations=2).norm)
    assert found == pytest.approx([1.02] * 3, rel=1e-4)
    assert trusted == pytest.approx(1.01)


@pytest.mark.parametrize(
    ("wrong", "match"),
    [
        ({"norm": "nuclear"}, "norm must be one of squared, largest, entries, distortion, got 'nuclear'"),
        ({"method": "forward_probes"}, "method must be one of auto, exact, probes, got 'forward_probes'"),
        ({"num_probes": 0}, "num_probes must be at least 1, got 0"),
        ({"directions": torch.rand(2, 5)}, r"directions must have the shape \(num, 6\) or \(5, num, 6\), got \(2, 5\)"),
        ({"directions": torch.rand(4, 2, 6)}, r"directions must have the shape .* got \(4, 2, 6\)"),
        ({"directions": torch.rand(0, 6)}, r"directions must have the shape .* got \(0, 6\)"),
        (
            {"rows": torch.tensor([0]), "batch_statistics": "constant"},
            "rows must be left out with batch_statistics 'constant', got some",
        ),
    ],
)
def test_what_is_wrong_is_refused(wrong, match):
    with pytest.raises(InvalidValue, match=match):
        value_and_norm(nn.Linear(6, 2), X.float(), **wrong)


def test_a_start_of_another_shape_is_refused():
    with pytest.raises(InvalidValue, match=r"start must have the shape \(5, 6\) of x, got \(5, 2\)"):
        operator_norm(nn.Linear(6, 2), X.float(), start=torch.rand(5, 2))


def test_images_have_directions_of_their_shape():
    f = at_scale(nn.Sequential(nn.Conv2d(1, 2, 2), nn.Tanh(), nn.Flatten(), nn.Linear(8, 3)), 0.6)
    x, directions = torch.rand(4, 1, 3, 3, dtype=torch.float64), torch.rand(2, 1, 3, 3)
    found = value_and_norm(f, x, "squared", directions=directions, method="exact")[1]
    truth = (by_jacrev(f, x)[1] @ directions.flatten(1).to(x).T).square().sum((1, 2))
    assert_close(found.detach(), truth.detach(), "norm")
    assert operator_norm(f, x).direction.shape == x.shape


def test_autocast_is_left():
    f = nn.Sequential(nn.Linear(6, 3), nn.Tanh())
    with torch.autocast("cpu", torch.bfloat16):
        found = value_and_norm(f, X.float(), "entries", method="exact")[1]
    torch.testing.assert_close(found, value_and_norm(f, X.float(), "entries", method="exact")[1])
