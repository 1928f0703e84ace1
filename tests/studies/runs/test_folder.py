"""The files of a run."""

import math

import numpy as np
import pytest

from contractive.core.files import write_text
from contractive.data import load
from contractive.objectives import ObjectiveSettings
from contractive.studies.runs import AutoencoderRun, AutoencoderSettings, Files, RunError, open_run, train
from contractive.studies.runs._folder import HistoryTable
from contractive.training import TrainingSettings


def test_columns_that_some_epochs_lack_are_no_numbers_there(tmp_path):
    table = HistoryTable(tmp_path / "history.csv")
    table.write([{"epoch": 1, "loss": 2.5}, {"epoch": 2, "loss": 1.5, "weight": 0.1}])
    first, second = table.read()
    assert (first["loss"], second) == (2.5, {"epoch": 2, "loss": 1.5, "weight": 0.1})
    assert math.isnan(first["weight"])
    write_text(tmp_path / "history.csv", "epoch,loss\n1,2.5\n2\n")
    with pytest.raises(RunError, match=r"history\.csv is not a table of numbers: .*It was changed; train again"):
        table.read()


@pytest.mark.filterwarnings("ignore")
def test_a_run_keeps_the_name_of_data_that_is_no_text(tmp_path):
    path = tmp_path / "a\udce9.npy"  # a byte that is no UTF-8, as old archives have in names
    np.save(path, np.random.default_rng(0).normal(size=(30, 3)).astype(np.float32))
    settings = AutoencoderSettings(
        objective=ObjectiveSettings("contractive", 0.1),
        start="random",
        training=TrainingSettings(max_epochs=1, device="cpu"),
    )
    train(load(path), settings, tmp_path / "run", progress=False)
    run = open_run(tmp_path / "run", AutoencoderRun)
    assert run.document.data.name == "a\udce9"
    assert run.load_data().train.shape == (22, 3)


def test_a_folder_whose_name_is_no_text_is_refused_before_the_work(tmp_path):
    with pytest.raises(RunError, match=r"out must have a name in UTF-8, got '.*b\\udce9'\. Choose another one\."):
        Files(tmp_path / "b\udce9").check()
