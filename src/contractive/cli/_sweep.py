"""The command `sweep`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from contractive.cli import _options as options
from contractive.cli._app import command
from contractive.cli._begin import command_line, is_given, processors
from contractive.cli._console import Console, bold
from contractive.cli._parse import amounts
from contractive.core.errors import InvalidValue

if TYPE_CHECKING:
    from contractive.studies.sweep import Sweep


@command("sweep digits --weights 0.001,0.01,0.1,1.0 -o sweep")
def sweep(
    *,
    context: typer.Context,
    data: options.Source,
    out: Annotated[
        Path,
        typer.Option(
            "--out", "-o", help="Folder for report.html, sweep.json, sweep.csv, best/ (a run) and trials/ (all runs)."
        ),
    ],
    weights: Annotated[
        str | None,
        typer.Option(help="Fit these, with commas, instead of searching. The model without a penalty is added."),
    ] = None,
    trials: Annotated[
        int, typer.Option(help="Of the search, in all: a larger number goes on with a finished one.")
    ] = 16,
    objective: Annotated[
        str,
        typer.Option(
            help="contractive, higher_order, reconstruction_contractive, sparse, weight_decay or denoising (sigma of"
            " the noise)."
        ),
    ] = "contractive",
    seeds: Annotated[int, typer.Option(help="Fits per trial; means are judged, the spread is shown.")] = 1,
    accuracy: Annotated[
        bool, typer.Option("--accuracy", help="A third objective: accuracy of a linear probe on the codes.")
    ] = False,
    fitting: options.Fitting,
    data_dir: options.DataDir = None,
    reading: options.DataOptions,
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
    """One autoencoder is trained per weight and judged on validation rows.

    Among them are the Pareto front, of those that no other beats in both, and its knee. An interrupted sweep loses
    nothing: the same command resumes it, and several machines may share the folder. Afterwards: `contractive info
    DIR/best`, `contractive encode DIR/best DATA -o codes.csv`.
    """
    from contractive.data import load
    from contractive.report import sweep_sentences, write_sweep
    from contractive.studies.runs import AutoencoderSettings
    from contractive.studies.sweep import SweepSettings
    from contractive.studies.sweep import sweep as work

    if weights is not None and is_given(context, "trials"):
        raise InvalidValue("trials", "be left out with --weights", "both", "A grid has one trial per weight.")
    grid = amounts(weights, "weights")
    if grid is not None:  # a model without a penalty is always trained
        grid = tuple(dict.fromkeys(weight for weight in grid if weight))
    fits = AutoencoderSettings.of(**fitting.said(), objective=objective, device=device, precision=precision)
    settings = SweepSettings(fits, grid, trials, seeds, accuracy, processors() if jobs is None else jobs)
    split = load(data, data_dir=data_dir, seed=fits.training.seed, options=reading)
    console = Console(quiet=quiet)
    console.notes(split.notes)
    try:
        with console.progress("Trials") as progress:
            found = work(split, settings, out, command=command_line(), force=force, on_progress=progress)
    except KeyboardInterrupt:
        console.note("Stopped. What is finished is kept: run the same command again to resume.")
        raise typer.Exit(130) from None
    page = write_sweep(found, out / "report.html")
    _print_table(console, found)
    console.warnings(found.baseline.warnings, of="without penalty")
    for trial in found.pruned:
        console.line(f"Pruned: weight {trial.weight:.3g}, {trial.reason}", style="dim")
    console.line("Report: ", bold(page))
    console.line("Best run: ", bold(out / "best"), f" (contractive info {out / 'best'})")
    console.line(bold(sweep_sentences(found)[0]))


def _print_table(console: Console, found: "Sweep") -> None:
    from contractive.studies.metrics import METRICS

    seeds, base = found.settings.seeds, found.baseline
    judged = [METRICS[key] for key in found.settings.judged]
    shown = [*judged, METRICS["squared_norm"]]
    tested = [metric for metric in judged if metric.key in base.test]
    rows = []
    for trial in found.complete:
        rows.append(
            (
                f"{trial.weight:.3g}" if trial.weight else "none",
                *(metric.text(trial.metrics[metric.key], trial.spread.get(metric.key)) for metric in shown),
                *(metric.text(trial.test[metric.key]) for metric in tested),
                "● knee" if trial.number == found.knee else "●" if trial.number in found.front else "",
            )
        )
    console.table(
        rows,
        ("weight", *(metric.heading for metric in shown), *(f"test: {metric.heading}" for metric in tested), ""),
        title=f"{found.data.name}: {found.settings.objective}, {seeds} seed{'' if seeds == 1 else 's'}",
        caption="Validation rows choose; test rows are only shown. ● on the Pareto front.",
        left=(len(rows[0]) - 1,),
        bold_row=[trial.number for trial in found.complete].index(found.knee),
    )
