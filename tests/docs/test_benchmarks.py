"""The peers in the benchmark compute what their names say, or the comparison would be worth nothing."""

import json
import math
import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import pytest
import torch

import contractive as ct

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "benchmarks"))
peers = pytest.importorskip("peers")


@pytest.fixture
def encoder():
    torch.manual_seed(0)
    return ct.mlp(9, hidden=(7,), code=5).encoder.double()


@pytest.mark.parametrize("name", ["exact", "vmap(jacrev)", "unit loop"])
def test_exact_methods_agree(encoder, name):
    x = torch.rand(6, 9, dtype=torch.float64)
    code, norm = peers.METHODS[name](encoder, x)
    torch.testing.assert_close(code, encoder(x))
    torch.testing.assert_close(norm, ct.jacobian(encoder, x).square().sum((1, 2)))


@pytest.mark.parametrize("name", ["probes", "forward probes", "random vjp"])
def test_estimates_are_unbiased(encoder, name):
    torch.manual_seed(1)
    x = torch.rand(6, 9, dtype=torch.float64)
    draws = torch.stack([peers.METHODS[name](encoder, x)[1].detach().mean() for _ in range(2000)])
    truth = ct.squared_norm(encoder, x).detach().mean()
    assert abs(float((draws.mean() - truth) / (draws.std() / len(draws) ** 0.5))) < 4


def test_the_last_layer_is_not_the_norm(encoder):
    x = torch.rand(6, 9, dtype=torch.float64)
    norm = peers.METHODS["last layer (wrong)"](encoder, x)[1]
    assert float((norm / ct.squared_norm(encoder, x)).detach().log().abs().min()) > 0.1


@pytest.fixture(scope="module")
def render():
    place = spec_from_file_location("render_benchmarks", ROOT / "benchmarks" / "render.py")  # reproduce has one too
    loaded = module_from_spec(place)
    place.loader.exec_module(loaded)
    return loaded


def test_the_picture_of_the_packages_shows_the_committed_figures(render):
    found = render.read("packages.json")
    drawn = (ROOT / "docs" / "images" / "packages.svg").read_text()
    assert drawn == render.packages_picture(found)
    for name, entry in found["seconds_per_epoch"].items():
        assert f">{name}<" in drawn and f">{entry['ratio']:.2f}<" in drawn


def test_the_picture_of_the_steps_shows_the_committed_figures(render):
    found = render.read("step.json")
    drawn = (ROOT / "docs" / "images" / "step.svg").read_text()
    assert drawn == render.picture(found)
    values = [row["ratio"]["auto"] for row in found["rows"] if row["batch"] == 128]
    assert values
    assert all(f">{value:.2f}<" in drawn for value in values)


def test_objectives_are_compared_in_pairs_with_an_interval():
    compared = pytest.importorskip("outcome").compared
    last = {"net, exact, weight 1, seed 0": 1.0, "net, exact, weight 1, seed 1": 2.0}
    last |= {f"net, auto, weight 1, seed {seed}": math.exp(seed / 10) for seed in (0, 2)}
    last["net, auto, weight 1, seed 1"] = 2 * math.exp(0.2)
    pieces = {key: {"curve": [{"objective": value}]} for key, value in last.items()}
    found = compared(pieces, "auto", "exact")  # log-ratios 0 and 0.2; the third has no partner
    half = 12.706 * 0.1  # Student's t for one degree of freedom, times the error of the mean
    expected = {"mean": 0.1, "low": 0.1 - half, "high": 0.1 + half, "pairs": 2}
    assert found == pytest.approx(expected, rel=1e-4)


def test_the_cost_of_finding_the_weight_is_the_measured_range():
    found = json.loads((ROOT / "benchmarks" / "results" / "weight_cost.json").read_text())
    ratios = [ratio for each in found.values() for ratio in each]
    assert len(ratios) == 9
    words = f"{min(ratios):.1f} to {max(ratios):.1f}"
    assert f"took {words} times as long" in (ROOT / "docs" / "choosing-the-weight.md").read_text()
    assert f"costs {words} plain runs" in ct.fit_with_max_error_increase.__doc__
