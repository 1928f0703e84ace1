"""What a page that runs a model is given: examples with their row numbers, the limit of the error, the layers."""

import csv

import numpy as np
import pytest
import torch
from torch import nn

from contractive.core.errors import ContractiveError, InvalidValue
from contractive.data import Options, load
from contractive.models import mlp
from contractive.studies import explore as module
from contractive.studies import runs
from contractive.studies.explore import explore, layers_of

pytestmark = pytest.mark.filterwarnings("ignore::contractive.CollapseWarning")


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run on a table of two columns, x and 2 x, labelled by the sign; row i has x = sin(i)."""
    folder = tmp_path_factory.mktemp("runs")
    with open(folder / "sines.csv", "w", newline="") as file:
        rows = [(repr(x), repr(2 * x), "up" if x > 0 else "down") for x in np.sin(np.arange(200)).tolist()]
        csv.writer(file).writerows([("x", "y", "sign"), *rows])
    split = load(folder / "sines.csv", options=Options(label="sign"))
    settings = runs.AutoencoderSettings.of(code=1, hidden=(4,), weight=0.01, max_epochs=2, device="cpu")
    runs.train(split, settings, folder / "run")
    return runs.open_run(folder / "run", runs.AutoencoderRun)


def test_examples_are_test_rows_with_their_numbers_in_the_file(run):
    found = explore(run, run.document.source.data, examples=10)
    assert (found.what, len(found.rows), found.name) == ("test rows", 10, "sines")
    raw = run.preparation.inverse(found.rows)
    np.testing.assert_allclose(raw["x"], np.sin(found.numbers), atol=1e-6)
    assert (run.load_data().parts[found.numbers] == 2).all()
    assert found.labels == tuple("up" if x > 0 else "down" for x in np.sin(found.numbers))


def test_examples_of_other_rows_are_evenly_spaced_with_their_numbers(run, tmp_path):
    path = tmp_path / "new.csv"
    rows = [f"{2 * x!r},{x!r},{'up' if x > 0 else 'down'}" for x in np.sin(np.arange(1000) / 7).tolist()]
    path.write_text("\n".join(["y,x,sign", *rows]))
    found = explore(run, path, examples=20)
    assert (found.what, found.limit_of, len(found.rows)) == ("rows", "validation rows", 20)
    raw = run.preparation.inverse(found.rows)
    np.testing.assert_allclose(raw["x"], np.sin(found.numbers / 7), atol=1e-6)
    assert np.ptp(np.diff(found.numbers)) <= 32
    assert found.labels == tuple("up" if x > 0 else "down" for x in raw["x"])


def test_the_limit_is_the_quantile_of_validation_rows(run):
    found, model = explore(run, run.document.source.data), run.model()
    validation = torch.from_numpy(run.load_data().validation)
    with torch.no_grad():
        errors = (model(validation) - validation).square().sum(1).double()
    assert found.limit == pytest.approx(float(torch.quantile(errors, 0.99)), rel=1e-5)
    share = 1 - found.errors.sum() / ((found.rows - found.rows.mean(0)) ** 2).sum()
    assert found.explained == pytest.approx(share)


def test_fewer_examples_of_wide_rows_and_at_least_two(run, monkeypatch):
    monkeypatch.setattr(module, "_EXAMPLE_NUMBERS", 24)
    assert len(explore(run, run.document.source.data).rows) == 12
    with pytest.raises(InvalidValue, match="examples must be at least 2, got 1"):
        explore(run, run.document.source.data, examples=1)


def test_a_large_model_is_computed_beforehand(run, monkeypatch):
    monkeypatch.setattr(module, "MOST_WEIGHTS", 10)
    found, model = explore(run, run.document.source.data, examples=5), run.model()
    assert found.encoder is None
    assert "weights, more than the 10 that a page holds" in found.why_fixed
    assert found.walks.shape == (5, 2, 4, 2)
    x = torch.from_numpy(found.rows)
    with torch.no_grad():
        jacobian = torch.func.vmap(torch.func.jacrev(model))(x)
        direction = torch.linalg.svd(jacobian).Vh[:, 0]
        spread = ((x - x.mean(0)) @ direction.T).std(0, correction=0)
        moved = model(x + found.steps[3] * spread[:, None] * direction)
        back = model(x - found.steps[3] * spread[:, None] * direction)
    walks = torch.from_numpy(found.walks[:, 0])
    sign = (moved - walks[:, 3]).norm(dim=1) < (back - walks[:, 3]).norm(dim=1)  # a direction has no sign
    torch.testing.assert_close(walks[:, 3], torch.where(sign[:, None], moved, back), atol=1e-4, rtol=1e-4)


def test_an_error_that_is_not_finite_is_refused(run, monkeypatch):
    monkeypatch.setattr(module, "_errors", lambda autoencoder, rows: np.full(len(rows), np.nan))
    with pytest.raises(ContractiveError, match="The reconstruction error is not finite"):
        explore(run, run.document.source.data)


class Doubled(nn.Linear):
    def forward(self, x):
        return 2 * super().forward(x)


def hooked():
    layer = nn.Linear(3, 2)
    layer.register_forward_hook(lambda module, inputs, output: output + 1)
    return layer


OTHERS = {
    "a layer of another kind": lambda: nn.Sequential(nn.Linear(3, 2), nn.Softmax(1)),
    "a derived type": lambda: Doubled(3, 2),
    "a hook": hooked,
    "another padding": lambda: nn.Sequential(nn.Unflatten(1, (1, 1, 3)), nn.Conv2d(1, 1, 1, padding_mode="circular")),
    "a padding by name": lambda: nn.Sequential(nn.Unflatten(1, (1, 1, 3)), nn.Conv2d(1, 1, 1, padding="same")),
    "the other GELU": lambda: nn.Sequential(nn.Linear(3, 2), nn.GELU(approximate="tanh")),
    "a map over more than one axis": lambda: nn.Sequential(nn.Unflatten(1, (1, 3)), nn.Linear(3, 2)),
}


@pytest.mark.parametrize("make", OTHERS.values(), ids=OTHERS)
def test_other_modules_are_not_taken_for_layers(make):
    assert layers_of(make().eval(), torch.rand(1, 3)) is None


def test_weights_beyond_half_precision_are_not_taken():
    encoder = mlp(3, code=2).encoder
    nn.init.constant_(encoder[0].weight, 7e4)
    assert layers_of(encoder, torch.rand(1, 3)) is None
