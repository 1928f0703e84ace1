"""The commands that train several models: `compare` and `sweep`."""

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from contractive.cli import _options as options
from contractive.cli._app import command
from contractive.cli._begin import check_results, command_line, is_given, processors
from contractive.cli._console import Console, bold
from contractive.cli._settings import Group, parse_numbers
from contractive.core.errors import InvalidValue
from contractive.core.signals import exit_code
from contractive.studies.compare import CompareSettings, Results
from contractive.studies.sweep import SweepSettings


@command("compare mnist --data-dir ~/data --max-epochs 5 -o mnist")
def compare(
    *,
    data: options.Source,
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for results.json, results.csv and report.html.")],
    settings: Annotated[
        CompareSettings,
        Group(
            "Comparison",
            {"network": "Network", "training": "Training"},
            without=("devices", "num_nodes", "strategy"),
            defaults={"device": "cpu"},
        ),
    ],
    weight: Annotated[
        float | None,
        typer.Option(help="Weight of the contractive penalty, instead of a search.", rich_help_panel="Comparison"),
    ] = None,
    data_dir: options.DataDir = None,
    reading: options.DataOptions,
    jobs: options.Jobs = None,
    force: options.Force = False,
    json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """All get the same data split, network, training and seeds.

    Each penalty is set by one rule, on validation data: as strong as the allowed increase of the error permits. Test
    data are only measured. Prints a table and writes report.html: open it in a browser.
    """
    from contractive.data import load
    from contractive.report import compare_verdict, comparison_html, write_page
    from contractive.studies.compare import compare as work

    check_results(out, "results.json", force=force)
    console, page = Console(quiet=quiet or json), out / "report.html"
    fixed = {} if weight is None else {"contractive": weight}
    settings = replace(settings, weights=fixed, jobs=processors() if jobs is None else jobs)
    split = load(data, data_dir=data_dir, seed=settings.training.seed, options=reading).in_memory()
    console.notes(split.notes)

    def keep(results: Results) -> None:
        """Write what is finished, which an interruption then does not lose; a page would be that of other results."""
        page.unlink(missing_ok=True)
        results.write(out)

    with console.progress("Training") as progress:
        results = work(split, settings, command=command_line(), on_progress=progress, on_results=keep)
    write_page(comparison_html(results), page)
    if json:  # without the epochs and the arrays
        objectives = [
            {
                **{name: getattr(each, name) for name in ("name", "weight", "search", "warnings")},
                "metrics": {key: {"mean": each.mean(key), "sd": each.sd(key)} for key in results.keys},
                "seeds": [{"seed": seed.seed, "metrics": seed.metrics} for seed in each.seeds],
            }
            for each in results.objectives
        ]
        facts = ("data", "settings", "versions", "seconds", "command", "noise_levels")
        shown = {name: getattr(results, name) for name in facts}
        console.document({"report": str(page), **shown, "objectives": objectives, "components": results.components})
        return
    _print_table(console, results)
    for each in results.objectives:
        console.warnings(each.warnings, of=each.name)
    console.line("Report: ", bold(page))
    console.line(bold(compare_verdict(results)))


def _print_table(console: Console, results: Results) -> None:
    from contractive.studies.metrics import METRICS

    rows = [
        (
            METRICS[key].heading,
            *(METRICS[key].text(each.mean(key), each.sd(key)) for each in results.objectives),
            METRICS[key].text(results.components.get(key)),
        )
        for key in results.keys
    ]
    seeds = results.settings.seeds
    over = f"mean ± sd over {seeds} seeds" if seeds > 1 else "one seed"
    headings = ("", *(each.name for each in results.objectives), "PCA")
    weights = [
        f"{each.name} {each.weight:.3g} ({'searched' if each.search else 'fixed'})"
        for each in results.objectives
        if each.weight is not None
    ]
    caption = "PCA: as many principal components. Noise level 1 is a feature's typical standard deviation."
    if weights:
        caption = (
            f"Weights: {', '.join(weights)}. Searched on validation data: the largest that raises the reconstruction"
            f" error by at most {results.settings.max_error_increase:.0%} over the standard model's (if none does, the"
            f" one that raises it least). {caption}"
        )
    console.table(rows, headings, title=f"{results.data.name}: test data, {over}", caption=caption)


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
    settings: Annotated[
        SweepSettings,
        Group(
            "Sweep",
            {"network": "Network", "objective": "Objective", "training": "Training"},
            without=("weight", "max_error_increase", "devices", "num_nodes", "strategy"),
            defaults={"device": "cpu"},
        ),
    ],
    weights: Annotated[
        str | None,
        typer.Option(
            metavar="X,X,...",
            help="Weights to try instead of a search; the model without a penalty is added.",
            rich_help_panel="Sweep",
        ),
    ] = None,
    data_dir: options.DataDir = None,
    reading: options.DataOptions,
    jobs: options.Jobs = None,
    force: options.Force = False,
    quiet: options.Quiet = False,
) -> None:
    """One autoencoder is trained per weight and judged on validation rows.

    The result marks the Pareto front, the weights that no other beats in both error and sensitivity, and its knee. An
    interrupted sweep loses nothing: the same command resumes it, and several machines may share the folder. Afterwards:
    `contractive info DIR/best`, `contractive encode DIR/best DATA -o codes.csv`.
    """
    from contractive.data import load
    from contractive.report import sweep_html, sweep_sentences, write_page
    from contractive.studies.metrics import METRICS
    from contractive.studies.sweep import sweep as work

    if weights is not None and is_given(context, "trials"):
        raise InvalidValue("trials", "be left out with --weights", "both", "A grid has one trial per weight.")
    grid = None
    if weights is not None:  # a model without a penalty is always trained
        grid = tuple(dict.fromkeys(weight for weight in parse_numbers("weights", weights) if weight))
    settings = replace(settings, weights=grid, jobs=processors() if jobs is None else jobs)
    split = load(data, data_dir=data_dir, seed=settings.run.training.seed, options=reading)
    console = Console(quiet=quiet)
    console.notes(split.notes)
    try:
        with console.progress("Trials") as progress:
            found = work(split, settings, out, command=command_line(), force=force, on_progress=progress)
    except KeyboardInterrupt as error:
        console.note("Stopped. What is finished is kept: run the same command again to resume.")
        raise typer.Exit(exit_code(error)) from None
    page = write_page(sweep_html(found), out / "report.html")
    seeds = found.settings.seeds
    shown = [*(METRICS[key] for key in found.settings.judged), METRICS["squared_norm"]]
    marks = {number: " ●" for number in found.front} | {found.knee: " ● knee"}
    rows = [
        (
            (f"{trial.weight:.3g}" if trial.weight else "none") + marks.get(trial.number, ""),
            *(metric.text(trial.metrics[metric.key], trial.spread.get(metric.key)) for metric in shown),
        )
        for trial in found.complete
    ]
    linear = found.components["validation"]
    rows.append(("PCA", *(metric.text(linear.get(metric.key)) for metric in shown)))
    console.table(
        rows,
        ("weight", *(metric.heading for metric in shown)),
        title=f"{found.data.name}: {found.settings.objective}, {seeds} seed{'' if seeds == 1 else 's'}",
        caption="Validation rows; the page has test rows, too. ● is on the Pareto front. PCA: as many components.",
        bold_row=[trial.number for trial in found.complete].index(found.knee),
    )
    console.warnings(found.baseline.warnings, of="without penalty")
    for trial in found.pruned:
        console.line(f"Pruned: weight {trial.weight:.3g}, {trial.reason}", style="dim")
    console.line("Report: ", bold(page))
    console.line("Best run: ", bold(out / "best"), f" (contractive info {out / 'best'})")
    console.line(bold(sweep_sentences(found)[0]))
