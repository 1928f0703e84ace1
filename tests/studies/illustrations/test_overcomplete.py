import numpy as np
import pytest
import torch
from torch import nn

from contractive.models import Autoencoder
from contractive.studies.illustrations._overcomplete import _measured


def known(matrix, size=100):
    encoder, decoder = nn.Linear(2, 2, bias=False), nn.Linear(2, 2, bias=False)
    with torch.no_grad():
        encoder.weight.copy_(torch.as_tensor(matrix) / size)
        decoder.weight.copy_(torch.eye(2) * size)
    return Autoencoder(encoder, decoder)


@pytest.mark.parametrize(
    ("matrix", "distance"),
    [([[1.0, 0], [0, 1.0]], 0), ([[0.0, 0], [0, 0]], 1), ([[1.0, 0], [0, 0]], 0.5)],
    ids=["identity", "constant", "projection"],
)
def test_measures_of_known_maps(matrix, distance):
    noise = torch.randn(50, 2, generator=torch.Generator().manual_seed(0))
    found = _measured(known(matrix), noise[:20], noise)
    assert found.noise_distance == pytest.approx(distance, abs=1e-6)
    moved = (torch.tensor(matrix) @ noise.T).T - noise
    assert found.noise_error == pytest.approx(float(moved.square().sum(1).mean()), abs=1e-6)
    assert found.squared_norm == pytest.approx(np.square(matrix).sum() / 100**2)


def test_without_a_penalty_the_identity_is_learned_with_one_not(quick):
    found = quick("overcomplete").measured
    assert found["tied"].noise_error < 0.05
    assert found["tied"].noise_distance < 0.05
    for name in ("tied-contractive", "reconstruction"):
        assert found[name].noise_error > 5 * found["tied"].noise_error
        assert found[name].data_error < 0.05


def test_an_untied_decoder_evades_the_penalty_on_the_encoder(quick):
    found = quick("overcomplete").measured
    evaded, plain = found["untied-contractive"], found["untied"]
    assert evaded.squared_norm < 0.5 * plain.squared_norm
    assert evaded.noise_distance < 0.05


def test_the_penalty_on_reconstruction_moves_noise_to_the_ring(quick):
    result = quick("overcomplete")
    away, before = (
        np.abs(np.linalg.norm(rows, axis=1) - 1.5).mean()
        for rows in (result.measured["reconstruction"].output, result.noise)
    )
    assert away < 0.7 * before
