"""Products with the Jacobian and its leading directions against the Jacobian by brute force."""

import math

import pytest
import torch
from torch import nn

import contractive as ct
from contractive import jacobian
from contractive.jacobian import leading, linearise
from contractive.jacobian._leading import room
from problems import brute_force


def encoders():
    torch.manual_seed(3)
    norm = nn.BatchNorm1d(6)
    norm.running_mean.uniform_()
    norm.running_var.uniform_(0.5, 2)
    shared = nn.Sequential(nn.Linear(9, 6), nn.Softplus(), nn.Linear(6, 4), nn.Tanh())
    return {
        "one layer": (ct.mlp(9, code=4).encoder, (9,)),
        "deep": (ct.mlp(9, hidden=(7, 6), code=4).encoder, (9,)),
        "overcomplete": (ct.mlp(5, code=12).encoder, (5,)),
        "batch norm": (nn.Sequential(nn.Linear(9, 6), norm, nn.SiLU(), nn.Linear(6, 3)).eval(), (9,)),
        "convolution": (ct.conv((2, 6, 5), code=4, channels=(3,)).encoder, (2, 6, 5)),
        "unflattened": (nn.Sequential(nn.Flatten(), nn.Linear(9, 4), nn.Unflatten(1, (2, 2))), (3, 3)),
        "any map": (lambda x: torch.sin(shared(x)) * x[:, :4], (9,)),
    }


@pytest.fixture(params=list(encoders()))
def case(request):
    encoder, shape = encoders()[request.param]
    if isinstance(encoder, nn.Module):
        encoder.double()
        x = torch.rand(3, *shape, dtype=torch.float64)
    else:
        x = torch.rand(3, *shape)
    return encoder, x


def test_products_are_those_of_the_matrix(case):
    encoder, x = case
    code, matrix = brute_force(encoder, x)
    at = linearise(encoder, x)
    u = torch.randn(3, 2, *x.shape[1:], dtype=x.dtype)
    v = torch.randn(3, 4, *code.shape[1:], dtype=x.dtype)
    torch.testing.assert_close(at.value, code)
    torch.testing.assert_close(at.push(u).flatten(2), u.flatten(2) @ matrix.mT)
    torch.testing.assert_close(at.pull(v).flatten(2), v.flatten(2) @ matrix)
    assert at.push(u).shape == (3, 2, *code.shape[1:])
    assert at.pull(v).shape == (3, 4, *x.shape[1:])


def test_products_without_gradients_are_the_same(case):
    encoder, x = case
    u = torch.randn(3, 2, *x.shape[1:], dtype=x.dtype)
    with torch.no_grad():
        silent = linearise(encoder, x).push(u)
    assert not silent.requires_grad
    torch.testing.assert_close(silent, linearise(encoder, x).push(u).detach())


@pytest.mark.parametrize("name", ["deep", "convolution", "batch norm"])
def test_gradients_of_a_pushed_tangent_are_those_through_the_matrix(name):
    encoder, shape = encoders()[name]
    encoder.double()
    x = torch.rand(2, *shape, dtype=torch.float64, requires_grad=True)
    u = torch.randn(2, 3, *shape, dtype=torch.float64)
    wanted = (u.flatten(2) @ brute_force(encoder, x)[1].mT).square().sum()
    places = [x, *encoder.parameters()]
    ours = torch.autograd.grad(linearise(encoder, x).push(u).square().sum(), places, allow_unused=True)
    truth = torch.autograd.grad(wanted, places, allow_unused=True)
    assert ours[1] is not None
    for a, b in zip(ours, truth, strict=True):
        if a is not None and b is not None:
            torch.testing.assert_close(a, b)


@pytest.mark.parametrize("method", ["exact", "iterate"])
def test_leading_directions_are_those_of_the_svd(case, method):
    encoder, x = case
    matrix = brute_force(encoder, x)[1].detach()
    _, values, right = torch.linalg.svd(matrix, full_matrices=False)
    found = leading(encoder, x, 2, method=method, tolerance=1e-14, max_iterations=5000)
    torch.testing.assert_close(found.values, values[:, :2], rtol=1e-5, atol=1e-7)
    overlap = (found.vectors @ right[:, :2].mT).abs()
    torch.testing.assert_close(overlap, torch.eye(2, dtype=x.dtype).expand_as(overlap), rtol=0, atol=2e-3)
    torch.testing.assert_close(found.vectors @ found.vectors.mT, torch.eye(2, dtype=x.dtype).expand_as(overlap))


@pytest.mark.parametrize("method", ["exact", "iterate"])
def test_left_directions_are_those_of_the_svd(case, method):
    encoder, x = case
    left, values, _ = torch.linalg.svd(brute_force(encoder, x)[1].detach(), full_matrices=False)
    found = leading(encoder, x, 2, side="left", method=method, tolerance=1e-14, max_iterations=5000)
    torch.testing.assert_close(found.values, values[:, :2], rtol=1e-5, atol=1e-7)
    overlap = (found.vectors @ left[:, :, :2]).abs()
    torch.testing.assert_close(overlap, torch.eye(2, dtype=x.dtype).expand_as(overlap), rtol=0, atol=2e-3)


def test_an_unknown_side_is_refused():
    with pytest.raises(ValueError, match="side must be one of right, left, got 'top'"):
        leading(nn.Linear(4, 3), torch.rand(2, 4), 2, side="top")


def test_iterating_finds_the_space_of_a_wide_net():
    torch.manual_seed(0)
    encoder = ct.mlp(200, code=150).encoder.double()
    with torch.no_grad():
        encoder[0].weight *= torch.logspace(0, -3, 150, dtype=torch.float64)[:, None]
    x = torch.rand(5, 200, dtype=torch.float64)
    right = torch.linalg.svd(jacobian(encoder, x).detach(), full_matrices=False).Vh[:, :6]
    found = leading(encoder, x, 6, tolerance=1e-8)
    cosines = torch.linalg.svdvals(found.vectors @ right.mT)
    assert float(cosines.min()) > 1 - 1e-5
    again = leading(encoder, x, 6, tolerance=1e-8)
    assert torch.equal(found.vectors, again.vectors)
    in_parts = leading(encoder, x, 6, tolerance=1e-8, memory_budget=1)
    torch.testing.assert_close(in_parts.values, found.values, rtol=1e-6, atol=0)


def with_values(values, features=200):
    """A linear map with these singular values, in float64."""
    torch.manual_seed(0)
    left, right = (torch.linalg.qr(torch.randn(n, len(values), dtype=torch.float64)).Q for n in (len(values), features))
    layer = nn.Linear(features, len(values)).double()
    with torch.no_grad():
        layer.weight.copy_((left * values) @ right.T)
    return layer


@pytest.mark.parametrize("num", [1, 4, 10])
@pytest.mark.parametrize("equal", [6, 20, 150])
def test_equal_singular_values_are_all_found(num, equal):
    values = torch.cat([torch.full((equal,), 5.0), torch.linspace(2, 0.1, 150 - equal)]).double()
    found = leading(with_values(values), torch.rand(3, 200, dtype=torch.float64), num, method="iterate")
    torch.testing.assert_close(found.values, values[:num].expand(3, -1), rtol=1e-3, atol=0)
    torch.testing.assert_close(found.vectors @ found.vectors.mT, torch.eye(num).double().expand(3, -1, -1))


@pytest.mark.parametrize("low", [0.9, 1e-6])
def test_iterating_begins_anew_where_its_room_ends(low):
    values = torch.logspace(0, math.log10(low), 150, dtype=torch.float64)
    x = torch.rand(2, 200, dtype=torch.float64)
    map_, settings = with_values(values), {"method": "iterate", "tolerance": 1e-13, "max_iterations": 3000}
    assert room(4, 200) < 150
    found = leading(map_, x, 4, **settings)
    torch.testing.assert_close(found.values, values[:4].expand(2, -1), rtol=1e-6, atol=0)


def test_a_map_that_does_not_move_has_directions_of_value_0():
    found = leading(with_values(torch.zeros(150)).float(), torch.rand(2, 200), 3)
    assert found.values.abs().max() == 0
    torch.testing.assert_close(found.vectors @ found.vectors.mT, torch.eye(3).expand(2, -1, -1), rtol=0, atol=1e-5)


@pytest.mark.parametrize("features", [5, 7, 9])
def test_iterating_ends_where_the_whole_input_space_is_spanned(features):
    map_, x = with_values(torch.linspace(2, 1, features), features), torch.rand(2, features, dtype=torch.float64)
    for num, tolerance in ((1, 0.5), (3, 1e-5), (3, 1e-14)):
        found = leading(map_, x, num, method="iterate", tolerance=tolerance)
        torch.testing.assert_close(
            found.values, torch.linspace(2, 1, features)[:num].double().expand(2, -1), rtol=0.2, atol=0
        )


def test_few_steps_still_give_as_many_directions_as_are_wanted():
    x = torch.rand(2, 200, dtype=torch.float64)
    found = leading(with_values(torch.linspace(2, 1, 150)), x, 12, method="iterate", max_iterations=1)
    assert found.vectors.shape == (2, 12, 200)


def test_directions_do_not_depend_on_the_generator():
    map_, x = with_values(torch.logspace(0, -3, 150)), torch.rand(2, 200, dtype=torch.float64)
    found = [
        leading(map_, x, 4, tolerance=1e-10, generator=torch.Generator().manual_seed(seed)).vectors for seed in (0, 1)
    ]
    cosines = torch.linalg.svdvals(found[0] @ found[1].mT)
    torch.testing.assert_close(cosines, torch.ones_like(cosines))


def test_directions_of_a_jacobian_of_low_rank_stay_orthonormal():
    torch.manual_seed(0)
    encoder = nn.Sequential(nn.Linear(20, 1), nn.Linear(1, 10))
    for method in ("exact", "iterate"):
        found = leading(encoder, torch.rand(4, 20), 3, method=method)
        torch.testing.assert_close(found.vectors @ found.vectors.mT, torch.eye(3).expand(4, 3, 3), rtol=0, atol=1e-4)
        assert float(found.values[:, 1:].abs().max()) < 1e-5 * float(found.values.max())


@pytest.mark.parametrize("scale", [1e-30, 1e-25, 1.0, 1e25])
def test_directions_do_not_depend_on_the_scale_of_the_code(scale):
    torch.manual_seed(0)
    encoder = nn.Sequential(nn.Linear(40, 30), nn.Tanh(), nn.Linear(30, 30))
    x = torch.rand(3, 40)
    truth = leading(encoder, x, 2, method="exact")
    with torch.no_grad():
        encoder[2].weight.mul_(scale)
    found = leading(encoder, x, 2, method="iterate", tolerance=1e-7)
    torch.testing.assert_close(found.values / scale, truth.values, rtol=1e-3, atol=0)
    overlap = (found.vectors * truth.vectors).sum(2).abs()
    torch.testing.assert_close(overlap, torch.ones_like(overlap), rtol=0, atol=1e-2)


@pytest.mark.parametrize("method", ["exact", "iterate"])
def test_no_rows_have_no_directions(method):
    found = leading(nn.Sequential(nn.Linear(20, 15), nn.Tanh()), torch.rand(0, 20), 3, method=method)
    assert found.values.shape == (0, 3)
    assert found.vectors.shape == (0, 3, 20)


@pytest.mark.parametrize(
    ("call", "match"),
    [
        (lambda f, x: leading(f, x, 0), "num must lie between 1 and 4, got 0"),
        (lambda f, x: leading(f, x, 5), "num must lie between 1 and 4, got 5"),
        (lambda f, x: leading(f, x, 2, method="svd"), "method must be one of auto, exact, iterate, got 'svd'"),
        (lambda f, x: leading(f, x, 2, tolerance=0), "tolerance and max_iterations must be above 0"),
        (lambda f, x: linearise(f, x).push(torch.rand(3, 9)), r"tangents must have the shape \(3, num, 9\)"),
        (lambda f, x: linearise(f, x).push(torch.rand(3, 0, 9)), r"tangents must have the shape \(3, num, 9\)"),
        (lambda f, x: linearise(f, x).pull(torch.rand(3, 2, 9)), r"cotangents must have the shape \(3, num, 4\)"),
        (lambda f, x: linearise(lambda r: f(r), x).push(torch.rand(2, 1, 9)), "tangents must have the shape"),
        (lambda f, x: linearise(lambda r: f(r), x).pull(torch.rand(3, 1, 9)), "cotangents must have the shape"),
    ],
)
def test_misuse_is_refused(call, match):
    with pytest.raises(ValueError, match=match):
        call(ct.mlp(9, code=4).encoder, torch.rand(3, 9))
