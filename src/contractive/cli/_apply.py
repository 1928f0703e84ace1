"""The commands that apply a run to rows, in constant memory: `encode`, `reconstruct` and `predict`."""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from contractive.cli import _options as options
from contractive.cli._app import command
from contractive.cli._console import Console, bold
from contractive.cli._settings import split_words
from contractive.data import Options


@command("encode run table.csv -o codes.csv --pass-through id")
def encode(
    *,
    run: options.AnyRunFolder,
    data: options.Source,
    out: options.OutFile,
    pass_through: options.PassThrough = None,
    reading: options.ReadingOptions,
    device: options.Device = "cpu",
    force: options.Force = False,
    quiet: options.Quiet = False,
) -> None:
    """The code of a classifier is that of its fine-tuned layers.

    The data are prepared as in training; columns may come in another order, but not be others.
    """
    from contractive.studies.runs import encode as work
    from contractive.studies.runs import open_run

    _apply(work, open_run(run), data, out, pass_through, reading, device, Console(quiet=quiet), overwrite=force)


@command("reconstruct run table.csv -o cleaned.csv")
def reconstruct(
    *,
    run: options.RunFolder,
    data: options.Source,
    out: options.OutFile,
    pass_through: options.PassThrough = None,
    reading: options.ReadingOptions,
    device: options.Device = "cpu",
    force: options.Force = False,
    quiet: options.Quiet = False,
) -> None:
    """The data are prepared as in training; columns may come in another order, but not be others."""
    from contractive.studies.runs import open_run
    from contractive.studies.runs import reconstruct as work

    _apply(work, open_run(run), data, out, pass_through, reading, device, Console(quiet=quiet), overwrite=force)


@command("predict run table.csv -o predictions.csv --pass-through id")
def predict(
    *,
    run: Annotated[Path, typer.Argument(metavar="RUN", help="Folder that `contractive classify` wrote.")],
    data: options.Source,
    out: options.OutFile,
    pass_through: options.PassThrough = None,
    reading: options.LabelledOptions,
    device: options.Device = "cpu",
    force: options.Force = False,
    quiet: options.Quiet = False,
) -> None:
    """Where DATA have labels, the accuracy is printed.

    The data are prepared as in training; columns may come in another order, but not be others. A .npy file holds no
    texts: classes that are texts need .csv or .parquet.
    """
    from contractive.studies.runs import ClassifierRun, open_run
    from contractive.studies.runs import predict as work

    opened, console = open_run(run, ClassifierRun), Console(quiet=quiet)
    found = _apply(work, opened, data, out, pass_through, reading, device, console, overwrite=force)
    if found.labelled:
        low, high = found.interval
        trained = ", those it was trained on among them" if opened.is_training_data(data) else ""
        accuracy = bold(f"{found.accuracy:.1%}")
        interval = f" (95 % interval {100 * low:.1f} to {high:.1%}) of {found.labelled:,} labelled rows{trained}."
        console.line("Accuracy: ", accuracy, interval)


def _apply(
    work: Callable[..., Any],
    run: Any,
    data: str,
    out: Path,
    pass_through: str | None,
    reading: Options,
    device: str,
    console: Console,
    *,
    overwrite: bool,
) -> Any:
    """Do the work while counting rows, and print how many there were."""
    with console.progress("Rows") as progress:
        result = work(
            run,
            data,
            out,
            pass_through=split_words(pass_through),
            options=reading,
            device="cpu" if device == "auto" else device,
            overwrite=overwrite,
            on_progress=lambda rows: progress("", rows, None),
        )
    console.line(f"{getattr(result, 'rows', result):,} rows: ", bold(out))
    return result
