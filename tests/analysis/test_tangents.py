"""Jacobians of single examples by hand, tangents of a sphere, walks; agreement on a flat sheet and a circle."""

import numpy as np
import pytest
import torch
from scipy.linalg import subspace_angles
from torch import nn

import contractive as ct
from contractive import analysis
from contractive.analysis._tangents import decompose, right_singular
from measured import gaussian, layer, linear, rotation, seeded
from problems import by_jacrev


def to_sphere(x):
    """x / ||x||: its tangent space at a point of the sphere is everything orthogonal to the point."""
    return x / x.norm(dim=1, keepdim=True)


def test_tangents_of_the_sphere_are_orthogonal_to_the_point():
    x = to_sphere(gaussian(6, 4))
    found = analysis.tangents(to_sphere, x, 3)
    torch.testing.assert_close(found.values[:, :3], torch.ones(6, 3, dtype=torch.float64))
    assert found.values[:, 3].max() < 1e-12
    assert (found.basis @ x.unsqueeze(2)).abs().max() < 1e-12


def test_tangents_are_orthonormal_and_lead():
    right = rotation(6)
    found = analysis.tangents(linear(torch.diag(torch.tensor([3.0, 2.0, 1.0])).double() @ right[:3]), gaussian(2, 6), 2)
    torch.testing.assert_close((found.basis[0] @ right[:2].T).abs(), torch.eye(2, dtype=torch.float64))
    torch.testing.assert_close(found.values[1], torch.tensor([3.0, 2.0, 1.0], dtype=torch.float64))
    assert found.shape == (6,)


def test_tangents_of_a_linear_autoencoder_are_those_of_its_decoder_or_its_encoder():
    made, seen, sizes = rotation(6), rotation(6, seed=1), torch.tensor([3.0, 2.0]).double()
    model = ct.Autoencoder(linear(seen[:2]), linear(made[:2].T * sizes))  # r(x) = sum_i sizes_i made_i (seen_i . x)
    x = gaussian(4, 6)
    default = analysis.tangents(model, x, 2)
    eye = torch.eye(2, dtype=torch.float64)
    torch.testing.assert_close((default.basis[0] @ made[:2].T).abs(), eye)
    torch.testing.assert_close(default.values[3], sizes)
    encoded = analysis.tangents(model, x, 2, of="encoder")
    torch.testing.assert_close(encoded.basis[0].T @ encoded.basis[0], seen[:2].T @ seen[:2])
    torch.testing.assert_close(encoded.basis, analysis.tangents(model.encoder, x, 2).basis)


@pytest.mark.parametrize("name", ["mlp", "tied", "overcomplete"])
def test_tangents_of_the_reconstruction_are_left_singular_vectors_of_its_whole_jacobian(name, monkeypatch):
    torch.manual_seed(0)
    model = {
        "mlp": lambda: ct.mlp(7, hidden=(6,), code=4, output="linear"),
        "tied": lambda: ct.tied(7, 3),
        "overcomplete": lambda: ct.mlp(5, code=9),
    }[name]().double().eval()  # fmt: skip
    x = gaussian(6, 5 if name == "overcomplete" else 7)
    left, values, _ = torch.linalg.svd(by_jacrev(model, x)[1].detach())
    found = analysis.tangents(model, x, 3)
    torch.testing.assert_close(found.values, values[:, : found.values.shape[1]])
    torch.testing.assert_close((found.basis @ left[:, :, :3]).abs(), torch.eye(3).double().expand(6, 3, 3))
    monkeypatch.setattr("contractive.analysis._rows.MEMORY_BUDGET", 1)
    torch.testing.assert_close(analysis.tangents(model, x, 3).basis, found.basis)


def test_the_reconstruction_finds_a_circle_that_the_encoder_looks_away_from():
    # the code is the angle plus a texture; the decoder draws the circle: only its tangent lies along the data
    class Circle(nn.Module):
        def forward(self, code):
            return torch.cat([torch.cos(code), torch.sin(code), torch.zeros(len(code), 2)], 1)

    def angle(x):
        return torch.atan2(x[:, 1:2], x[:, 0:1]) + 5 * x[:, 2:3]

    model = ct.Autoencoder(Applied(angle), Circle())
    turns = torch.linspace(0, 6, 8, dtype=torch.float64).unsqueeze(1)
    x = Circle()(turns)
    along = torch.cat([-torch.sin(turns), torch.cos(turns), torch.zeros(8, 2)], 1)
    torch.testing.assert_close(
        (analysis.tangents(model, x, 1).basis[:, 0] * along).sum(1).abs(), torch.ones(8).double()
    )
    assert (analysis.tangents(model, x, 1, of="encoder").basis[:, 0] * along).sum(1).abs().max() < 0.2
    shares = [analysis.tangent_agreement(model, x, 1, of=of, num_neighbors=2).mean_share for of in (None, "encoder")]
    assert shares[0] > 0.8 > 0.1 > shares[1]


class Applied(nn.Module):
    """A function as a module."""

    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, x):
        return self.function(x)


def test_tangents_of_what_there_is_not_are_refused():
    assert analysis.tangents_of(ct.tied(4, 2)) == "reconstruction"
    assert analysis.tangents_of(nn.Linear(4, 2)) == "encoder"
    with pytest.raises(TypeError, match="model must be an Autoencoder, got Linear"):
        analysis.tangents(nn.Linear(4, 2), torch.rand(3, 4), 1, of="reconstruction")
    with pytest.raises(ValueError, match="of must be one of reconstruction, encoder, got 'decoder'"):
        analysis.tangents(ct.tied(4, 2), torch.rand(3, 4), 1, of="decoder")


def test_walks_are_straight_and_of_the_length_asked_for():
    x = gaussian(3, 2, 2)
    walks = analysis.walks(lambda rows: 2 * rows, x, 7 * torch.ones(3, 4).double(), [-1.0, 0.0, 2.0])
    assert walks.inputs.shape == walks.reconstructions.shape == (3, 3, 2, 2)
    torch.testing.assert_close(walks.inputs[:, 1], x)
    torch.testing.assert_close(walks.inputs[:, 2], x + 2 * 0.5)
    torch.testing.assert_close(walks.inputs[:, 0], x - 0.5)
    torch.testing.assert_close(walks.reconstructions, 2 * walks.inputs)
    assert walks.steps.tolist() == [-1, 0, 2]


@pytest.mark.parametrize("count", [0, 4])
def test_tangents_that_are_not_there_are_refused(count):
    with pytest.raises(ValueError, match=r"num_tangents must be at (least 1, got 0|most 3, the smaller)"):
        analysis.tangents(nn.Linear(5, 3), torch.rand(2, 5), count)


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"directions": torch.rand(3, 2)}, r"directions must be one per point, \(2, 2\), got \(3, 2\)"),
        ({"directions": torch.rand(1, 4)}, "directions must be one per point"),
        ({"directions": torch.zeros(2, 2)}, "directions must not be zero"),
        ({"steps": []}, "steps must hold at least one length"),
        ({"x": torch.rand(0, 2)}, "x must have at least 1 rows"),
    ],
)
def test_walks_that_go_nowhere_are_refused(options, match):
    usual = {"reconstruct": nn.Identity(), "x": torch.rand(2, 2), "directions": torch.rand(2, 2), "steps": [1.0]}
    with pytest.raises(ValueError, match=match):
        analysis.walks(**(usual | options))


def test_a_sigmoid_layer_by_hand():
    weight = [[1.0, 0.0, 2.0], [0.0, -3.0, 4.0]]
    x = gaussian(4, 3)
    encoder = layer(weight, [0.5, -0.5])
    h = encoder(x).detach()
    expected = (h * (1 - h)).unsqueeze(2) * torch.tensor(weight, dtype=torch.float64)
    found = analysis.example_jacobians(encoder, x)
    torch.testing.assert_close(found.matrices, expected)
    torch.testing.assert_close(found.unit_norms, (h * (1 - h)) * torch.tensor([5**0.5, 5.0], dtype=torch.float64))
    torch.testing.assert_close(found.feature_norms, expected.square().sum(1).sqrt())
    assert found.shape == (3,)


def test_directions_of_a_known_matrix():
    right = rotation(5)
    matrix = rotation(3) @ torch.diag(torch.tensor([4.0, 2.0, 0.5], dtype=torch.float64)) @ right[:3]
    found = analysis.example_jacobians(linear(matrix), gaussian(2, 5))
    torch.testing.assert_close(found.values[0], torch.tensor([4.0, 2.0, 0.5], dtype=torch.float64))
    torch.testing.assert_close((found.directions[1] @ right[:3].T).abs(), torch.eye(3, dtype=torch.float64))
    torch.testing.assert_close(found.least_contracted(1), found.directions[:, :1])
    torch.testing.assert_close(found.most_contracted(2), found.directions[:, [2, 1]])
    # signs that are always the same
    assert (found.directions.gather(2, found.directions.abs().argmax(2, keepdim=True)) > 0).all()


@pytest.mark.parametrize("shape", [(3, 5), (5, 3), (4, 4), (1, 6), (6, 1)])
def test_decomposition_gives_the_matrix_back(shape):
    matrices = gaussian(7, *shape)
    values, vectors = decompose(matrices)
    torch.testing.assert_close(values, torch.linalg.svdvals(matrices))
    gram = vectors.mT @ (values.square().unsqueeze(2) * vectors)
    torch.testing.assert_close(gram, matrices.mT @ matrices)
    eye = torch.eye(min(shape), dtype=torch.float64).expand(7, -1, -1)
    torch.testing.assert_close(vectors @ vectors.mT, eye)


def test_parts_give_the_same(monkeypatch):
    encoder = layer([[1.0, -2.0, 0.5], [0.3, 3.0, 1.0]], [0.1, -1.0])
    x = gaussian(9, 3)
    whole = right_singular(encoder, x, 1)
    monkeypatch.setattr("contractive.analysis._rows.MEMORY_BUDGET", 1)
    for one, other in zip(right_singular(encoder, x, 1), whole, strict=True):
        torch.testing.assert_close(one, other)


def test_images_of_a_convolution():
    encoder = nn.Sequential(nn.Conv2d(1, 2, 2), nn.Sigmoid(), nn.Flatten()).double()
    x = gaussian(3, 1, 3, 3)
    found = analysis.example_jacobians(encoder, x)
    torch.testing.assert_close(found.matrices, by_jacrev(encoder, x)[1].detach())
    assert found.shape == (1, 3, 3)


def test_one_row_per_class_and_the_most_typical():
    x = torch.tensor([[0.0], [1.0], [5.0], [9.0], [10.0], [14.0]])
    rows, labels = analysis.one_per_class(x, torch.tensor([2, 2, 2, 0, 0, 0]))
    assert labels.tolist() == [0, 2]
    assert rows.flatten().tolist() == [10, 1]


def test_too_many_examples_are_refused():
    with pytest.raises(ValueError, match="x must have at most 1 examples for this code, got 2"):
        analysis.example_jacobians(lambda x: x[:, :1].expand(-1, 40_000), torch.rand(2, 1000))


def test_no_example_is_refused():
    with pytest.raises(ValueError, match="x must have at least 1 rows"):
        analysis.example_jacobians(nn.Identity(), torch.rand(0, 2))


def test_labels_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="labels must be one per row"):
        analysis.one_per_class(torch.rand(3, 2), torch.zeros(3, 1))


def test_a_flat_sheet_holds_its_neighbours():
    plane = rotation(10)[:2]
    x = gaussian(60, 2) @ plane
    found = analysis.tangent_agreement(linear(plane), x, 2, num_neighbors=4, generator=seeded())
    assert found.shares.shape == (60, 4)
    torch.testing.assert_close(found.shares, torch.ones(60, 4, dtype=torch.float64))
    torch.testing.assert_close(found.principal_shares, torch.ones(60, 4, dtype=torch.float64))
    assert found.angles.max() < 1e-6
    assert found.mean_share == pytest.approx(1)


def test_a_code_across_the_sheet_holds_nothing():
    axes = rotation(10)
    found = analysis.tangent_agreement(linear(axes[2:4]), gaussian(60, 2) @ axes[:2], 2, generator=seeded())
    assert found.shares.max() < 1e-20


def test_random_subspaces_hold_their_dimension():
    found = analysis.tangent_agreement(nn.Identity(), gaussian(500, 12), 3, num_points=500, generator=seeded())
    means = found.random_shares.mean(1)
    error = float(means.std()) / 500**0.5
    assert found.expected_random == 3 / 12
    assert abs(float(means.mean()) - 3 / 12) < 4 * error
    assert error < 0.01
    assert found.random_angles.shape == (500, 3)


def test_the_circle_turns_its_tangents():
    # points of the unit circle at equal angles; the code is the position on the circle, its tangent is orthogonal to x
    step = 2 * torch.pi / 40
    turns = step * torch.arange(40, dtype=torch.float64)
    x = torch.stack([turns.cos(), turns.sin()], 1)
    found = analysis.tangent_agreement(lambda rows: torch.atan2(rows[:, 1:], rows[:, :1]), x, 1, num_neighbors=2)
    torch.testing.assert_close(found.angles, torch.full((40, 2, 1), step, dtype=torch.float64))
    chord = torch.full((40, 2), float(np.cos(step / 2) ** 2), dtype=torch.float64)
    torch.testing.assert_close(found.shares, chord)


@pytest.mark.parametrize("seed", range(4))
def test_principal_angles_are_scipys(seed):
    one, other = (torch.linalg.qr(gaussian(9, 3, seed=seed + shift))[0].T for shift in (0, 100))
    expected = np.sort(subspace_angles(one.T.numpy(), other.T.numpy()))
    np.testing.assert_allclose(analysis.principal_angles(one, other), expected, rtol=1e-10)


@pytest.mark.parametrize("angle", [1e-9, 1e-3, 1.0, torch.pi / 2])
def test_small_and_large_angles_keep_their_digits(angle):
    one = torch.eye(2, dtype=torch.float64)[:1]
    other = torch.tensor([[np.cos(angle), np.sin(angle)]])
    assert float(analysis.principal_angles(one, other)) == pytest.approx(angle, rel=1e-12)


def test_a_copy_of_a_point_has_no_share():
    x = gaussian(6, 3)
    x[1] = x[0]
    found = analysis.tangent_agreement(nn.Identity(), x, 3, num_neighbors=1)
    assert torch.isnan(found.shares[:2]).all()
    assert found.mean_share == pytest.approx(1)


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"num_neighbors": 0}, "num_neighbors must be at least 1"),
        ({"num_neighbors": 8}, "x must have at least 9 rows, got 8"),
        ({"num_points": 0}, "num_points must be at least 1"),
        ({"num_tangents": 4}, "num_tangents must be at most 3"),
    ],
)
def test_misuse_is_refused(options, match):
    with pytest.raises(ValueError, match=match):
        analysis.tangent_agreement(**({"model": nn.Identity(), "x": torch.rand(8, 3), "num_tangents": 2} | options))
