import pytest
import torch
from torch import nn

from contractive.models import Autoencoder, mlp
from contractive.studies.illustrations import denoising_link
from contractive.studies.illustrations._denoising_link import effect_of_noise, laplacian_along


@pytest.fixture
def curved():
    torch.manual_seed(0)
    r = mlp(5, hidden=(7,), code=6, decoder_activation="sigmoid", output="linear").double()
    return r, torch.rand(4, 5, dtype=torch.float64)


def test_laplacian_is_the_trace_of_brute_force_hessians(curved):
    r, x = curved
    direction = torch.randn(4, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    rows = [
        torch.autograd.functional.hessian(lambda z, c=c: (c * r(z[None])[0]).sum(), z)
        for z, c in zip(x, direction, strict=True)
    ]
    brute = torch.stack([matrix.trace() for matrix in rows])
    torch.testing.assert_close(laplacian_along(r, x, direction), brute)


@pytest.mark.parametrize("sigma", [1.0, 0.01])
def test_noise_on_a_linear_map_costs_its_squared_norm_exactly(sigma):
    torch.manual_seed(0)
    r = Autoencoder(nn.Linear(5, 3), nn.Linear(3, 5)).double()
    x = torch.rand(4, 5, dtype=torch.float64)
    with torch.no_grad():
        effect = effect_of_noise(r, x, sigma, 1, torch.Generator().manual_seed(1))
        norm = (r.decoder.weight @ r.encoder.weight).square().sum()
    torch.testing.assert_close(effect, norm.expand(4), rtol=1e-7, atol=0)


@torch.no_grad()
def test_effect_of_noise_is_unbiased(curved):
    r, x = curved
    x, sigma = x[:1], 0.7  # far from the limit: the remainder counts
    noise = sigma * torch.randn(200_000, 5, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    errors = [(r(x + sign * noise) - x).square().sum(1) for sign in (1, -1)]  # in pairs, so that odd orders cancel
    excess = (sum(errors) / 2 - (r(x) - x).square().sum()) / sigma**2
    generator = torch.Generator().manual_seed(3)
    ours = torch.cat([effect_of_noise(r, x, sigma, 1, generator) for _ in range(2000)])
    spread = (excess.var() / len(excess) + ours.var() / len(ours)).sqrt()
    assert abs(ours.mean() - excess.mean()) < 4 * spread
    limit = effect_of_noise(r, x, 1e-3, 1, generator)[0]
    assert abs(excess.mean() - limit) > 20 * spread  # so the remainder is seen, which tells right radii from wrong ones


def test_measured_and_formula_agree_to_one_per_cent_at_every_stage(quick):
    for stage in quick("denoising-link").stages:
        assert stage.measured[-1] == pytest.approx(stage.squared_norm + stage.second, rel=0.01)


def test_the_same_seed_gives_the_same_numbers(quick):
    again = denoising_link(quick=True, seed=0)
    assert again == quick("denoising-link")
    assert again.finding == quick("denoising-link").finding


def test_the_second_term_matters_before_training_and_fades(quick):
    first, last = quick("denoising-link").stages[0], quick("denoising-link").stages[-1]
    assert first.share > 0.3
    assert abs(first.measured[-1] / first.squared_norm - 1) > 0.3
    assert last.share < 0.5 * first.share
    assert last.error < 0.1 * first.error


def test_it_is_not_the_encoders_jacobian(quick):
    for stage in quick("denoising-link").stages:
        assert stage.encoder > 1.3 * stage.measured[-1]
