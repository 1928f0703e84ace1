"""The size of the code by the data: spheres, of known dimension, and the trace of the reconstruction's Jacobian."""

import numpy as np
import pytest
import torch

import contractive as ct
from contractive.core.errors import InvalidValue
from contractive.data import Options, load
from contractive.studies.runs import AutoencoderSettings
from contractive.training import principal_components

pytestmark = pytest.mark.filterwarnings("ignore::contractive.CollapseWarning")


def sphere(dimension, rows=300):
    """Rows on a sphere in 20-D with a little noise."""
    g = np.random.default_rng(0)
    x = g.normal(size=(rows, dimension + 1))
    x /= np.linalg.norm(x, axis=1, keepdims=True)
    turn = np.linalg.qr(g.normal(size=(20, 20)))[0][:, : dimension + 1]
    return x @ turn.T + 0.01 * g.normal(size=(rows, 20))


@pytest.mark.parametrize("dimension", [1, 2, 4, 6])
def test_the_rule_of_eigenvalues_finds_the_space_that_a_sphere_fills(dimension):
    assert principal_components(torch.from_numpy(sphere(dimension)), 1).number() == dimension + 1


def test_the_dimension_is_the_mean_trace_of_the_jacobian_of_the_reconstruction():
    x = sphere(1, 100)
    features = ct.ContractiveAutoencoder(n_components="auto", noise=0.7, max_epochs=2, random_state=0).fit(x)
    assert features.n_components_ == 2
    net = features.autoencoder_
    rows = torch.from_numpy(features._scaling.apply(x[:5])).float()
    traces = [torch.func.jacrev(lambda row: net(row[None])[0])(row).trace().item() for row in rows]
    assert features.dimension(x[:5]) == pytest.approx(np.mean(traces), rel=1e-4)


@pytest.mark.parametrize(("size", "rule"), [(0, "be at least 1, got 0"), ("some", "be a whole number, got 'some'")])
def test_what_is_no_size_is_refused(size, rule):
    with pytest.raises((InvalidValue, TypeError), match=f"n_components must {rule}"):
        ct.ContractiveAutoencoder(n_components=size).fit(sphere(1))
    with pytest.raises((InvalidValue, TypeError), match=f"code must {rule}"):
        AutoencoderSettings.of(code=size)


def test_a_run_takes_the_same_rule(tmp_path):
    np.save(tmp_path / "x.npy", sphere(2))
    split = load(tmp_path / "x.npy", options=Options(scale="none"))
    assert AutoencoderSettings.of(code="auto").completed(split).network.code == 3
    with pytest.raises(InvalidValue, match="code must be a number before a network is built, got auto"):
        _ = AutoencoderSettings.of(code="auto").network.size
