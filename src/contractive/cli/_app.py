"""The commands. What they need is imported when they run, so that help answers at once."""

from collections.abc import Callable
from enum import StrEnum
from functools import wraps
from pathlib import Path
from typing import Annotated, Any

import typer

app = typer.Typer(
    name="contractive",
    help="Contractive autoencoders: train, compare and look at encoders that ignore noise but keep what varies.",
    epilog="Start with:  contractive compare digits --out demo",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
)


class LossName(StrEnum):
    """Reconstruction losses by name."""

    squared_error = "squared_error"
    cross_entropy = "cross_entropy"


def _numbers(text: str | None, option: str) -> tuple[int, ...] | None:
    """`256,128` as (256, 128)."""
    if text is None:
        return None
    try:
        return tuple(int(part) for part in text.split(",") if part.strip())
    except ValueError:
        raise ValueError(f"{option} must be whole numbers with commas, got {text!r}. For instance 256,128.") from None


def _says_what_is_wrong(command: Callable[..., None]) -> Callable[..., None]:
    """Turn errors that the user can mend into one line on standard error and exit code 2."""

    @wraps(command)
    def run(*args: Any, **kwargs: Any) -> None:
        try:
            command(*args, **kwargs)
        except (ValueError, OSError, ModuleNotFoundError) as error:
            if isinstance(error, ModuleNotFoundError) and (error.name or "").startswith("contractive"):
                raise
            typer.echo(f"Error: {error}", err=True)
            raise typer.Exit(2) from error
        except KeyboardInterrupt:
            typer.echo("Stopped. Nothing was written; run the same command again.", err=True)
            raise typer.Exit(130) from None

    return run


@app.callback()
def _root() -> None:
    pass


@app.command(epilog="Example:  contractive compare mnist --data-dir ~/data --epochs 5 --out mnist")
@_says_what_is_wrong
def compare(
    data: Annotated[
        str, typer.Argument(metavar="DATA", help="[bold]digits[/] (bundled, offline), mnist or fashion-mnist.")
    ],
    out: Annotated[Path, typer.Option(help="Folder for results.json, results.csv and report.html.")],
    variants: Annotated[
        str,
        typer.Option(
            help="Which, with commas: standard, denoising, sparse, contractive, higher-order,"
            " reconstruction-contractive, weight-decay."
        ),
    ] = "standard,denoising,sparse,contractive",
    seeds: Annotated[int, typer.Option(help="Fits per variant; the table shows mean and spread over them.")] = 3,
    epochs: Annotated[
        int | None, typer.Option(help="Passes over the data.", show_default="40, or 10 above 5000 rows")
    ] = None,
    price: Annotated[
        float,
        typer.Option(
            help="Each variant gets its strongest setting that raises the validation reconstruction error by at"
            " most this share over the standard model's."
        ),
    ] = 0.2,
    weight: Annotated[
        float | None,
        typer.Option(help="Fix the weight of the contractive penalty instead of searching it within the price."),
    ] = None,
    hidden: Annotated[
        str | None,
        typer.Option(help="Widths between input and code.", show_default="256,128 from 256 features, else 128,64"),
    ] = None,
    code: Annotated[int | None, typer.Option(help="Code size.", show_default="64 from 256 features, else 32")] = None,
    batch_size: Annotated[
        int | None, typer.Option(help="Rows per step.", show_default="32, or 128 above 5000 rows")
    ] = None,
    learning_rate: Annotated[
        float | None,
        typer.Option(help="Of Adam, falling along a cosine.", show_default="0.003, or 0.001 above 5000 rows"),
    ] = None,
    loss: Annotated[LossName, typer.Option(help="Reconstruction loss, summed over features.")] = LossName.squared_error,
    data_dir: Annotated[
        Path | None, typer.Option(help="Folder with IDX .gz files.", show_default="$CONTRACTIVE_DATA, else download")
    ] = None,
    jobs: Annotated[int | None, typer.Option(help="Fits at a time.", show_default="one per processor")] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace the results that are in the folder.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print the results as JSON and nothing else.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="Print nothing.")] = False,
) -> None:
    """Train four kinds of autoencoder alike and see what contraction buys, and at what price.

    Standard, denoising, sparse and contractive autoencoders get the same data split, network, budget and seeds. Each
    regulariser is set by one rule, on validation data: as strong as a stated price in reconstruction allows (--price).
    Test data are only measured. Prints a table and writes report.html: open it in a browser.
    """
    from contractive.cli._compare import Wishes, run

    wishes = Wishes(_numbers(hidden, "--hidden"), code, epochs, batch_size, learning_rate, loss.value)
    names = tuple(name.strip() for name in variants.split(",") if name.strip())
    fixed = {} if weight is None else {"contractive": weight}
    run(data, data_dir, out, wishes, names, seeds, price, fixed, jobs, force=force, as_json=json, quiet=quiet)


@app.command(epilog="Example:  contractive report demo")
@_says_what_is_wrong
def report(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Folder that `contractive compare` wrote.")],
) -> None:
    """Write report.html again from the results in a folder."""
    from contractive.experiments import read
    from contractive.report import write_report

    typer.echo(f"Report: {write_report(read(folder), folder / 'report.html')}")


@app.command()
def version() -> None:
    """Print the version."""
    from contractive import __version__

    typer.echo(__version__)
