import numpy as np
import pytest
import torch
from torch import nn

import contractive as ct
from contractive.estimators._bounds import output_bounds

pytestmark = pytest.mark.filterwarnings("ignore::contractive.CollapseWarning")


def test_bounds_of_a_linear_decoder_are_the_sums_of_its_signed_weights():
    network = ct.mlp(2, code=3, output="linear")
    with torch.no_grad():
        network.decoder[0].weight.copy_(torch.tensor([[1.0, -2, 3], [0, 4, -5]]))
        network.decoder[0].bias.copy_(torch.tensor([10.0, 20]))
    np.testing.assert_allclose(output_bounds(network), [[8, 15], [14, 24]])


@pytest.mark.parametrize("activation", ["sigmoid", "tanh"])
def test_bounds_of_deep_decoders_hold(activation):
    torch.manual_seed(0)
    network = ct.mlp(3, code=4, hidden=(6,), activation=activation, decoder_activation="softplus", output="linear")
    low, high = output_bounds(network)
    codes = torch.rand(5000, 4) * (2 if activation == "tanh" else 1) - (1 if activation == "tanh" else 0)
    outputs = network.decode(codes).detach().numpy()
    assert (outputs >= low - 1e-5).all()
    assert (outputs <= high + 1e-5).all()


def test_what_has_no_known_bounds_is_refused():
    with pytest.raises(ValueError, match="activation must be sigmoid or tanh, which bound the code, got ReLU"):
        output_bounds(ct.mlp(3, code=2, activation="relu"))
    with pytest.raises(ValueError, match=r"decoder must be linear layers and monotone activations .* got TiedLinear"):
        output_bounds(ct.tied(3, 2))
    alone = ct.Autoencoder(nn.Sequential(nn.Linear(3, 3), nn.Sigmoid()), nn.Sequential())
    with pytest.raises(ValueError, match="decoder must have a linear layer for guaranteed bounds, got none"):
        output_bounds(alone)


@pytest.fixture(scope="module")
def detector():
    random = np.random.RandomState(0)
    x = random.standard_normal((150, 2)) @ random.standard_normal((2, 4)) + 0.1 * random.standard_normal((150, 4))
    return ct.ContractiveOutlierDetector(max_epochs=30, n_components=16, random_state=0).fit(x * [1, 10, 0.1, 1] + 5)


def test_no_row_beyond_a_bound_is_unflagged_though_the_others_are_chosen_to_hide_it(detector):
    bounds = detector.guaranteed_bounds()
    assert bounds.shape == (4, 2)
    networks = [member.network for member in detector._fit.members]
    for feature in range(4):
        for side in range(2):
            start = np.tile(bounds[:, side], (20, 1))
            others = np.arange(4) != feature
            start[:, others] = detector._rows[:20][:, others]
            start[:, feature] += (1e-6 + 1e-6 * abs(bounds[feature, side])) * (1 if side else -1)
            fixed = torch.from_numpy(detector.scaled(start))
            free = fixed.clone().requires_grad_()
            optimizer = torch.optim.Adam([free], 0.3)
            for _ in range(150):
                z = torch.where(torch.from_numpy(others), free, fixed)
                loss = sum((network(z) - z).norm(dim=1).sum() for network in networks)
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
            attack = detector.unscaled(torch.where(torch.from_numpy(others), free, fixed).detach().numpy())
            attack[:, feature] = start[:, feature]
            assert (detector.predict(np.concatenate([start, attack])) == -1).all()


def test_normal_rows_lie_within_the_bounds(detector):
    low, high = detector.guaranteed_bounds().T
    usual = detector._rows[detector.predict(detector._rows) == 1]
    assert (usual > low).all()
    assert (usual < high).all()


@pytest.mark.filterwarnings("ignore::contractive.PromiseWarning")
def test_bounds_are_infinite_where_no_row_is_flagged():
    x = np.random.RandomState(0).standard_normal((10, 3))
    bounds = ct.ContractiveOutlierDetector(max_epochs=2, random_state=0).fit(x).guaranteed_bounds()
    np.testing.assert_array_equal(bounds, [[-np.inf, np.inf]] * 3)
