"""The commands in the order of the help. Each is imported when it is asked for: the help of all answers at once."""

import re
from typing import Annotated, Any

import typer
from typer.main import get_command

from contractive import __version__
from contractive.cli._described import OPTIONS, read_described
from contractive.cli._help import Command, Group

COMMANDS = {  # in the order of work: module, and the line of the help
    "train": ("_train", "Train an autoencoder into a folder that can be resumed, used and analyzed."),
    "info": ("_info", "Show what a run is: data, network, training, metrics, versions, and how to repeat it."),
    "encode": ("_use", "Write the code of every row."),
    "reconstruct": ("_use", "Write the reconstruction of every row, in the columns and units of the data."),
    "analyze": ("_pages", "Measure a trained autoencoder and write a page that shows it."),
    "explore": ("_pages", "Write a page in which a trained autoencoder runs: move an example, see what changes."),
    "compare": ("_studies", "Train several objectives alike and compare what each does to code and reconstruction."),
    "sweep": ("_studies", "Sweep the penalty weight: reconstruction error against sensitivity, Pareto front and knee."),
    "classify": ("_train", "Train a classifier: layers learn from all rows without labels, then from the labels."),
    "predict": ("_use", "Write class and probabilities of every row."),
    "detect": ("_detect", "Train an outlier detector whose false-alarm rate holds, and write a page that shows it."),
    "score": ("_detect", "Write score, p-value, flag and reasons of every row by an outlier detector."),
    "drift": ("_detect", "Test whether rows have changed since a detector was trained, and in which features."),
    "export": ("_use", "Write the model for use without this library, scaling included."),
    "projector": ("_use", "Write codes for the projector of TensorBoard."),
    "report": ("_pages", "Write report.html again from the results in a folder."),
    "illustrate": ("_pages", "Show one phenomenon of contraction on a small problem."),
    "version": ("_info", "Print the version."),
}


_DOZEN = 12
_FIRST = (  # the options that the help of a command with more than a dozen shows
    *("out", "objective", "objectives", "weight", "weights", "start", "hidden", "code", "max_epochs", "seeds"),
    *("labels_used", "label", "false_alarm_rate", "drop", "resume", "force", "rows", "examples", "pass_through"),
    *("fail_above", "fail_below", "missing_columns"),
)


_ALSO = {"--epochs": "--max-epochs"}  # what people type, which the help does not show


class _Commands(Group):
    """The help shows the lines above; the command that runs is imported."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        name, _, rest = super().resolve_command(ctx, args)
        rest = ["=".join((_ALSO.get(option, option), *value)) for option, *value in (each.split("=") for each in rest)]
        if name and "--help-all" in rest:
            return name, load_command(name), ["--help"]
        return name, shortened(load_command(name)) if name else None, rest


def load_command(name: str) -> Any:
    """Return a command, which is imported when it is called. Its help is the line above and its own text."""
    (module, line), found = COMMANDS[name], read_described(OPTIONS)[name]
    alone = typer.Typer(add_completion=False, rich_markup_mode="rich")
    text = re.sub(r"(?<!\n)\n(?!\n)", " ", found.help)  # the terminal breaks the lines
    example = f"Example:  contractive {found.example}" if found.example else None
    function = found.function(name, f"contractive.cli.{module}")
    alone.command(name, cls=Command, help=f"{line}\n\n{text}", epilog=example)(function)
    return get_command(alone)


def shortened(command: Any) -> Any:
    """Return a command whose help shows a dozen of its options at most, and says how to see the others."""
    options = [each for each in command.params if each.param_type_name == "option"]
    if len(options) < _DOZEN:
        return command
    for each in options:
        each.hidden = each.name not in _FIRST
    command.help += f"\n\n{sum(each.hidden for each in options)} more options: --help-all."
    return command


app = typer.Typer(
    cls=_Commands,
    name="contractive",
    help="Contractive autoencoders: train, compare and analyze encoders that ignore noise but keep what varies.",
    epilog="Start with:  contractive compare digits -o demo",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
)


def _print_version(asked: bool) -> None:
    if asked:
        print(__version__)
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None: ...


def _imported_when_called() -> None: ...


for _name, (_, _line) in COMMANDS.items():
    app.command(_name, help=_line)(_imported_when_called)
