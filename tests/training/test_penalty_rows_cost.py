"""When the choice of rows for the penalty is made: by the counted cost of a step and of measuring the variances."""

import math

import pytest
import torch

import contractive as ct
from contractive.training._penalty_rows import Choice, PenaltyRows

pytestmark = pytest.mark.filterwarnings("ignore::contractive.training.CollapseWarning")


def test_a_small_network_keeps_all_rows_and_is_not_measured():
    model, x, objective = ct.mlp(8, hidden=(7,), code=5), torch.rand(64, 8), ct.objectives.contractive(1e-5)
    history = ct.fit(model, x, objective, max_epochs=2, batch_size=32, progress=False)
    assert history["penalty_rows"] == [32.0, 32.0]
    rows = PenaltyRows(x, None, 32, 0)
    rows.steps = 10**9
    rows.renew(model, objective)
    assert (rows.choices, rows.variances) == ({}, {})


def test_variances_are_measured_once_fewer_rows_could_have_paid_for_it():
    model, x = ct.mlp(64, hidden=(128, 64), code=32), torch.rand(1280, 64)
    objective = ct.objectives.contractive(1e-5)
    counts = {rows: ct.jacobian.plan(model.encoder, x[:rows]).multiplications["code probes"] for rows in (8, 128)}
    passes = 64 * 128 + 128 * 64 + 64 * 32  # of the encoder, a row
    measurement = 2 * 8 * (counts[8] + 5 * 8 * passes + 2**25)  # twice on each of eight groups of eight rows
    needed = math.ceil(measurement / (counts[128] - counts[8]))
    for steps, measured in ((needed - 10 - 1, False), (needed - 10, True)):  # ten steps to an epoch
        rows = PenaltyRows(x, None, 128, 0)
        rows.steps = steps
        rows.renew(model, objective)
        assert ("contractive" in rows.variances) == measured


def test_rows_that_cost_a_twentieth_of_a_step_are_kept():
    model, x = ct.mlp(784, hidden=(256, 128), code=64), torch.rand(128, 784)
    objective = ct.objectives.contractive(1.0)
    chosen = PenaltyRows(x, None, 128, 0)._chosen(model, objective.terms[0], 1e6, 1.0, 1.0)  # eight would do
    counts = {rows: ct.jacobian.plan(model.encoder, x[:rows]).multiplications["code probes"] for rows in (8, 16, 24)}
    step = 5 * 128 * (784 * 256 + 256 * 128 + 128 * 64) + 2**25 + counts[8]
    assert counts[16] - counts[8] <= 0.05 * step < counts[24] - counts[8]
    assert chosen == Choice("probes", 16)
