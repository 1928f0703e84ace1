"""A new section is its class and its place in `SECTIONS`; a new picture is a few lines in its section's file."""

import json
from dataclasses import dataclass

import plotly.graph_objects as go
import pytest
from torch import Tensor
from typer.testing import CliRunner

from comparisons import Page
from contractive.cli._commands import app
from contractive.plots import Room, panels
from contractive.studies.metrics import Metric
from contractive.studies.pages import Picture
from contractive.studies.runs import AutoencoderRun, open_run
from contractive.studies.sections import (
    SECTIONS,
    AnalysisSettings,
    Caveat,
    Group,
    Section,
    analysis_sentences,
    analyze,
    read_analysis,
    read_rows,
)

NAME, GROUP = "brightness", Group("A group of its own", "It appears without being listed anywhere.")


@dataclass(frozen=True)
class Means:
    by_row: Tensor


class Brightness(Section[Means], name=NAME, title="Brightness of rows", group=GROUP, topic="Brightness"):
    """A dummy: the mean of every row."""

    metrics = (Metric("mean", "mean brightness", "input", help="Mean over rows and features."),)

    def measure(self, subject) -> Means:
        return Means(subject.rows.measured.mean(1))

    def values(self, result):
        return {"mean": float(result.by_row.mean())}

    def pictures(self, results, context):
        yield Picture("brightness", "Brightness", f"Of {context.rows}.", drawn(), "Points at their brightness.")

    def sentences(self, document):
        return f"The mean brightness is {document.value(self.name, 'mean'):.3f}."

    def caveats(self, document):
        yield Caveat(9, "Brightness is a dummy.")


class WithNewPicture(type(SECTIONS["codes"])):
    """The section of the codes with one picture more."""

    def pictures(self, results, context):
        yield from super().pictures(results, context)
        yield Picture("newcomer", "A new picture of an existing result", "A caption.", drawn())


def drawn():
    return panels([""], Room(200, 200)).add_trace(go.Scatter(x=[0, 1], y=[0, 1]))


def run(*arguments):
    return CliRunner().invoke(app, [str(argument) for argument in arguments], env={"COLUMNS": "200"})


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("newcomer") / "run"
    assert run("train", "digits", "--weight", 1e-4, "--max-epochs", 5, "--code", 6, "--out", folder).exit_code == 0
    return folder


@pytest.fixture
def registered(monkeypatch):
    monkeypatch.setitem(SECTIONS, NAME, Brightness())
    monkeypatch.setitem(SECTIONS, "codes", WithNewPicture())


def test_a_section_reaches_python(registered, folder):
    opened = open_run(folder, AutoencoderRun)
    rows, settings = read_rows(opened, "digits"), AnalysisSettings(num_points=20)
    found = analyze(opened.model(), rows, settings, only=[NAME])
    assert found.results[NAME].by_row.shape == (len(rows.measured),)
    assert found.value(NAME, "mean") == pytest.approx(float(rows.measured.mean()))
    assert dict(analysis_sentences(found))["Brightness"] == f"The mean brightness is {found.value(NAME, 'mean'):.3f}."


def test_section_and_picture_reach_command_line_document_and_page(registered, folder, tmp_path):
    result = run("analyze", folder, "digits", "--rows", 40, "--no-umap", "--out", tmp_path / "analysis")
    assert result.exit_code == 0, result.output
    assert "Brightness: The mean brightness is" in result.stdout
    assert "Brightness is a dummy." in result.stdout
    document = json.loads((tmp_path / "analysis" / "analysis.json").read_text())["content"]
    metric = document["sections"][NAME]["metrics"]["mean"]
    assert (metric["label"], metric["unit"]) == ("mean brightness", "input")
    assert read_analysis(tmp_path / "analysis").results[NAME].by_row.shape == (40,)
    text = (tmp_path / "analysis" / "report.html").read_text()
    page = Page(text)
    for words in (GROUP.title, GROUP.lead, "Brightness of rows", "mean brightness", "Of test rows."):
        assert words in page.text
    assert 'aria-label="Points at their brightness."' in text
    assert f'data-figure="{NAME}/mean" data-value="{metric["value"]}"' in text
    assert 'data-plot="brightness"' in text
    assert "A new picture of an existing result" in page.text
    assert 'data-plot="newcomer"' in text


def test_what_an_unknown_section_stored_is_no_error(folder, tmp_path):
    opened = open_run(folder, AutoencoderRun)
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(SECTIONS, NAME, Brightness())
        analyze(opened.model(), read_rows(opened, "digits"), only=[NAME, "norms"]).write(tmp_path)
    assert set(read_analysis(tmp_path).results) == {"norms"}
