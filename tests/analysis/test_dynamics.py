"""Fixed points of linear and bistable maps, and averages of Jacobians known in closed form."""

import math

import pytest
import torch
from torch import nn

import contractive as ct
from contractive import analysis
from measured import gaussian, linear, rotation
from problems import by_jacrev


def test_a_contracting_linear_map_has_one_fixed_point():
    turn = rotation(3) @ torch.diag(torch.tensor([0.9, 0.5, -0.3]).double()) @ rotation(3, seed=5)
    shift = torch.tensor([1.0, -2.0, 0.5]).double()
    axes = rotation(6)[:3]  # the decoder writes the code along three axes, the encoder reads and turns it
    found = analysis.fixed_points(
        lambda x: x @ axes.T @ turn.T + shift, linear(axes.T), gaussian(7, 6), tolerance=1e-13
    )
    wanted = torch.linalg.solve(torch.eye(3).double() - turn, shift)
    torch.testing.assert_close(found.codes, wanted.unsqueeze(0), rtol=1e-9, atol=1e-9)
    assert found.basin.tolist() == [0] * 7
    assert float(found.spectral_radius) == pytest.approx(float(torch.linalg.eigvals(turn).abs().max()))
    assert float(found.operator_norm) == pytest.approx(0.9)
    assert found.to_pandas()["rows"].tolist() == [7]


def test_a_bistable_map_has_two_basins():
    # z <- tanh(2 z): 0 repels, and the other two solutions attract
    x = torch.tensor([[-2.0], [0.3], [-0.01], [1.0], [5.0]]).double()
    found = analysis.fixed_points(lambda rows: torch.tanh(2 * rows), nn.Identity(), x, tolerance=1e-12)
    solution = 0.9575040240772687  # of z = tanh(2 z), by bisection
    torch.testing.assert_close(found.codes.flatten(), torch.tensor([-solution, solution]).double())
    assert found.basin.tolist() == [0, 1, 0, 1, 1]
    slope = 2 * (1 - solution**2)
    torch.testing.assert_close(found.spectral_radius, torch.tensor([slope, slope]).double())
    assert found.steps.max() < 60


def test_ways_of_a_linear_map_are_geometric_sums():
    # z <- z* + a (z - z*) with a = 1/2: z_t - z* = a^t (z_0 - z*)
    goal = torch.tensor([2.0, -1.0, 0.0]).double()
    x = gaussian(4, 3)
    found = analysis.trajectories(
        lambda rows: rows, lambda z: goal + 0.5 * (z - goal), x, torch.stack([goal + 100, goal]), num_steps=5
    )
    start = (x - goal).norm(dim=1)
    torch.testing.assert_close(found.score, start * (2 - 0.5**5) / 6)
    torch.testing.assert_close(found.length, start * (1 - 0.5**5))
    torch.testing.assert_close(found.rate, torch.full((4,), 0.5).double())
    assert found.attractor.tolist() == [1] * 4
    assert list(found.to_pandas().columns) == ["score", "length", "rate", "attractor"]
    still = analysis.trajectories(nn.Identity(), lambda z: z, x[:1], x[:1])
    assert (float(still.score), float(still.length)) == (0, 0)
    assert still.rate.isnan().all()


def test_a_row_that_goes_to_an_unknown_attractor_has_a_higher_score():
    solution = torch.tensor([[0.9575040240772687]]).double()  # of z = tanh(2 z), beside its negative
    rows = torch.tensor([[0.3], [5.0], [-2.0]]).double()
    found = analysis.trajectories(lambda rows: torch.tanh(2 * rows), nn.Identity(), rows, solution)
    assert found.score[:2].max() < 0.2
    assert float(found.score[2]) == pytest.approx(2 * float(solution), rel=0.02)


def test_ways_without_codes_to_go_to_are_refused():
    f, x = nn.Identity(), torch.rand(3, 2)
    with pytest.raises(ValueError, match="num_steps must be at least 2, got 1"):
        analysis.trajectories(f, f, x, x, num_steps=1)
    for bad in (torch.rand(2), torch.rand(2, 3), torch.rand(0, 2)):
        with pytest.raises(ValueError, match=r"attractors must have the shape \(points, 2\), got .* fixed_points"):
            analysis.trajectories(f, f, x, bad)


def test_rows_that_do_not_stand_still_have_no_basin():
    def turn(rows):  # a quarter turn for rows beyond 1, halving within
        return torch.where(rows.norm(dim=1, keepdim=True) > 1, rows.flip(1) * torch.tensor([-1.0, 1.0]), rows / 2)

    x = torch.tensor([[2.0, 0.0], [0.1, 0.2]])
    found = analysis.fixed_points(turn, nn.Identity(), x, num_steps=40)
    assert found.basin.tolist() == [-1, 0]
    assert found.steps[0] == 40 > found.steps[1]
    with pytest.raises(ValueError, match="x must lead to a fixed point, got steps above 1e-06 after 5"):
        analysis.fixed_points(turn, nn.Identity(), x[:1], num_steps=5)
    for options, match in (
        ({"num_steps": 0}, "num_steps must be at least 1"),
        ({"tolerance": 0}, "tolerance must be above 0"),
        ({"apart": -1}, "apart must be above 0"),
    ):
        with pytest.raises(ValueError, match=match):
            analysis.fixed_points(turn, nn.Identity(), x, **options)


def test_fixed_points_of_an_autoencoder_are_fixed():
    torch.manual_seed(0)
    model = ct.tied(12, 5).double().eval()
    found = analysis.fixed_points(model.encoder, model.decoder, torch.rand(9, 12).double(), tolerance=1e-12)
    torch.testing.assert_close(model.encode(model.decode(found.codes)).detach(), found.codes)
    whole = by_jacrev(lambda code: model.encoder(model.decoder(code)), found.codes)[1]
    torch.testing.assert_close(found.operator_norm, torch.linalg.matrix_norm(whole, 2).detach())


def test_the_average_of_a_network_is_that_of_all_jacobians(monkeypatch):
    encoder = nn.Sequential(nn.Linear(4, 6), nn.Tanh(), nn.Linear(6, 3)).double()
    x = gaussian(50, 4)
    whole = by_jacrev(encoder, x)[1].detach()
    for batches in (x, [x[:7], x[7:8], x[8:]], iter(x.split(11))):
        found = analysis.averaged_jacobian(encoder, batches)
        torch.testing.assert_close(found.mean, whole.mean(0))
        torch.testing.assert_close(found.standard_error, whole.std(0) / math.sqrt(50))
        assert found.num_rows == 50
    monkeypatch.setattr("contractive.analysis._rows.MEMORY_BUDGET", 1)
    torch.testing.assert_close(analysis.averaged_jacobian(encoder, x).mean, found.mean)


def test_the_average_is_unbiased_and_its_error_honest():
    # f(x) = x^2 for x ~ N(m, 1): the Jacobian is 2 diag(x), its mean 2 diag(m), each error 2 / sqrt(n)
    means = torch.tensor([0.5, -1.0, 3.0]).double()
    found = analysis.averaged_jacobian(torch.square, (gaussian(500, 3, seed=seed) + means for seed in range(40)))
    z = (found.mean - 2 * means.diag()).diagonal() / found.standard_error.diagonal()
    assert z.abs().max() < 4
    torch.testing.assert_close(
        found.standard_error.diagonal(), torch.full((3,), 2 / math.sqrt(20_000)).double(), rtol=0.02, atol=0
    )
    assert found.mean.fill_diagonal_(0).abs().max() == 0


@pytest.mark.parametrize("num", [1, 3])
def test_a_sketch_is_unbiased_and_its_error_honest(num):
    encoder = nn.Sequential(nn.Linear(4, 6), nn.Tanh(), nn.Unflatten(1, (2, 3))).double()
    x, exact = gaussian(40, 4), analysis.averaged_jacobian(encoder, gaussian(40, 4))
    generator = torch.Generator().manual_seed(0)
    found = [analysis.averaged_jacobian(encoder, x.split(25), num_probes=num, generator=generator) for _ in range(200)]
    means, errors = (torch.stack([getattr(one, name) for one in found]) for name in ("mean", "standard_error"))
    z = (means.mean(0) - exact.mean) / (means.std(0) / math.sqrt(200))
    assert z.abs().max() < 4
    # over rows and signs, of which only the signs differ between the sketches
    expected = errors.square().mean(0)
    seen = means.var(0) + exact.standard_error.square()
    torch.testing.assert_close(expected, seen, rtol=0.4, atol=0)
    assert float(expected.mean() / seen.mean()) == pytest.approx(1, rel=0.1)  # five times its standard deviation


def test_a_sketch_is_the_mean_of_what_its_rows_give():
    """Of a linear map of one unit, whose signs cancel: v (v w) = w, without an error."""
    weight = gaussian(1, 5)
    found = analysis.averaged_jacobian(linear(weight), gaussian(7, 5), num_probes=2)
    torch.testing.assert_close(found.mean, weight)
    torch.testing.assert_close(found.standard_error, torch.zeros(1, 5).double(), rtol=0, atol=1e-7)


def test_averages_of_nothing_are_refused():
    with pytest.raises(ValueError, match="num_probes must be at least 1, got 0"):
        analysis.averaged_jacobian(torch.square, torch.rand(3, 3), num_probes=0)
    with pytest.raises(ValueError, match="the number of rows in batches must be at least 2, got 1"):
        analysis.averaged_jacobian(torch.square, torch.rand(1, 3))
    with pytest.raises(ValueError, match=r"batches must have one number of features, got \(2, 2\) after \(3, 3\)"):
        analysis.averaged_jacobian(torch.square, [torch.rand(4, 3), torch.rand(4, 2)])
