"""A new metric is one record: it reaches Python, the table of the command line, results.csv and the page."""

import csv
from dataclasses import replace

import pytest
import torch
from typer.testing import CliRunner

from comparisons import Page
from contractive.cli._commands import app
from contractive.models import mlp
from contractive.studies.compare import Results
from contractive.studies.metrics import METRICS, Metric, Subject, measure

DUMMY = Metric(
    "largest_error", "largest error", better="lower", group="Reconstruction", help="Error of the worst <row>.",
    function=lambda subject: float(subject.reconstruction.errors.max()),
)  # fmt: skip


@pytest.fixture
def compared(tmp_path, monkeypatch):
    monkeypatch.setitem(METRICS, DUMMY.key, DUMMY)
    command = "compare digits --max-epochs 1 --seeds 1 --objectives standard --jobs 1 --hidden 8 --code 4"
    result = CliRunner().invoke(app, [*command.split(), "--out", str(tmp_path / "out")], env={"COLUMNS": "200"})
    assert result.exit_code == 0, result.output
    return tmp_path / "out", result.output


def test_it_is_in_the_results_the_tables_and_the_page(compared):
    folder, printed = compared
    value = Results.read(folder)["standard"].first.metrics[DUMMY.key]
    assert value > Results.read(folder)["standard"].mean("reconstruction_error")
    (line,) = [line for line in printed.splitlines() if "largest error ↓" in line]
    assert DUMMY.text(value) in line
    with open(folder / "results.csv", newline="") as file:
        written = {row["objective"]: float(row[DUMMY.key]) for row in csv.DictReader(file)}
    assert written.keys() == {"standard", "pca"}
    assert written["standard"] == value
    text = (folder / "report.html").read_text()
    assert float(Page(text).cells[f"standard/{DUMMY.key}"]["data-mean"]) == value
    assert "Error of the worst &lt;row&gt;." in text


def test_results_with_it_are_read_without_it(compared, monkeypatch):
    folder, _ = compared
    monkeypatch.delitem(METRICS, DUMMY.key)
    results = Results.read(folder)
    assert DUMMY.key in results["standard"].first.metrics
    assert DUMMY.key not in results.keys


def test_a_metric_whose_measurement_fails_is_left_out_with_a_warning(monkeypatch, caplog):
    def fail(subject):
        raise ValueError("all rows are alike.\nMore")

    monkeypatch.setitem(METRICS, DUMMY.key, replace(DUMMY, function=fail))
    generator = torch.Generator().manual_seed(0)
    found = measure(Subject(mlp(3, code=2).eval(), torch.rand(20, 3, generator=generator), 1.0, generator))
    assert DUMMY.key not in found
    assert found["reconstruction_error"] > 0
    assert caplog.messages == ["Not measured: largest error (all rows are alike)."]
