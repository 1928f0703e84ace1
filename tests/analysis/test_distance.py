"""Tangent distances against least squares one pair at a time; tangent propagation against the Jacobian."""

import math

import numpy as np
import pytest
import torch
from sklearn.neighbors import NearestNeighbors
from torch import nn

import contractive as ct
from contractive import analysis
from contractive.objectives import OUTPUTS, tangent_propagation
from problems import brute_force


def by_least_squares(x, y, planes):
    """min over coefficients of ||x - y + planes^T c||^2."""
    design = np.concatenate([plane.numpy() for plane in planes]).T
    c, *_ = np.linalg.lstsq(design, (y - x).numpy(), rcond=None)
    return float(np.square((x - y).numpy() + design @ c).sum())


def setting(seed=0, features=12, num=3):
    torch.manual_seed(seed)
    q, p = torch.randn(5, features).double(), torch.randn(7, features).double()
    return q, p, torch.randn(5, num, features).double(), torch.randn(7, num + 1, features).double()


@pytest.mark.parametrize("budget", [1, 10**4, 10**9])
@pytest.mark.parametrize("sides", ["query", "point", "both", "neither"])
def test_distances_are_least_squares(sides, budget):
    q, p, t_q, t_p = setting()
    used = {"query": sides in ("query", "both"), "point": sides in ("point", "both")}
    found = analysis.squared_tangent_distances(
        q, p, query_tangents=t_q if used["query"] else None, point_tangents=t_p if used["point"] else None,
        memory_budget=budget,
    )  # fmt: skip
    for i in range(5):
        for j in range(7):
            planes = [*([t_q[i]] if used["query"] else []), *([t_p[j]] if used["point"] else [])]
            wanted = by_least_squares(q[i], p[j], planes) if planes else float((q[i] - p[j]).square().sum())
            assert float(found[i, j]) == pytest.approx(wanted, rel=1e-9)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_planes_that_share_directions_are_no_trouble(dtype):
    q, p, t_q, _ = (part.to(dtype) for part in setting())
    shared = torch.cat([t_q[:1], t_q[:1] * 2], 1)  # linearly dependent, and the same plane on both sides
    found = analysis.squared_tangent_distances(q[:1], p, query_tangents=shared, point_tangents=shared.expand(7, -1, -1))
    for j in range(7):
        assert float(found[0, j]) == pytest.approx(
            by_least_squares(q[0], p[j], [t_q[0]]), rel=1e-9 if dtype == torch.float64 else 1e-4
        )


def test_zero_tangents_leave_the_euclidean_distance():
    q, p, t_q, _ = setting()
    plain = analysis.squared_tangent_distances(q, p)
    torch.testing.assert_close(analysis.squared_tangent_distances(q, p, query_tangents=0 * t_q), plain)


def test_orthonormal_keeps_the_span():
    _, _, t, _ = setting()
    basis = analysis.orthonormal(t * 1e-6)
    torch.testing.assert_close(basis @ basis.mT, torch.eye(3).double().expand(5, 3, 3))
    torch.testing.assert_close(t @ basis.mT @ basis, t)


@pytest.mark.parametrize("dtype", [torch.float16, torch.float32, torch.float64], ids=str)
def test_orthonormal_keeps_tangents_of_very_different_lengths(dtype):
    t = torch.zeros(1, 3, 6, dtype=dtype)
    t[0, 0, 0], t[0, 1, 1], t[0, 2, 3] = 1, 1e-3, 100
    basis = analysis.orthonormal(t)
    assert basis.dtype == dtype
    wanted = torch.diag(torch.tensor([1.0, 1, 0, 1, 0, 0])).double()
    torch.testing.assert_close((basis.mT.double() @ basis.double())[0], wanted)


@pytest.mark.parametrize("angle", [0.1, 0.01, 0.001])
@pytest.mark.parametrize("num", [3, 14], ids=["few", "more than features"])
def test_nearly_dependent_tangents_in_single_precision(num, angle):
    q, _, t, _ = (part.float() for part in setting(num=num))
    t[:, 1] = t[:, 0] + angle * t[:, 1]
    basis = analysis.orthonormal(t)
    found = basis @ basis.mT
    rank = min(num, 12)
    assert found.diagonal(dim1=1, dim2=2).sum(1).tolist() == pytest.approx([rank] * 5, rel=1e-5)
    assert float((t @ basis.mT @ basis - t).abs().max()) < 1e-5
    both = analysis.squared_tangent_distances(
        q, q, query_tangents=t, point_tangents=t
    )  # the planes of a row are one plane
    for i in range(5):
        for j in range(5):
            wanted = by_least_squares(q[i].double(), q[j].double(), [t[i].double(), t[j].double()])
            assert float(both[i, j]) == pytest.approx(wanted, rel=1e-3, abs=1e-3)


def test_orthonormal_in_parts(monkeypatch):
    _, _, t, _ = setting()
    whole = analysis.orthonormal(t)
    monkeypatch.setattr("contractive.analysis._distance.MEMORY_BUDGET", 1)
    torch.testing.assert_close(analysis.orthonormal(t), whole)


@pytest.mark.parametrize(("queries", "points"), [(0, 5), (3, 0), (0, 0)])
def test_no_rows_have_no_distances(queries, points):
    assert analysis.squared_tangent_distances(X[:queries], P[:points]).shape == (queries, points)


def test_neighbors_without_tangents_are_those_of_scikit_learn():
    torch.manual_seed(1)
    q, p = torch.rand(40, 6), torch.rand(90, 6)
    distances, indices = NearestNeighbors(n_neighbors=4).fit(p.numpy()).kneighbors(q.numpy())
    found = analysis.tangent_neighbors(q, p, 4, memory_budget=2000)
    assert found.indices.tolist() == indices.tolist()
    torch.testing.assert_close(found.squared_distances, torch.from_numpy(distances**2).float(), rtol=1e-4, atol=1e-5)
    assert analysis.tangent_neighbors(q[:0], p, 4).indices.shape == (0, 4)


def test_a_shifted_bump_lies_in_the_plane_of_the_bump():
    grid = torch.linspace(-3, 3, 61)
    bump = torch.exp(-(grid**2) / 2)
    moved = torch.exp(-((grid - 0.1) ** 2) / 2)
    tangent = (grid * bump)[None, None]
    plain = analysis.squared_tangent_distances(moved[None], bump[None])
    near = analysis.squared_tangent_distances(moved[None], bump[None], point_tangents=tangent)
    assert float(near) < 0.02 * float(plain)  # second order in the shift


@pytest.mark.parametrize("output", list(OUTPUTS))
@pytest.mark.parametrize("kind", ["chain", "any map"])
def test_propagation_is_the_jacobian_times_the_tangents(output, kind):
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(6, 5), nn.Sigmoid(), nn.Linear(5, 4)).double()
    f = net if kind == "chain" else lambda x: net(x)
    last = {"identity": lambda a: a, "sigmoid": torch.sigmoid, "softmax": lambda a: torch.softmax(a, 1)}[output]
    x, u = torch.randn(3, 6).double(), torch.randn(3, 2, 6).double()
    value, omega = tangent_propagation(f, x, u, output=output)
    jacobians = brute_force(lambda rows: last(net(rows)), x)[1]
    wanted = (u @ jacobians.mT).square().sum((1, 2))
    torch.testing.assert_close(value, net(x))
    torch.testing.assert_close(omega, wanted)
    ours = torch.autograd.grad(omega.sum(), net[0].weight)[0]
    torch.testing.assert_close(ours, torch.autograd.grad(wanted.sum(), net[0].weight)[0])


def test_propagation_takes_flat_tangents_for_images():
    torch.manual_seed(0)
    net = nn.Sequential(*ct.conv((1, 6, 6), code=4, channels=(2,)).encoder, nn.Linear(4, 3))
    x, u = torch.rand(2, 1, 6, 6), torch.randn(2, 3, 36)
    omega = tangent_propagation(net, x, u)[1]
    torch.testing.assert_close(omega, (u @ ct.jacobian(net, x).mT).square().sum((1, 2)), rtol=1e-4, atol=1e-6)


def test_all_directions_give_the_squared_norm():
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(6, 5), nn.Tanh(), nn.Linear(5, 3))
    x = torch.randn(4, 6)
    omega = tangent_propagation(net, x, torch.eye(6).expand(4, 6, 6))[1]
    torch.testing.assert_close(omega, ct.squared_norm(net, x))
    assert not math.isclose(float(omega[0].detach()), float(omega[1].detach()))


X, P = torch.rand(3, 4), torch.rand(5, 4)


@pytest.mark.parametrize(
    ("call", "match"),
    [
        (lambda: analysis.tangent_neighbors(X, P, 0), "k must lie between 1 and the 5 points, got 0"),
        (lambda: analysis.tangent_neighbors(X, P, 6), "k must lie between 1 and the 5 points, got 6"),
        (lambda: analysis.squared_tangent_distances(X, P[:, :3]), "queries must have 3 features like points, got 4"),
        (lambda: analysis.squared_tangent_distances(X[0], P), r"queries must have the shape \(rows, features\)"),
        (
            lambda: analysis.squared_tangent_distances(X, P, point_tangents=X),
            r"point_tangents must have the shape \(5, num",
        ),
        (lambda: tangent_propagation(nn.Linear(4, 2), X, X[:, None], output="tanh"), "output must be one of identity"),
        (lambda: tangent_propagation(nn.Unflatten(1, (2, 2)), X, X[:, None]), r"f must return \(batch, classes\)"),
        (lambda: tangent_propagation(nn.Linear(4, 2), X, P[:, None]), "tangents must have the shape"),
    ],
)  # fmt: skip
def test_misuse_is_refused(call, match):
    with pytest.raises(ValueError, match=match):
        call()
