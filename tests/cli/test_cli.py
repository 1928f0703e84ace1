import json
import os
import re
import subprocess
import sys

import numpy as np
import options
import pytest
from typer.testing import CliRunner

import processes
from contractive.cli._commands import COMMANDS, app
from contractive.cli._described import OPTIONS
from contractive.studies.compare import Results

SMALL = ["--max-epochs", "1", "--seeds", "1", "--objectives", "contractive", "--weight", "0.01", "--jobs", "1"]


def run(*arguments, width=200):
    return CliRunner().invoke(app, [str(argument) for argument in arguments], env={"COLUMNS": str(width)})


@pytest.fixture(scope="module")
def compared(tmp_path_factory):
    folder = tmp_path_factory.mktemp("compared") / "demo"
    return folder, run("compare", "digits", "--out", folder, *SMALL)


def test_compare_prints_a_table_and_writes_the_files(compared):
    folder, result = compared
    assert result.exit_code == 0, result.output
    assert "digits: test data, one seed" in result.output
    assert "contractive 0.01 (fixed)" in result.output
    written = sorted(path.name for path in folder.iterdir())
    assert written == ["report.html", "results.csv", "results.json", "results.npz"]


def test_the_page_shows_sections_of_an_analysis_side_by_side(compared):
    folder, _ = compared
    assert Results.read(folder).similarity.names == ("standard", "contractive")
    text = (folder / "report.html").read_text()
    figures = json.loads(re.search(r'id="figures">(.*?)</script>', text).group(1))
    for picture in ("profile", "curve", "spectra", "histograms", "activity", "map", "robustness", "similarity"):
        assert picture in figures
    for picture in ("profile", "curve", "spectra", "robustness"):
        assert {"standard", "contractive"} <= {trace.get("name") for trace in figures[picture]["data"]}


def test_the_table_shows_the_figures_of_the_file(compared):
    folder, result = compared
    for each in Results.read(folder).objectives:
        assert f"{each.mean('r2'):.4g}" in result.output


def test_collapse_is_said_under_the_table(compared):
    folder, result = compared
    for each in Results.read(folder).objectives:
        for warning in each.warnings:
            assert warning[:40] in result.output


def test_results_are_not_overwritten_without_force(compared):
    folder, _ = compared
    before = (folder / "results.json").read_bytes()
    result = run("compare", "digits", "--out", folder, *SMALL)
    assert result.exit_code == 2
    assert "--out must be a folder without results" in result.stderr
    assert (folder / "results.json").read_bytes() == before


def test_report_is_written_again(compared):
    folder, _ = compared
    (folder / "report.html").unlink()
    result = run("report", folder)
    assert result.exit_code == 0
    assert 100_000 < (folder / "report.html").stat().st_size < 2_500_000


@pytest.fixture(scope="module")
def rows(tmp_path_factory):
    path = tmp_path_factory.mktemp("rows") / "rows.npy"
    np.save(path, np.random.default_rng(0).random((60, 4), dtype=np.float32))
    return path


def test_json_is_all_that_is_printed(rows, tmp_path):
    result = run("compare", rows, "--out", tmp_path, "--json", *SMALL)
    printed = json.loads(result.stdout)
    assert [each["name"] for each in printed["objectives"]] == ["standard", "contractive"]
    assert printed["objectives"][1]["seeds"][0]["metrics"]["r2"] < 1


def test_quiet_prints_nothing(rows, tmp_path):
    result = run("compare", rows, "--out", tmp_path, "--quiet", *SMALL)
    assert (result.exit_code, result.output) == (0, "")


@pytest.mark.parametrize("arguments", [["--help"], ["compare", "--help"], ["report", "--help"], []])
def test_help_teaches(arguments):
    result = run(*arguments)
    assert result.exit_code in (0, 2)  # typer answers no arguments with help and 2
    assert "contractive compare" in result.output or "contractive report" in result.output


@pytest.mark.parametrize("name", COMMANDS)
def test_the_help_shows_a_dozen_options_and_says_how_many_more_there_are(name):
    short, whole = (run(name, option).output for option in ("--help", "--help-all"))
    shown, every = (re.findall(r"^ {2}(?:-\w, |    )(--\S+)", text, re.MULTILINE) for text in (short, whole))
    assert len(shown) <= 12
    assert set(shown) <= set(every)
    left = len(every) - len(shown)
    assert (f"{left} more options: --help-all." in short) == (left > 0)


@pytest.mark.parametrize("name", COMMANDS)
def test_the_help_stands_in_two_columns_of_eighty(name):
    lines = run(name, "--help-all", width=80).output.splitlines()
    (start,) = {found.end() for line in lines if (found := re.match(r" {6}--help +", line))}
    rows = [line for line in lines if line.startswith("  ") and line.strip()]
    assert max(map(len, lines)) <= 80
    assert all(line[start - 2 : start] == "  " and line[start] != " " for line in rows)


def test_the_description_is_that_of_the_commands():
    assert OPTIONS.read_text(encoding="utf-8") == options.document(), "run scripts/options.py"


@pytest.mark.parametrize("wrong", ["--max-epoch", "--max-epoch=3"])
def test_a_misspelt_option_is_refused_with_the_nearest(wrong):
    result = run("train", "table.csv", wrong)
    assert result.exit_code == 2
    assert "No such option: --max-epoch (Possible options: --max-epochs)" in result.stderr


def test_the_version_is_an_option_too():
    assert run("--version").output == run("version").output


def test_a_reader_that_has_seen_enough_is_no_error(rows, tmp_path):
    reader, writer = os.pipe()
    os.close(reader)
    command = f"compare {rows} --out {tmp_path / 'compared'} --json {' '.join(SMALL)}"
    process = processes.contractive(command, out=writer, errors=tmp_path / "errors")
    os.close(writer)
    process.join()
    assert (tmp_path / "errors").read_bytes() == b""
    assert process.exitcode == 0


def test_help_shows_the_defaults():
    shown = run("compare", "--help-all").output
    for default in ("40, or 10 above 5000 rows", "32, or 128 above 5000 rows", "one per processor", "CONTRACTIVE_DATA"):
        assert default in shown


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (
            ["compare", "cifar"],
            "DATA must be one of digits, mnist, fashion-mnist, a file or a folder",
        ),
        (["compare", "mnist", "--data-dir", "/nowhere"], "--data-dir must hold train-images-idx3-ubyte.gz"),
        (["compare", "digits", "--objectives", "standrad"], "--objectives must be one of standard"),
        (["compare", "digits", "--objectives", ","], "--objectives must be among standard"),
        (["compare", "digits", "--weight", "-1"], "weights must be finite and at least 0, got -1.0 for contractive"),
        (["compare", "digits", "--weight", "inf"], "weights must be finite and at least 0, got inf for contractive"),
        (
            ["compare", "digits", "--max-error-increase", "0"],
            "--max-error-increase must be above 0 and finite, got 0.0",
        ),
        (["compare", "digits", "--seeds", "0"], "--seeds must be at least 1, got 0"),
        (["compare", "digits", "--max-epochs", "0"], "--max-epochs must be at least 1, got 0"),
        (["compare", "digits", "--epochs", "0"], "--max-epochs must be at least 1, got 0"),
        (["compare", "digits", "--epochs=0"], "--max-epochs must be at least 1, got 0"),
        (["compare", "digits", "--jobs", "0"], "--jobs must be at least 1, got 0"),
        (["compare", "digits", "--hidden", "many"], "--hidden must be whole numbers with commas, got 'many'"),
        (["compare", "digits", "--code", "0", "--jobs", "1"], "--code must be at least 1, got 0"),
        (["compare", "digits", "--batch-size", "0", "--jobs", "1"], "--batch-size must be at least 1, got 0"),
        (["compare", "digits", "--learning-rate", "0", "--jobs", "1"], "--learning-rate must be above 0 and finite"),
        (["compare", "digits", "--learning-rate", "1e30", "--jobs", "1"], "loss must stay finite"),
        (["compare", "digits", "--objectives", "standard", "--weight", "1"], "must belong to one of the --objectives"),
    ],
)
def test_what_is_wrong_is_one_line_and_exit_code_two(arguments, said, tmp_path):
    result = run(*arguments, "--out", tmp_path / "out", "--quiet")
    assert result.exit_code == 2
    assert said in result.stderr
    assert "Traceback" not in result.output
    assert result.stderr.count("\n") == 1


def test_a_folder_that_cannot_be_written_is_refused_before_the_work(tmp_path):
    (tmp_path / "file").write_text("")
    result = run("compare", "digits", "--out", tmp_path / "file" / "out", *SMALL)
    assert result.exit_code == 2
    assert "--out must be a folder that can be written" in result.stderr


def test_a_report_needs_results(tmp_path):
    result = run("report", tmp_path)
    assert result.exit_code == 2
    assert "DIR must be a folder that" in result.stderr
    assert "without their results" in result.stderr
    (tmp_path / "results.json").write_text("{}")
    result = run("report", tmp_path)
    assert result.exit_code == 2
    assert "results.json was written before the first release" in result.stderr


@pytest.mark.parametrize(
    ("file", "said"),
    [("config.json", "with a model. `contractive analyze"), ("manifold.html", "`contractive illustrate manifold")],
    ids=["model", "illustration"],
)
def test_a_report_says_what_makes_a_page_of_other_folders(tmp_path, file, said):
    (tmp_path / file).write_text("{}")
    result = run("report", tmp_path)
    assert result.exit_code == 2
    assert said in result.stderr


def test_the_module_is_the_command():
    done = subprocess.run([sys.executable, "-m", "contractive", "version"], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "0.1.0"
