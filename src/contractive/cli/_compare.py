"""The command `compare`."""

from dataclasses import asdict
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from contractive.cli import _options as options
from contractive.cli._app import command
from contractive.cli._begin import check_writable, command_line, processors
from contractive.cli._console import Console, bold
from contractive.cli._options import LossName
from contractive.cli._parse import numbers, words
from contractive.core.errors import InvalidValue

if TYPE_CHECKING:
    from contractive.studies.compare import Results


@command("compare mnist --data-dir ~/data --max-epochs 5 -o mnist")
def compare(
    *,
    data: options.Source,
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for results.json, results.csv and report.html.")],
    objectives: Annotated[
        str,
        typer.Option(
            help="Which, with commas: standard, denoising, sparse, contractive, higher_order,"
            " reconstruction_contractive, contractive_denoising, l1, weight_decay."
        ),
    ] = "standard,denoising,sparse,contractive",
    seeds: Annotated[int, typer.Option(help="Fits per objective; the table shows mean and spread over them.")] = 3,
    max_epochs: Annotated[
        int | None,
        typer.Option(help="Passes over the data.", show_default="40, or 10 above 5000 rows of at least 256 features"),
    ] = None,
    max_error_increase: Annotated[
        float,
        typer.Option(
            help="Each objective gets the largest weight that raises the validation reconstruction error by at"
            " most this share over the standard model's."
        ),
    ] = 0.2,
    weight: Annotated[
        float | None,
        typer.Option(help="Fix the weight of the contractive penalty instead of searching it by the error increase."),
    ] = None,
    hidden: options.Hidden = None,
    code: options.Code = None,
    batch_size: options.BatchSize = None,
    learning_rate: options.LearningRate = None,
    loss: Annotated[LossName, typer.Option(help="Reconstruction loss, summed over features.")] = LossName.squared_error,
    data_dir: options.DataDir = None,
    reading: options.DataOptions,
    jobs: Annotated[int | None, typer.Option(help="Fits at a time.", show_default="one per processor")] = None,
    force: options.Force = False,
    json: Annotated[bool, typer.Option("--json", help="Print the results as JSON and nothing else.")] = False,
    quiet: options.Quiet = False,
) -> None:
    """All get the same data split, network, training and seeds.

    Each penalty is set by one rule, on validation data: as strong as the allowed increase of the error permits. Test
    data are only measured. Prints a table and writes report.html: open it in a browser.
    """
    from contractive.data import load
    from contractive.models import NetworkSettings
    from contractive.report import write_comparison
    from contractive.studies.compare import CompareSettings
    from contractive.studies.compare import compare as work
    from contractive.training import TrainingSettings

    if (out / "results.json").exists() and not force:
        raise InvalidValue("out", "be a folder without results", out, "Choose another one or give `force`.")
    check_writable(out)
    console = Console(quiet=quiet or json)
    settings = CompareSettings(
        network=NetworkSettings(hidden=numbers(hidden, "hidden"), code=code),
        training=TrainingSettings(
            max_epochs=max_epochs, batch_size=batch_size, learning_rate=learning_rate, device="cpu"
        ),
        loss=loss.value,
        objectives=words(objectives),
        seeds=seeds,
        max_error_increase=max_error_increase,
        weights={} if weight is None else {"contractive": weight},
        jobs=processors() if jobs is None else jobs,
    )
    split = load(data, data_dir=data_dir, options=reading).in_memory()
    console.notes(split.notes)
    with console.progress("Training") as progress:
        results = work(split, settings, command=command_line(), on_progress=progress)
    results.write(out)
    page = write_comparison(results, out / "report.html")
    if json:
        console.document({"report": str(page), **_brief(results)})
        return
    _print_table(console, results)
    for each in results.objectives:
        console.warnings(each.warnings, of=each.name)
    console.line("Report: ", bold(page))


def _print_table(console: Console, results: "Results") -> None:
    from contractive.studies.metrics import METRICS

    rows = [
        (METRICS[key].heading, *(METRICS[key].text(each.mean(key), each.sd(key)) for each in results.objectives))
        for key in results.keys
    ]
    seeds = results.settings.seeds
    over = f"mean ± sd over {seeds} seeds" if seeds > 1 else "one seed"
    headings = ("", *(each.name for each in results.objectives))
    console.table(rows, headings, title=f"{results.data.name}: test data, {over}", caption=_caption(results))


def _caption(results: "Results") -> str:
    weights = [
        f"{each.name} {each.weight:.3g} ({'searched' if each.search else 'fixed'})"
        for each in results.objectives
        if each.weight is not None
    ]
    noise = "Noise level 1 is a feature's typical standard deviation."
    if not weights:
        return noise
    return (
        f"Weights: {', '.join(weights)}. Searched on validation data: the largest that raises the reconstruction error"
        f" by at most {results.settings.max_error_increase:.0%} over the standard model's (if none does, the one that"
        f" raises it least). {noise}"
    )


def _brief(results: "Results") -> dict[str, object]:
    """The results without the epochs and the arrays."""
    objectives = [
        {
            "name": each.name,
            "weight": each.weight,
            "search": [
                {**asdict(trial), "error_increase": trial.error_increase if isfinite(trial.error_increase) else None}
                for trial in each.search
            ],
            "warnings": each.warnings,
            "metrics": {key: {"mean": each.mean(key), "sd": each.sd(key)} for key in results.keys},
            "seeds": [{"seed": seed.seed, "metrics": seed.metrics} for seed in each.seeds],
        }
        for each in results.objectives
    ]
    facts = {name: getattr(results, name) for name in ("versions", "seconds", "command", "noise_levels")}
    return {"data": asdict(results.data), "settings": asdict(results.settings), "objectives": objectives, **facts}
