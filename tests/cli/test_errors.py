"""Errors in the words of the command line: fields of the library by the names of options and arguments."""

from pathlib import Path
from typing import Annotated

import pytest
import typer
from typer.testing import CliRunner

from contractive.cli._app import option_names, report_user_errors
from contractive.core.errors import ContractiveError, InvalidType, InvalidValue


@pytest.fixture
def fails():
    """Runs a command that fails with an error, and returns its exit code and what it printed."""

    def run(error):
        app = typer.Typer()

        @app.command()
        @report_user_errors
        def command(
            data: Annotated[str, typer.Argument(metavar="[DATA]")] = "digits",
            out: Annotated[Path, typer.Option("--out", "-o")] = Path("out"),
            max_epochs: Annotated[int, typer.Option(help="Passes over the data.")] = 1,
            header: Annotated[bool, typer.Option("--header/--no-header")] = True,
        ) -> None:
            raise error

        result = CliRunner().invoke(app, [])
        run.raised = result.exception
        return result.exit_code, result.output

    return run


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (
            InvalidValue("max_epochs", "be at least 1", 0, "Leave it out."),
            "--max-epochs must be at least 1, got 0. Leave",
        ),
        (
            InvalidType("header", "be yes or no", "x", "Leave it out."),
            "--header must be yes or no, got x. Leave it out.",
        ),
        (InvalidValue("data", "hold rows", "none", "Check it."), "DATA must hold rows, got none. Check it."),
        (InvalidValue("run", "be a folder", "x", "Check it."), "--out must be a folder, got x. Check it."),
        (InvalidValue("scale of it", "be positive", 0, "Check it."), "scale of it must be positive, got 0. Check it."),
        (InvalidValue("out", "be new", "x", "Give `max_epochs`."), "--out must be new, got x. Give --max-epochs."),
        (ContractiveError("Fill them,\nor give `impute`=1 or `header`."), "Fill them, or give `impute`=1 or --header."),
        (OSError(13, "Permission denied", "x.csv"), "Cannot read or write x.csv: Permission denied. Check the place"),
        (ModuleNotFoundError("onnx must be installed, got none.", name="onnx"), "onnx must be installed, got none."),
        (MemoryError("[torch] no room\nmore"), "Out of memory: no room. Take a smaller model or table."),
    ],
)
def test_fields_have_the_names_of_options(error, words, fails):
    code, output = fails(error)
    assert (code, output.startswith(f"Error: {words}")) == (2, True), output
    assert output.count("\n") == 1


@pytest.mark.parametrize(
    "error",
    [
        ValueError("operands could not be broadcast together with shapes (2,) (3,)"),
        TypeError("'NoneType' object is not iterable"),
        RuntimeError("a mistake in the program"),
        ModuleNotFoundError("No module named 'contractive.x'", name="contractive.x"),
        KeyError("x"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_an_error_of_the_program_is_not_hidden(error, fails):
    code, output = fails(error)
    assert (code, output) == (1, "")
    assert fails.raised is error


def test_a_run_that_is_an_argument_has_its_own_name():
    def command(run: Annotated[Path, typer.Argument(metavar="RUN")], out: Annotated[Path, typer.Option()]) -> None: ...

    assert option_names(command) == {"run": "RUN", "out": "--out"}
