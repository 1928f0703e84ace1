"""Trials are computed once, written whole, refused under other settings, and spread over processes."""

import multiprocessing
import os
import time
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import pytest
import torch

import sweeps
from contractive.core.artifacts import ArtifactError
from contractive.models import NetworkSettings
from contractive.studies.compare import CompareSettings, compare
from contractive.studies.sweep import SweepSettings, sweep
from contractive.studies.trials import Ledger, in_parallel


@dataclass(frozen=True)
class Found:
    value: float
    more: dict[str, float]


def ledger(folder, **settings):
    return Ledger(folder / "trials.json", {"seeds": (1, 2), **settings}, Found)


def test_a_trial_is_computed_once(tmp_path):
    found = Found(1.5, {"loss": float("inf")})
    assert ledger(tmp_path).once("a", lambda: found) == found
    assert ledger(tmp_path).once("a", lambda: pytest.fail("computed twice")) == found
    assert [trial.key for trial in ledger(tmp_path).trials] == ["a"]


def test_a_trial_that_failed_is_computed_again(tmp_path):
    with pytest.raises(ZeroDivisionError):
        ledger(tmp_path).once("a", lambda: 1 / 0)
    assert ledger(tmp_path).once("a", lambda: Found(2.0, {})).value == 2.0
    assert [trial.state for trial in ledger(tmp_path).trials] == ["failed", "finished"]


def test_what_dead_processes_left_is_removed_when_nobody_is_at_work(tmp_path):
    found = ledger(tmp_path)
    (tmp_path / "workers").mkdir()
    for name in ("workers/dead", ".writing-trials.json.x"):
        (tmp_path / name).touch()
    with found.at_work():
        assert [path.name for path in (tmp_path / "workers").iterdir()] == [found.worker]
        assert not (tmp_path / ".writing-trials.json.x").exists()
        (tmp_path / ".writing-trials.json.y").touch()
        with ledger(tmp_path).at_work():
            assert (tmp_path / ".writing-trials.json.y").exists()
    assert not (tmp_path / "workers").exists()


def test_other_settings_are_refused_by_name_unless_forced(tmp_path):
    ledger(tmp_path, learning_rate=0.1).once("a", lambda: Found(1.0, {}))
    with pytest.raises(ValueError, match=r"one of the same settings, got .* with learning rate 0.1 instead of 0.2"):
        ledger(tmp_path, learning_rate=0.2)
    assert Ledger(tmp_path / "trials.json", {"seeds": 3}, Found, force=True).trials == ()


@pytest.mark.parametrize("text", ["{", '{"settings": {}, "runs": {}}'], ids=["cut", "of an earlier layout"])
def test_a_file_that_is_none_is_refused(tmp_path, text):
    (tmp_path / "trials.json").write_text(text)
    with pytest.raises(ArtifactError, match="Make it again"):
        ledger(tmp_path)


def squared(rows, number):
    return number**2, float(torch.from_numpy(rows).sum()), os.getpid()


def test_tasks_of_several_rounds_are_computed_here_with_one_job():
    rows = np.ones((600, 1000), np.float32)
    with in_parallel(1) as run:
        found = [sorted(run(partial(squared, rows), range(3))) for _ in range(2)]
    assert [[value[:2] for value in each] for each in found] == [[(0, 6e5), (1, 6e5), (4, 6e5)]] * 2
    assert {value[2] for value in found[0]} == {os.getpid()}


# processes that start anew take seconds, and joblib keeps them: all tests that need some stand here

COMPARED = CompareSettings(
    NetworkSettings(hidden=(8,), code=3), sweeps.FITS.training, objectives=("contractive",), seeds=2
)


@pytest.fixture(scope="module")
def split(tmp_path_factory):
    return sweeps.split_of(sweeps.write_data(tmp_path_factory.mktemp("data")))


def test_two_processes_compare_as_one(split):
    ours, theirs = (compare(split, replace(COMPARED, jobs=jobs)).objectives for jobs in (1, 2))
    assert [each.name for each in theirs] == ["standard", "contractive"]
    for here, there in zip(ours, theirs, strict=True):
        assert here.seeds[1].metrics["r2"] == pytest.approx(there.seeds[1].metrics["r2"], rel=1e-4)


def test_two_processes_do_the_trials_of_one(split, tmp_path):
    ours, theirs = (
        sweep(split, SweepSettings(sweeps.FITS, (0.001, 0.01), accuracy=True, jobs=jobs), tmp_path / str(jobs)).trials
        for jobs in (1, 2)
    )
    assert {trial.weight: trial.metrics for trial in ours} == {trial.weight: trial.metrics for trial in theirs}


def test_an_interrupt_ends_a_comparison(split):
    def interrupt(what, done, expected):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        compare(split, replace(COMPARED, jobs=2), on_progress=interrupt)


def test_an_interrupt_ends_the_processes_at_once():
    processes = []

    def interrupted():
        with in_parallel(2) as run:
            for _ in run(time.sleep, (0.0, 600.0, 600.0)):
                processes.extend(multiprocessing.active_children())
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert len(processes) >= 2
    for process in processes:
        process.join(120)
        assert process.exitcode is not None
