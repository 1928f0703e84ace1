"""Text from data is printed as it is: neither as markup nor as a command to the terminal."""

import csv
import re

import numpy as np
import pytest
from rich.text import Text
from typer.testing import CliRunner

from contractive.cli._commands import app
from contractive.cli._console import Console, bold, visible

NAMES = ("[/red]", "\x1b]0;owned\x07", "b]", "[red]", "flat")
SMALL = ["--max-epochs", "1", "--hidden", "6", "--code", "2", "--seeds", "1", "--jobs", "1", "--test-share", "0.3"]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("[/red] [bold]", "[/red] [bold]"),
        ("\x1b]0;x\x07 \x9b1m \r", r"\x1b]0;x\x07 \x9b1m \r"),
        ("a\u202eb\u200bc", r"a\u202eb\u200bc"),
        ("\udcff.csv", r"\udcff.csv"),
        ("two\nlines", "two lines"),
        ("12\xa0% ‖J‖² ↓ σ", "12\xa0% ‖J‖² ↓ σ"),
        (Text("[/x]"), "[/x]"),
    ],
)
def test_what_is_not_text_is_written_as_escapes(text, shown):
    assert visible(text) == shown


def test_every_way_to_print_shows_text_as_it_is(capsys):
    console = Console()
    console.line("line ", NAMES[0], bold(NAMES[1]), style="dim")
    console.notes([NAMES[0], NAMES[1]])
    console.warnings([NAMES[0]], of=NAMES[1])
    console.table([NAMES[:2], NAMES[2:4]], NAMES[:2], title=NAMES[0], caption=NAMES[1], bold_row=1)
    with console.progress(NAMES[0]) as progress:
        progress(NAMES[1], 1, 2)
    printed = capsys.readouterr()
    text = printed.out + printed.err
    assert "\x1b" not in text
    assert "\x07" not in text
    assert printed.out.startswith("line [/red]\\x1b]0;owned\\x07\n")
    assert text.count("[/red]") >= 5
    assert printed.err.startswith("Note: [/red]\nNote: \\x1b]0;owned\\x07\n")


def test_nothing_is_printed_when_quiet(capsys):
    console = Console(quiet=True)
    console.line("x")
    console.notes(["x"])
    console.table([("x",)], ("",))
    assert capsys.readouterr() == ("", "")
    console.document({"x": "\x1b\x9b"})
    assert capsys.readouterr().out == '{\n "x": "\\u001b\\u009b"\n}\n'


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with a table whose columns look like markup and like a command to the terminal."""
    folder = tmp_path_factory.mktemp("place") / "[" / "x] \x1b]0;y\x07"
    folder.mkdir(parents=True)
    draw = np.random.default_rng(0).normal(size=(60, 4))
    with open(folder / "data.csv", "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(NAMES)
        writer.writerows([*row, 7] for row in draw.tolist())
    return folder


@pytest.mark.parametrize(
    "command",
    ["train {data} --weight 0.1", "compare {data} --objectives contractive --weight 0.1", "sweep {data} --weights 0.1"],
)
def test_columns_and_folders_that_look_like_markup(command, place, monkeypatch):
    name = command.split()[0]
    result = run(place, *command.split(), "-o", "{out}", "--drop", "flat", *fitting(name))
    assert result.exit_code == 0, (result.output, result.exception)
    assert f"[/x] \\x1b]0;y\\x07/{name}" in result.output


def test_analysis_and_illustration(place):
    if not (place / "train").exists():
        assert run(place, "train", "{data}", "-o", "{out}", "--drop", "flat", "--weight", "0.1", *fitting("train"))
    result = run(place, "analyze", str(place / "train"), "{data}", "-o", "{out}", "--no-umap")
    assert result.exit_code == 0, (result.output, result.exception)
    assert "Report: " in result.output
    result = run(place, "illustrate", "denoising-link", "--quick", "-o", "{out}")
    assert result.exit_code == 0, (result.output, result.exception)
    assert "[/x] \\x1b]0;y\\x07/illustrate/denoising-link.html" in result.output


@pytest.mark.parametrize("column", NAMES[:2])
def test_errors_that_name_columns(column, place):
    given = ("train", "{data}", "-o", "{out}-new", "--force", "--weight", "0.1", *fitting("train"))
    result = run(place, *given, "--drop", column)
    assert result.exit_code == 0, (result.output, result.exception)
    assert "flat" in result.output  # left out, and a note says so
    result = run(place, *given, "--drop", f"{column}x")
    assert result.exit_code == 2
    assert visible(column) in result.output


def fitting(command):
    unknown = {"train": ("--seeds", "--jobs"), "compare": (), "sweep": ()}[command]
    pairs = zip(SMALL[::2], SMALL[1::2], strict=True)
    return [word for option, value in pairs if option not in unknown for word in (option, value)]


def run(place, *arguments):
    """Run a command; what it prints has neither markup that was eaten nor bytes for the terminal."""
    names = {"data": place / "data.csv", "out": place / arguments[0]}
    result = CliRunner().invoke(app, [word.format(**names) for word in arguments], env={"COLUMNS": "300"})
    assert "\x1b" not in result.output
    assert "\x07" not in result.output
    return result


NUMBERS = [("nearest neighbours, noisy ↑", *["95.2 ± 0.4 %"] * 3, "0.3501 ± 0.01"), ("error ↓", *["0.35 ± 0.01"] * 4)]
OBJECTIVES = ("", "standard", "denoising", "sparse", "contractive")


@pytest.mark.parametrize(("columns", "tables", "spaced"), [(120, 1, True), (80, 1, False), (60, 2, False)])
def test_a_table_of_numbers_never_breaks_a_cell(columns, tables, spaced, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", str(columns))
    Console().table(NUMBERS, OBJECTIVES, title="digits", caption="below")
    printed = capsys.readouterr().out
    assert max(len(line.rstrip()) for line in printed.splitlines()) <= columns
    for name, *cells in NUMBERS:
        lines = [line for line in printed.splitlines() if name in line]
        assert len(lines) == tables
        found = re.findall(r"[\d.]+ ?± ?[\d.]+", " ".join(lines))
        assert found == [
            cell.removesuffix(" %") if spaced else cell.removesuffix(" %").replace(" ", "") for cell in cells
        ]
    assert printed.count("digits") == printed.count("below") == 1
