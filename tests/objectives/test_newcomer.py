"""A new objective is its penalty and its record: the estimator, the command line, tables and pages know it then."""

import re
import sys

import options
import pytest
from sklearn.datasets import load_iris
from typer.testing import CliRunner

import contractive as ct
from contractive.cli import _commands
from contractive.cli._commands import COMMANDS, app
from contractive.objectives import OBJECTIVES, NamedObjective, Objective, ObjectiveSettings, Term
from contractive.studies.compare import Results
from contractive.studies.runs import open_run

SMALL = "--max-epochs 2 --hidden 8 --code 4".split()


def largest_unit(encode, x):
    """The penalty."""
    code = encode(x)
    return code, code.amax(1)


@pytest.fixture(autouse=True)
def dummy(monkeypatch, tmp_path_factory):
    """The record, and the description of the commands that scripts/options.py then writes."""
    record = NamedObjective(
        "dummy",
        lambda weight, loss: Objective("dummy", loss, terms=(Term("largest_unit", weight, largest_unit),)),
        "Adds the largest unit of the code.",
        color="#123456",
        symbol="hourglass",
        weight_help="weight of the largest unit",
        guess=lambda share, scales: 0.1 * share * scales.error,
        searched=True,
    )
    monkeypatch.setitem(OBJECTIVES, "dummy", record)
    for module, _ in COMMANDS.values():  # a command reads the registry when it is imported
        monkeypatch.delitem(sys.modules, f"contractive.cli.{module}", raising=False)
    path = tmp_path_factory.mktemp("described") / "options.json"
    path.write_text(options.document(), encoding="utf-8")
    monkeypatch.setattr(_commands, "OPTIONS", path)


def contractive(*arguments):
    result = CliRunner().invoke(app, [str(argument) for argument in arguments], env={"COLUMNS": "200"})
    assert result.exit_code == 0, result.output
    return result.output


def test_the_settings_take_it():
    assert ObjectiveSettings("dummy", 0.3).make().terms[0].weight == 0.3
    assert ObjectiveSettings("dummy").searches


@pytest.mark.filterwarnings("ignore::contractive.CollapseWarning")
@pytest.mark.parametrize("weight", [0.3, "auto"])
def test_the_estimator_takes_it(weight):
    estimator = ct.ContractiveAutoencoder(n_components=4, objective="dummy", weight=weight, max_epochs=4)
    history = estimator.fit(load_iris().data).history_
    assert history["train_largest_unit"].gt(0).any()
    assert estimator.weight_ == 0.3 if weight == 0.3 else estimator.weight_ > 0


def test_the_command_line_trains_it(tmp_path):
    told = contractive("train", "digits", "--objective", "dummy", "--weight", "0.3", "--out", tmp_path / "run", *SMALL)
    assert "largest_unit" in (tmp_path / "run" / "history.csv").read_text()
    settings = open_run(tmp_path / "run").settings.objective
    assert (settings.objective, settings.weight) == ("dummy", 0.3)
    assert "dummy" in contractive("info", tmp_path / "run")
    assert told


def test_help_lists_it():
    for command in ("train", "compare", "sweep"):
        assert "dummy" in contractive(command, "--help")


def test_a_comparison_shows_it_in_table_and_page(tmp_path):
    options = ["--objectives", "dummy", "--seeds", "1", "--jobs", "1", "--out", tmp_path / "compared", *SMALL]
    table = contractive("compare", "digits", *options)
    assert "dummy" in table
    assert [result.name for result in Results.read(tmp_path / "compared").objectives] == ["standard", "dummy"]
    page = (tmp_path / "compared" / "report.html").read_text()
    assert "Adds the largest unit of the code." in page
    assert "weight of the largest unit" in page
    assert "#123456" in re.search(r'id="figures">(.*?)</script>', page).group(1)
