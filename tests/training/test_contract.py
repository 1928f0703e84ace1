"""`contract` makes the Jacobian of a pretrained encoder small within the allowed change of its code."""

import copy

import pytest
import torch
from torch import nn

import contractive as ct
from contractive.core.errors import InvalidType, InvalidValue
from contractive.objectives import JacobianNorm
from contractive.training import SearchWarning, WeightWarmUp
from interrupted import Stop, StopAfterTwo

SETTINGS = {"max_epochs": 10, "batch_size": 32, "learning_rate": 0.01, "progress": False}


def rows(count=256, seed=0):
    return torch.rand(count, 6, generator=torch.Generator().manual_seed(seed))


def pretrained():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(6, 16), nn.BatchNorm1d(16), nn.Dropout(0.5), nn.Tanh(), nn.Linear(16, 4))


@pytest.fixture(scope="module")
def run():
    encoder, x = pretrained(), rows()
    before = copy.deepcopy(encoder).eval()
    return before, encoder, x, ct.contract(encoder, x, max_code_change=0.1, **SETTINGS)


def test_the_code_changes_as_far_as_allowed_measured_by_hand(run):
    before, encoder, x, history = run
    with torch.no_grad():
        old, new = before(x).double(), encoder(x).double()
    change = (new - old).square().sum(1).mean() / old.var(0, correction=0).sum()
    assert float(change) == pytest.approx(0.1, rel=0.2)
    assert history["code_change"][-1] == pytest.approx(float(change), rel=1e-4)


def test_a_linear_encoder_comes_to_the_closed_form():
    """min_U E||(U - W) (x - mean)||^2 + w ||U||^2 is at U = W S (S + w I)^-1, S the covariance of x."""
    torch.manual_seed(0)
    encoder, x = nn.Linear(6, 4), rows() * torch.tensor([1.0, 1.0, 0.5, 0.5, 0.2, 0.2])
    old, covariance = encoder.weight.detach().clone(), torch.cov(x.T, correction=0)
    history = ct.contract(encoder, x, max_code_change=0.1, **SETTINGS | {"max_epochs": 15, "learning_rate": 0.02})

    def best(weight):
        return old @ covariance @ torch.linalg.inv(covariance + weight * torch.eye(6))

    def change(matrix):
        moved = (matrix - old) @ covariance @ (matrix - old).T
        return float(moved.trace() / (old @ covariance @ old.T).trace())

    low, high = 1e-4, 1.0
    for _ in range(40):
        middle = (low * high) ** 0.5
        low, high = (middle, high) if change(best(middle)) < history["code_change"][-1] else (low, middle)
    assert history["code_change"][-1] == pytest.approx(0.1, rel=0.15)
    assert history["weight"][-1] == pytest.approx(low, rel=0.2)
    reached, least = encoder.weight.detach().square().sum(), best(low).square().sum()
    assert float(reached) == pytest.approx(float(least), rel=0.01)
    assert float(least) < 0.5 * float(old.square().sum())
    assert history.reference[0]["train_penalty"] == pytest.approx(float(old.square().sum()), rel=1e-5)


def test_batch_norm_and_dropout_stay_in_evaluation_mode(run):
    before, encoder, _, _ = run
    assert not encoder.training
    assert torch.equal(encoder[1].running_mean, before[1].running_mean)


def test_frozen_parameters_stay_and_a_search_that_misses_is_reported():
    encoder = pretrained()
    encoder[0].requires_grad_(False)
    first, last = encoder[0].weight.clone(), encoder[4].weight.clone()
    settings = SETTINGS | {"max_epochs": 1, "learning_rate": 1e-5}
    with pytest.warns(SearchWarning, match=r"of its variance, 0.1 are allowed. Train longer"):
        ct.contract(encoder, rows(64), max_code_change=0.1, **settings)
    assert torch.equal(encoder[0].weight, first)
    assert not torch.equal(encoder[4].weight, last)


@pytest.mark.filterwarnings("ignore::contractive.training.SearchWarning")
def test_an_interrupted_run_is_resumed_bit_for_bit(tmp_path):
    settings = SETTINGS | {"max_epochs": 4, "schedule": "constant", "checkpoint_seconds": 0}
    whole, part, path = pretrained(), pretrained(), tmp_path / "last.ckpt"
    history = ct.contract(whole, rows(64), **settings)

    with pytest.raises(Stop):
        ct.contract(part, rows(64), checkpoint=path, callbacks=[StopAfterTwo()], **settings)
    part = pretrained()
    resumed = ct.contract(part, rows(64), checkpoint=path, resume=True, **settings)
    assert resumed["weight"] == history["weight"]
    assert all(torch.equal(a, b) for a, b in zip(whole.parameters(), part.parameters(), strict=True))


@pytest.mark.filterwarnings("ignore::contractive.training.SearchWarning")
def test_another_penalty_and_a_loader():
    loader = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(rows(), torch.arange(256)), batch_size=32)
    settings = SETTINGS | {"max_epochs": 2}
    history = ct.contract(
        pretrained(), loader, penalty=JacobianNorm("probes", num_probes=2), validation=rows(64, 1), **settings
    )
    assert "code probes" in history.penalty_path
    assert {"val_reconstruction", "val_penalty"} <= set(history.columns)


def test_a_code_as_wide_as_the_rows_is_no_bad_reconstruction(recwarn):
    torch.manual_seed(0)
    encoder = nn.Sequential(nn.Linear(6, 6), nn.Tanh())
    ct.contract(encoder, rows(64), **SETTINGS | {"max_epochs": 20})
    assert not [one for one in recwarn if "Collapsed" in str(one.message)]


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"max_code_change": 0}, InvalidValue, "max_code_change must be"),
        ({"encoder": torch.tanh}, InvalidType, "encoder must be a torch module"),
        ({"callbacks": [WeightWarmUp(1)]}, InvalidValue, "be without WeightWarmUp beside `max_code_change`"),
        ({"data": [rows(8)]}, InvalidValue, "validation must be rows in memory where the data are not"),
        ({"data": torch.ones(8, 6)}, InvalidValue, "encoder must have a code that varies with the data"),
    ],
)
def test_refused(arguments, error, message):
    arguments = {"encoder": pretrained(), "data": rows(8)} | arguments
    with pytest.raises(error, match=message):
        ct.contract(arguments.pop("encoder"), arguments.pop("data"), **arguments, **SETTINGS)
