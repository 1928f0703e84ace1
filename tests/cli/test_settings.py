"""Options that mirror settings."""

from dataclasses import dataclass, field, fields
from os import PathLike
from typing import Annotated, Literal

import pytest
import typer
from typer.testing import CliRunner

from contractive.cli._settings import Group, with_options
from contractive.core.errors import InvalidValue
from contractive.core.settings import setting
from contractive.data import Options
from contractive.models import NetworkSettings
from contractive.objectives import ObjectiveSettings
from contractive.studies.runs import AutoencoderSettings, ClassifierSettings
from contractive.studies.sweep import SweepSettings
from contractive.training import TrainingSettings


@dataclass(frozen=True)
class Cup:
    size: int = setting(2, "Size of the cup.")
    hot: bool = setting(True, "Heat it.")
    clean: bool = setting(False, "Wash it.")
    handle: bool | None = setting(None, "With a handle.", by_data="by the guest")
    kind: Literal["tea", "coffee"] = setting("tea", "What it is for.")
    place: str | PathLike[str] | None = setting(None, "Where it stands.")
    secret: int = 7


@dataclass(frozen=True)
class Tray:
    cup: Cup = field(default_factory=Cup)
    colours: tuple[str, ...] = setting((), "Colours.")
    widths: tuple[int, ...] | None = setting(None, "Widths.", by_data="1,2")
    frame: tuple[int, int] | None = setting(None, "Frame.")
    one_hot: tuple[str, ...] | bool = setting((), "Columns.")
    weight: float | None = setting(None, "Weight.", by_data="found", choices=())
    rate: float | None = setting(None, "Rate.")
    separator: str | None = setting(None, "Separator.")


@pytest.fixture
def serve():
    """Runs a command with settings; returns what it got, or what was printed."""
    app, got = typer.Typer(), []

    @app.command()
    @with_options
    def command(
        *,
        context: typer.Context,
        name: str,
        tray: Annotated[Tray, Group("Tray", panels={"cup": "Cup"}, without=("place",), defaults={"size": 3})],
        guests: int = 1,
    ) -> None:
        """Serve."""
        got.append((name, tray, guests, context.get_parameter_source("size").name))

    def run(*words):
        result = CliRunner().invoke(app, words, env={"COLUMNS": "200"})
        return got.pop() if got else result.exception if isinstance(result.exception, InvalidValue) else result.output

    return run


def test_what_is_not_given_is_left_to_the_settings_but_for_defaults_of_the_command(serve):
    assert serve("tea") == ("tea", Tray(Cup(size=3)), 1, "DEFAULT")


def test_every_type_of_field(serve):
    words = "x --size 5 --no-hot --clean --no-handle --kind coffee --colours red,blue --widths 3,4 --frame 28X14"
    words += " --one-hot all --weight 0.5 --rate 1e-3 --separator \\t --guests 3"
    cup = Cup(5, False, True, False, "coffee")
    tray = Tray(cup, ("red", "blue"), (3, 4), (28, 14), True, 0.5, 1e-3, "\t")
    assert serve(*words.split()) == ("x", tray, 3, "COMMANDLINE")
    assert serve("x", "--weight", "auto", "--one-hot", "a, b")[1] == Tray(Cup(3), one_hot=("a", "b"))


@pytest.mark.parametrize(
    ("option", "value", "words"),
    [
        ("--widths", "much", "widths must be whole numbers with commas, got 'much'. For instance 256,128."),
        ("--frame", "9", "frame must be HEIGHTxWIDTH, got '9'. For instance 28x28."),
        ("--weight", "lots", "weight must be a number or auto, got 'lots'. For instance 0.1."),
        ("--size", "many", "Invalid value for '--size'"),
        ("--place", "x", "No such option"),
        ("--secret", "x", "No such option"),
    ],
)
def test_what_no_setting_can_be(option, value, words, serve):
    assert words in str(serve("x", option, value))


def test_the_help_has_the_texts_choices_and_defaults_of_the_fields(serve):
    lines = serve("--help").splitlines()

    def line(option):
        return " ".join(next(each for each in lines if f"{option} " in each).replace("│", " ").split())

    assert "Size of the cup. [default: 3]" in line("--size")
    assert "What it is for. One of tea, coffee. [default: tea]" in line("--kind")
    assert "--no-handle" in line("--handle")
    assert "[default: (by the guest)]" in line("--handle")
    assert "--no-clean" not in line("--clean")
    assert "[default: (1,2)]" in line("--widths")
    assert "default" not in line("--colours")
    assert any("Cup ─" in each for each in lines)
    assert any("Tray ─" in each for each in lines)


def made(kind, *words):
    """The settings that a command gets."""
    app, got = typer.Typer(), []

    @app.command()
    @with_options
    def command(*, settings: Annotated[kind, Group("Settings")]) -> None:
        got.append(settings)

    result = CliRunner().invoke(app, words)
    assert result.exit_code == 0, result.output
    return got.pop()


@pytest.mark.parametrize(
    "kind",
    [
        *(Options, NetworkSettings, ObjectiveSettings, TrainingSettings),
        *(AutoencoderSettings, ClassifierSettings, SweepSettings),
    ],
)
def test_what_is_not_given_is_what_the_library_takes_when_it_is_called_without(kind):
    assert made(kind) == kind()


@pytest.mark.parametrize("kind", [Options, NetworkSettings, ObjectiveSettings, TrainingSettings])
def test_every_setting_has_its_help(kind):
    assert all("help" in each.metadata for each in fields(kind))


def test_texts_of_options_become_what_the_library_takes():
    words = ["--separator", "\\t", "--drop", "a, b", "--one-hot", "all", "--size", "28X14", "--test-share", "0.3"]
    got = made(Options, *words)
    assert got == Options(separator="\t", drop=("a", "b"), one_hot=True, size=(28, 14), test_share=0.3)
    assert made(Options, "--one-hot", "a,b").one_hot == ("a", "b")
