"""`contractive analyze` on images, tables, rows without labels and convolutions: the page says what the JSON says."""

import base64
import gzip
import json
import re
import shutil

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from browser import faults, needs_browser
from comparisons import Page
from contractive import analysis
from contractive.cli._commands import app
from contractive.data import Options, load
from contractive.studies.runs import AutoencoderSettings, open_run
from contractive.studies.runs import train as train_run


def run(*arguments):
    return CliRunner().invoke(app, [str(argument) for argument in arguments], env={"COLUMNS": "200"})


def trained(data, folder, options=None, **settings):
    """A run in a folder, as `contractive train` makes it."""
    options = options or Options()
    split = load(data, options=options)
    chosen = AutoencoderSettings.of(
        **{"objective": "contractive", "weight": 0.01, "max_epochs": 2, "code": 6, **settings}
    )
    train_run(split, chosen, folder, progress=False)
    return folder


def table(path, rows=160):
    """Three named columns, a text column and a class."""
    generator = np.random.default_rng(0)
    size, width = generator.normal(size=(2, rows))
    kind = np.where(size + 0.3 * generator.normal(size=rows) > 0, "large", "small")
    lines = [f"{a:.4f},{b:.4f},{a - b:.4f},{k}" for a, b, k in zip(size, width, kind, strict=True)]
    path.write_text("size,width,difference,kind\n" + "\n".join(lines) + "\n")
    return path


def spectra(path, rows=120):
    generator = np.random.default_rng(0)
    at = np.linspace(0, 1, 40)
    x = generator.uniform(0.5, 2, (rows, 1)) * np.exp(-((at - generator.uniform(0.3, 0.7, (rows, 1))) ** 2) / 0.02)
    np.save(path, x.astype(np.float32))
    return path


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    return tmp_path_factory.mktemp("analyze")


@pytest.fixture(scope="module")
def analyses(home):
    """(data, run folder, analysis folder, result) by name, made when asked for."""
    makers = {
        "digits": lambda: ("digits", {}, Options()),
        "table": lambda: (table(home / "table.csv"), {}, Options(label="kind")),
        "spectra": lambda: (spectra(home / "spectra.npy"), {}, Options()),
        "convolutional": lambda: ("digits", {"model": "conv", "weight": 1e-4, "activation": "softplus"}, Options()),
    }
    made = {}

    def get(name):
        if name not in made:
            data, settings, options = makers[name]()
            folder = trained(data, home / f"{name}-run", options, **settings)
            out = home / f"{name}-analysis"
            made[name] = (data, folder, out, run("analyze", folder, data, "--out", out, "--no-umap"))
        return made[name]

    return get


NAMES = ("digits", "table", "spectra", "convolutional")


def document(out):
    return json.loads((out / "analysis.json").read_text())["content"]


@pytest.mark.parametrize("name", NAMES)
def test_it_writes_a_document_and_a_page(analyses, name):
    _, _, out, result = analyses(name)
    assert result.exit_code == 0, result.output
    assert sorted(path.name for path in out.iterdir()) == [
        "analysis.json",
        "analysis.npz",
        "explore.html",
        "report.html",
    ]
    assert (out / "report.html").stat().st_size < 5_000_000
    for topic in ("Contraction", "Reach", "Directions", "Reconstruction", "Code", "Caveats"):
        assert f"{topic}: " in result.stdout


@pytest.mark.parametrize(
    ("name", "there", "missing"),
    [
        ("digits", {"robustness", "directions by class", "contraction by depth"}, {"vector field"}),
        ("table", {"robustness", "directions by class", "contraction by depth"}, {"vector field"}),
        ("spectra", {"contraction by depth"}, {"robustness", "directions by class", "vector field"}),
        (
            "convolutional",
            {"robustness", "contraction by depth"},
            {"vector field"},
        ),
    ],
    ids=NAMES,
)
def test_the_sections_that_apply(analyses, name, there, missing):
    found = document(analyses(name)[2])
    assert there <= set(found["sections"])
    assert set(found["left_out"]) == missing
    assert not missing & set(found["sections"])
    page = Page((analyses(name)[2] / "report.html").read_text())
    for reason in found["left_out"].values():
        assert f"{reason}." in page.text


def test_metrics_are_those_of_the_model_on_the_rows_held_out_for_test(analyses):
    _, folder, out, _ = analyses("digits")
    found = document(out)
    opened = open_run(folder)
    split = opened.load_data()
    autoencoder, test = opened.model(), torch.from_numpy(split.test)
    assert found["data"]["measured"] == {"name": "test rows", "rows": len(test)}
    assert found["data"]["reference"] == {"name": "training rows", "rows": len(split.train)}
    metrics = {name: section["metrics"] for name, section in found["sections"].items()}
    error = analysis.reconstruction(autoencoder, test)
    assert metrics["reconstruction"]["r2:test rows"]["value"] == pytest.approx(error.r2, rel=1e-6)
    norms = analysis.norms(autoencoder.encoder, test)
    assert metrics["norms"]["operator_norm"]["value"] == pytest.approx(float(norms.operator.mean()), rel=1e-5)
    assert metrics["norms"]["contractive_share"]["value"] == norms.contractive_share
    codes = analysis.codes(autoencoder.encoder, test)
    assert metrics["codes"]["saturation"]["value"] == pytest.approx(codes.saturation, rel=1e-6)


@pytest.mark.parametrize("name", NAMES)
def test_numbers_on_the_page_equal_the_document(analyses, name):
    _, _, out, _ = analyses(name)
    text = (out / "report.html").read_text()
    found = document(out)
    cells = re.findall(r'data-figure="([^"]+)" data-value="([^"]+)"', text)
    assert len(cells) > 50
    expected = {
        f"{section}/{key}": entry["value"]
        for section, content in found["sections"].items()
        for key, entry in content["metrics"].items()
    }
    seen = {key.replace("&#39;", "'"): value for key, value in cells}
    assert set(seen) == set(expected)
    for key, value in expected.items():
        assert seen[key] == str(value)
    tiles = re.findall(r'<strong data-figure="([^"]+)">([^<]+)</strong>', text)
    assert len(tiles) == 5
    for key, shown in tiles:
        plain = shown.replace("·10", "e").translate(str.maketrans("⁻⁰¹²³⁴⁵⁶⁷⁸⁹", "-0123456789"))
        number = float(plain.replace("\N{NO-BREAK SPACE}", "").rstrip("%").replace("−", "-").replace(",", ""))
        assert number * (0.01 if "%" in shown else 1) == pytest.approx(expected[key], rel=0.01, abs=6e-4)


def test_the_page_needs_nothing_from_outside(analyses):
    text = (analyses("digits")[2] / "report.html").read_text()
    assert all(load.startswith(("#", "data:")) for load in Page(text).loads)
    assert "default-src 'none'" in text
    packed = re.findall(r'id="plotly">([^<]*)<', text)
    assert len(packed) == 1
    assert b"plotly.js v" in gzip.decompress(base64.b64decode(packed[0]))


def test_bars_of_tables_have_the_names_of_the_columns(analyses):
    text = (analyses("table")[2] / "report.html").read_text()
    figures = json.loads(re.search(r'id="figures">(.*?)</script>', text).group(1))
    assert set(figures["features"]["layout"]["yaxis"]["ticktext"]) == {"size", "width", "difference"}


def test_json_prints_the_document_and_nothing_else(analyses, home):
    data, folder, out, _ = analyses("spectra")
    other = home / "json"
    result = run("analyze", folder, data, "--out", other, "--no-umap", "--json", "--rows", 15)
    printed = json.loads(result.stdout)["content"]
    assert printed == document(other)
    assert printed["data"]["measured"]["rows"] == 15
    assert printed["sections"]["norms"] != document(out)["sections"]["norms"]


def test_the_same_seed_gives_the_same_metrics(analyses, home):
    data, folder, out, _ = analyses("table")
    again = home / "again"
    result = run("analyze", folder, data, "--out", again, "--no-umap", "--quiet")
    assert (result.exit_code, result.output) == (0, "")

    def metrics(where):
        return {name: section["metrics"] for name, section in document(where)["sections"].items()}

    assert metrics(again) == metrics(out)


def test_other_rows_are_new_rows_with_their_labels(analyses, home):
    _, folder, _, _ = analyses("table")
    path = table(home / "others.csv", rows=90)
    out = home / "others"
    assert run("analyze", folder, path, "--out", out, "--no-umap").exit_code == 0
    found = document(out)
    assert found["data"]["measured"] == found["data"]["reference"] == {"name": "new rows", "rows": 90}
    assert found["data"]["classes"] == ["large", "small"]
    assert "operator_norm:training" not in found["sections"]["on and off the data"]["metrics"]


def test_a_copy_of_the_training_data_is_known(analyses, home):
    data, folder, out, _ = analyses("table")
    copy = home / "copy.csv"
    copy.write_bytes(data.read_bytes())
    assert run("analyze", folder, copy, "--out", home / "copied", "--no-umap").exit_code == 0
    assert document(home / "copied")["data"]["available"] == document(out)["data"]["available"]


def test_a_split_that_is_not_the_one_of_the_run_is_told(analyses, home):
    data, folder, _, _ = analyses("table")
    changed = home / "changed-run"
    shutil.copytree(folder, changed)
    np.savez(changed / "split.npz", parts=np.zeros(160, np.uint8))
    assert run("analyze", changed, data, "--out", home / "changed", "--no-umap").exit_code == 0
    found = document(home / "changed")["data"]
    assert found["measured"]["name"] == "new rows"
    assert "it is not known which: split.npz of" in found["notes"][-1]
    (changed / "split.npz").write_bytes(b"no archive")
    assert run("analyze", changed, data, "--out", home / "changed", "--no-umap", "--force").exit_code == 0
    assert "split.npz cannot be read" in document(home / "changed")["data"]["notes"][-1]


def wrong_columns(home):
    path = home / "wrong.csv"
    path.write_text("a,b\n" + "1,2\n3,4\n" * 10)
    return path


def few_rows(home):
    path = home / "few.csv"
    path.write_text("size,width,difference,kind\n1,2,3,large\n2,1,1,small\n")
    return path


def equal_rows(home):
    path = home / "equal.csv"
    path.write_text("size,width,difference,kind\n" + "1,2,3,large\n" * 20)
    return path


@pytest.mark.parametrize(
    ("make", "extra", "match"),
    [
        (wrong_columns, [], "columns"),
        (few_rows, [], "DATA must have at least 12 rows, got 2"),
        (equal_rows, [], "DATA must vary, got 20 equal rows"),
        (
            lambda home: home / "table.csv",
            ["--label", "size"],
            "--label must be as in training for the data .*'kind'.*, got 'size'",
        ),
        (lambda home: table(home / "more.csv", 50), ["--label", "other"], "other"),
        (lambda home: home / "nothing.csv", [], "There is none there"),
        (lambda home: "digits", [], "table|columns|features|kind"),
        (lambda home: home / "table.csv", ["--rows", "3"], "--rows must be at least 12, got 3"),
    ],
    ids=[
        "other columns",
        "few rows",
        "equal rows",
        "label of training data",
        "no such label",
        "no file",
        "another set",
        "too few asked for",
    ],
)
def test_wrong_data_are_refused_in_one_line(analyses, home, make, extra, match):
    _, folder, _, _ = analyses("table")
    result = run("analyze", folder, make(home), "--out", home / "refused", *extra)
    assert result.exit_code == 2
    assert result.stderr.count("Error: ") == 1
    assert re.search(match, result.stderr), result.stderr
    assert not (home / "refused" / "analysis.json").exists()


def test_results_are_not_overwritten_without_force(analyses, home):
    data, folder, out, _ = analyses("table")
    before = (out / "analysis.json").read_bytes()
    result = run("analyze", folder, data, "--out", out)
    assert result.exit_code == 2
    assert "--out must be a folder without results" in result.stderr
    assert (out / "analysis.json").read_bytes() == before
    into_the_run = run("analyze", folder, data, "--out", folder, "--force")
    assert into_the_run.exit_code == 2
    assert "--out must hold nothing else" in into_the_run.stderr


def test_a_folder_that_is_no_run_is_refused(home):
    result = run("analyze", home, "digits", "--out", home / "none")
    assert result.exit_code == 2
    assert "RUN must be a folder that contractive train wrote" in result.stderr


@pytest.mark.parametrize("name", ["digits", "table"])
@needs_browser
def test_a_browser_draws_every_plot_on_any_screen(analyses, tmp_path, name):
    _, _, out, _ = analyses(name)
    page = out / "report.html"
    plots = list(json.loads(re.search(r'id="figures">(.*?)</script>', page.read_text()).group(1)))
    assert faults(page, tmp_path, plots) == []


@pytest.mark.parametrize("name", NAMES)
def test_the_page_is_made_again_from_the_files(analyses, name):
    _, _, out, _ = analyses(name)
    page = out / "report.html"
    before = page.read_text()
    page.unlink()
    result = run("report", out)
    assert result.exit_code == 0, result.output
    again, drawn = page.read_text(), re.compile(r'id="figures">.*?</script>', re.DOTALL)
    assert drawn.sub("", again) == drawn.sub("", before)
    assert len(again) == pytest.approx(len(before), rel=1e-4)  # what was float64 is drawn from float32


@pytest.mark.parametrize("file", ["analysis.npz", "analysis.json"])
def test_a_page_needs_both_files(analyses, tmp_path, file):
    _, _, out, _ = analyses("table")
    for name in ("analysis.json", "analysis.npz"):
        (tmp_path / name).write_bytes((out / name).read_bytes())
    (tmp_path / file).write_bytes(b"{}" if file == "analysis.json" else b"PK")
    result = run("report", tmp_path)
    assert result.exit_code == 2
    words = "was written before the first release" if file == "analysis.json" else f"{file} cannot be read"
    assert words in result.stderr
