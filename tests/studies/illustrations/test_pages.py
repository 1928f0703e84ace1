"""The pages and the command."""

import json
import re
from types import SimpleNamespace

import pytest
from typer.testing import CliRunner

from browser import faults, needs_browser
from comparisons import Page, plain
from contractive.cli._commands import app
from contractive.report import illustration_html, write_page
from contractive.studies.illustrations import TOPICS
from contractive.studies.pages import Tile

NAMES = list(TOPICS)


def page(quick, name):
    return illustration_html(TOPICS[name], quick(name), command=f"contractive illustrate {name} --quick")


def words(text):
    return re.sub(r"\W+", "", plain(text).replace("_", ""))


def test_there_are_eight():
    assert len(TOPICS) == 8
    assert all(topic.name == name and topic.line and topic.why and topic.sources for name, topic in TOPICS.items())


@pytest.mark.parametrize("name", NAMES)
def test_a_page_shows_finding_tiles_and_table(quick, name):
    result, text = quick(name), Page(page(quick, name)).text
    shown = words(text)
    assert words(result.finding) in shown
    for tile in result.tiles:
        assert words(tile.number) in shown
        assert words(tile.label + tile.detail) in shown
    for row in result.table.rows:
        assert len(row) == len(result.table.headings)
        assert all(words(cell) in shown for cell in row)
    assert f"contractive illustrate {name} --quick" in text


@pytest.mark.parametrize("name", NAMES)
def test_a_page_needs_nothing_from_outside(quick, name):
    text = page(quick, name)
    assert "default-src 'none'" in text
    assert all(load.startswith(("#", "data:")) for load in Page(text).loads)
    own = re.sub(r'<script type="application/gzip" id="plotly">.*?</script>', "", text, flags=re.DOTALL)
    assert len(own) < len(text) - 1_000_000
    assert not re.search(r"https?://|//[a-z]+\.[a-z]+|@import|url\(", own)


@pytest.mark.parametrize("name", NAMES)
def test_figures_are_there_and_fit_narrow_screens(quick, name):
    figures = json.loads(re.search(r'id="figures">(.*?)</script>', page(quick, name)).group(1))
    assert set(figures) == {picture.name for picture in quick(name).pictures()}
    assert not re.search(r"J_[fr]", json.dumps(figures, ensure_ascii=False))
    for figure in figures.values():
        assert len(figure["data"]) >= 2
        assert {"wide", "narrow"} <= set(figure["layout"]["meta"])


class Evil:
    """Numbers whose words are markup."""

    settings = SimpleNamespace()

    def __init__(self, result):
        self.finding = "<script>alert(1)</script> J_f"
        self.tiles = (Tile("<b>", "<i>", "<u>"),)
        self.table = result.table
        self.pictures = result.pictures


def test_words_are_text_and_not_markup(quick):
    name = "denoising-link"
    text = illustration_html(TOPICS[name], Evil(quick(name)), command="<b>")
    assert "<script>alert" not in text
    assert "alert(1)&lt;/script&gt; J<sub>f</sub>" in text
    assert Page(text).tags.count("script") == 3
    assert "<code>&lt;b&gt;</code>" in text


def test_a_page_is_written_with_its_folder(quick, tmp_path):
    html = illustration_html(TOPICS["manifold"], quick("manifold"), command="contractive illustrate manifold")
    path = write_page(html, tmp_path / "new" / "page.html")
    assert path.read_text(encoding="utf-8").startswith("<!doctype html>")


@pytest.mark.parametrize("name", ["manifold", "denoising-link"])
@needs_browser
def test_a_browser_draws_every_figure(quick, name, tmp_path):
    page = write_page(illustration_html(TOPICS[name], quick(name), command=""), tmp_path / "page.html")
    assert faults(page, tmp_path, [picture.name for picture in quick(name).pictures()]) == []


def run(*arguments):
    return CliRunner().invoke(app, ["illustrate", *map(str, arguments)], env={"COLUMNS": "200"})


def test_without_a_name_they_are_listed():
    result = run()
    assert result.exit_code == 0
    for name, topic in TOPICS.items():
        assert name in result.output
        assert topic.line in result.output


def test_an_unknown_name_is_refused(tmp_path):
    result = run("swiss", "--out", tmp_path / "new")
    assert result.exit_code == 2
    assert "NAME must be one of one-dimensional" in result.stderr
    assert "got 'swiss'" in result.stderr
    assert not (tmp_path / "new").exists()


def test_a_folder_that_cannot_be_written_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    result = run("manifold", "--out", tmp_path / "file" / "out")
    assert result.exit_code == 2
    assert "--out must be a folder that can be written" in result.stderr


@pytest.fixture
def instant(quick, monkeypatch):
    """Topics that give the quick result at once; returns what they were asked for."""
    from dataclasses import replace

    asked = []

    def answer(name):
        def run(*, quick, seed):
            asked.append((name, quick, seed))
            return results[name]

        return run

    results = {name: quick(name) for name in NAMES}  # made before the topics are replaced
    for name, topic in TOPICS.items():
        monkeypatch.setitem(TOPICS, name, replace(topic, run=answer(name)))
    return asked


def test_the_command_prints_the_finding_and_writes_the_page(instant, quick, tmp_path):
    result = run("manifold", "--out", tmp_path, "--quick", "--seed", "3")
    assert result.exit_code == 0, result.output
    assert words(quick("manifold").finding) in words(result.stdout)
    assert instant == [("manifold", True, 3)]
    text = (tmp_path / "manifold.html").read_text(encoding="utf-8")
    assert "contractive illustrate manifold --seed 3 --quick" in text


def test_all_makes_a_page_each(instant, tmp_path):
    assert run("all", "--out", tmp_path, "--quiet").output == ""
    assert [name for name, _, _ in instant] == NAMES
    assert all(not brief for _, brief, _ in instant)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(f"{name}.html" for name in NAMES)


def test_divergence_is_one_line(monkeypatch, tmp_path):
    from dataclasses import replace

    from contractive.training import TrainingDiverged

    def diverge(*, quick, seed):
        raise TrainingDiverged("loss must stay finite, got nan.")

    monkeypatch.setitem(TOPICS, "manifold", replace(TOPICS["manifold"], run=diverge))
    result = run("manifold", "--out", tmp_path)
    assert result.exit_code == 2
    assert "Here: another --seed." in result.stderr
