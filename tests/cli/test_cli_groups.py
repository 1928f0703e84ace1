"""Options that commands take in groups."""

from dataclasses import dataclass
from typing import Annotated

import pytest
import typer
from typer.testing import CliRunner

from contractive.cli._groups import in_groups
from contractive.cli._options import Fitting
from contractive.studies.runs import AutoencoderSettings


@dataclass(frozen=True)
class Cup:
    size: Annotated[int, typer.Option(help="Of the cup.")] = 2
    hot: Annotated[bool, typer.Option("--hot/--cold")] = False


@dataclass(frozen=True)
class Tray:
    wood: Annotated[str | None, typer.Option()] = None


@pytest.fixture
def serve():
    """Runs a command with two groups; returns what it got, or what was said of a wrong option."""
    app, got = typer.Typer(), []

    @app.command()
    @in_groups
    def command(*, context: typer.Context, name: str, cup: Cup, guests: int = 1, tray: Tray) -> None:
        """Serve."""
        got.append((name, cup, guests, tray, context.get_parameter_source("size").name))

    def run(*words):
        result = CliRunner().invoke(app, words)
        return got.pop() if got else result.output

    return run


def test_a_command_gets_its_groups_made_of_what_was_given(serve):
    assert serve("tea") == ("tea", Cup(2, False), 1, Tray(None), "DEFAULT")
    assert serve("tea", "--size", "5", "--hot", "--wood", "oak", "--guests", "3") == (
        ("tea", Cup(5, True), 3, Tray("oak"), "COMMANDLINE")
    )


def test_every_field_is_an_option_with_its_help_and_type(serve):
    said = serve("--help")
    assert "--size" in said
    assert "Of the cup." in said
    assert "--cold" in said
    assert "Invalid value for '--size'" in serve("tea", "--size", "many")


def test_what_is_not_given_is_what_the_library_takes_when_it_is_called_without():
    taken = Fitting().said()
    assert taken == {name: AutoencoderSettings().values()[name] for name in taken}
