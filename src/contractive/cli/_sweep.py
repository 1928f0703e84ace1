"""The command `sweep`."""

from pathlib import Path
from typing import Annotated

import typer

from contractive.cli import _options as options
from contractive.cli._app import LossName, amounts, app, numbers, says_what_is_wrong


@app.command(epilog="Example:  contractive sweep digits --weights 0.001,0.01,0.1,1.0 --out sweep")
@says_what_is_wrong
def sweep(
    context: typer.Context,
    data: options.Source,
    out: Annotated[
        Path, typer.Option(help="Folder for report.html, sweep.json, sweep.csv, best/ (a run) and trials/ (all runs).")
    ],
    weights: Annotated[
        str | None,
        typer.Option(help="Fit these, with commas, instead of searching. The model without a penalty is added."),
    ] = None,
    trials: Annotated[
        int, typer.Option(help="Of the search, in all: a larger number goes on with a finished one.")
    ] = 16,
    kind: Annotated[
        str,
        typer.Option(
            help="contractive, higher-order, reconstruction-contractive, sparse, weight-decay or denoising (sigma of"
            " the noise)."
        ),
    ] = "contractive",
    seeds: Annotated[int, typer.Option(help="Fits per trial; means are judged, the spread is shown.")] = 1,
    accuracy: Annotated[
        bool, typer.Option("--accuracy", help="A third objective: accuracy of a linear probe on the codes.")
    ] = False,
    model: options.Model = "mlp",
    hidden: options.Hidden = None,
    code: options.Code = None,
    activation: options.Activation = "sigmoid",
    loss: options.Loss = LossName.squared_error,
    method: options.Method = "auto",
    epochs: options.Epochs = None,
    batch_size: options.BatchSize = None,
    learning_rate: options.LearningRate = None,
    schedule: options.Schedule = "cosine",
    patience: options.Patience = None,
    gradient_clip: options.GradientClip = None,
    seed: options.Seed = 0,
    data_dir: options.DataDir = None,
    key: options.Key = None,
    label: options.Label = None,
    drop: options.Drop = None,
    one_hot: options.OneHot = None,
    impute: options.Impute = None,
    scale: options.Scale = "auto",
    size: options.Size = None,
    gray: options.Gray = False,
    separator: options.Separator = None,
    encoding: options.Encoding = None,
    header: options.Header = None,
    test: options.Test = None,
    jobs: Annotated[
        int | None,
        typer.Option(
            help="Trials at a time, one thread each.",
            show_default="one per processor",
            rich_help_panel=options.MACHINE,
        ),
    ] = None,
    device: options.Device = "cpu",
    precision: options.Precision = "32",
    force: options.Force = False,
    quiet: options.Quiet = False,
) -> None:
    """Find the weight: what each costs in reconstruction, what it buys in steadiness, and the best bargain.

    Trains one autoencoder per weight, judges them on validation rows, draws the front of those that no other beats and
    marks its knee. Nothing is lost when it is broken off: the same command goes on, and several machines may share the
    folder. Afterwards: `contractive info DIR/best`, `contractive encode DIR/best DATA -o codes.csv`.
    """
    from contractive.cli._sweep_run import run
    from contractive.runs import Settings

    given = context.get_parameter_source("trials")
    if weights is not None and given is not None and given.name == "COMMANDLINE":
        raise ValueError("--trials must be left out with --weights, got both. A grid has one trial per weight.")
    fits = Settings(
        kind=kind,
        model=model,
        hidden=numbers(hidden, "--hidden"),
        code=code,
        activation=activation,
        loss=loss.value,
        method=method,
        epochs=epochs,
        batch_size=batch_size,
        learning_rate=learning_rate,
        schedule=schedule,
        patience=patience,
        gradient_clip=gradient_clip,
        seed=seed,
        device=device,
        precision=precision,
    )
    wishes = options.data_options(
        key=key,
        label=label,
        drop=drop,
        one_hot=one_hot,
        impute=impute,
        scale=scale,
        size=size,
        gray=gray,
        separator=separator,
        encoding=encoding,
        header=header,
        test=test,
    )
    grid = amounts(weights, "--weights")
    run(data, data_dir, wishes, fits, grid, trials, seeds, jobs, out, accuracy=accuracy, force=force, quiet=quiet)
