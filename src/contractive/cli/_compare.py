"""The command `compare`."""

from pathlib import Path
from typing import Annotated

import typer

from contractive.cli._app import LossName, app, numbers, says_what_is_wrong


@app.command(epilog="Example:  contractive compare mnist --data-dir ~/data --epochs 5 --out mnist")
@says_what_is_wrong
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
    from contractive.cli._compare_run import Wishes, run

    wishes = Wishes(numbers(hidden, "--hidden"), code, epochs, batch_size, learning_rate, loss.value)
    names = tuple(name.strip() for name in variants.split(",") if name.strip())
    fixed = {} if weight is None else {"contractive": weight}
    run(data, data_dir, out, wishes, names, seeds, price, fixed, jobs, force=force, as_json=json, quiet=quiet)
