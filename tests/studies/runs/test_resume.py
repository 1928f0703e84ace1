"""A run is resumed with other settings of the machine, and with no others."""

import pytest
import torch

import sweeps
from contractive.studies.runs import RunError, open_run, train


@pytest.fixture(scope="module")
def split(tmp_path_factory):
    return sweeps.split_of(sweeps.write_data(tmp_path_factory.mktemp("data")))


class Stop(Exception):
    pass


def stops_at_three(stage, done, total):
    if done == 3:
        raise Stop


def test_other_threads_go_on_where_the_run_was(split, tmp_path):
    settings = sweeps.FITS.changed(weight=0.01, threads=1)
    whole = train(split, settings, tmp_path / "whole", progress=False)
    options = {"progress": False, "checkpoint_seconds": 0}
    with pytest.raises(Stop):
        train(split, settings, tmp_path / "run", on_progress=stops_at_three, **options)
    with pytest.raises(RunError, match=r"resume must continue with the settings of the run, got batch_size 8 instead"):
        train(split, settings.changed(batch_size=8), tmp_path / "run", resume=True, **options)
    resumed = train(split, settings.changed(threads=2), tmp_path / "run", resume=True, **options)
    assert len(resumed.history) == len(whole.history)
    for ours, theirs in zip(resumed.model.parameters(), whole.model.parameters(), strict=True):
        torch.testing.assert_close(ours, theirs)
    assert open_run(tmp_path / "run").finished
