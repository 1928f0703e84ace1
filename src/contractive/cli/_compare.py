"""The command `compare`."""

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from contractive.cli import _options as options
from contractive.cli._app import command
from contractive.cli._begin import check_results, command_line, processors
from contractive.cli._console import Console, bold
from contractive.cli._settings import Group
from contractive.studies.compare import CompareSettings, Results


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
    from contractive.report import compare_sentences, write_comparison
    from contractive.studies.compare import compare as work

    check_results(out, "results.json", force=force)
    console = Console(quiet=quiet or json)
    fixed = {} if weight is None else {"contractive": weight}
    settings = replace(settings, weights=fixed, jobs=processors() if jobs is None else jobs)
    split = load(data, data_dir=data_dir, seed=settings.training.seed, options=reading).in_memory()
    console.notes(split.notes)
    with console.progress("Training") as progress:
        results = work(split, settings, command=command_line(), on_progress=progress)
    results.write(out)
    page = write_comparison(results, out / "report.html")
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
        console.document({"report": str(page), **shown, "objectives": objectives})
        return
    _print_table(console, results)
    for each in results.objectives:
        console.warnings(each.warnings, of=each.name)
    console.line("Report: ", bold(page))
    console.line(bold(next(iter(compare_sentences(results).values()))))


def _print_table(console: Console, results: Results) -> None:
    from contractive.studies.metrics import METRICS

    rows = [
        (METRICS[key].heading, *(METRICS[key].text(each.mean(key), each.sd(key)) for each in results.objectives))
        for key in results.keys
    ]
    seeds = results.settings.seeds
    over = f"mean ± sd over {seeds} seeds" if seeds > 1 else "one seed"
    headings = ("", *(each.name for each in results.objectives))
    weights = [
        f"{each.name} {each.weight:.3g} ({'searched' if each.search else 'fixed'})"
        for each in results.objectives
        if each.weight is not None
    ]
    caption = "Noise level 1 is a feature's typical standard deviation."
    if weights:
        caption = (
            f"Weights: {', '.join(weights)}. Searched on validation data: the largest that raises the reconstruction"
            f" error by at most {results.settings.max_error_increase:.0%} over the standard model's (if none does, the"
            f" one that raises it least). {caption}"
        )
    console.table(rows, headings, title=f"{results.data.name}: test data, {over}", caption=caption)
