"""The command `compare`."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from contractive.cli import _options as options
from contractive.cli._app import command
from contractive.cli._begin import check_writable, command_line, processors
from contractive.cli._console import Console, bold
from contractive.cli._options import LossName
from contractive.cli._parse import numbers, words
from contractive.core.errors import InvalidValue

if TYPE_CHECKING:
    from contractive.data import Split
    from contractive.studies.compare import Budget, Results

_MANY_ROWS = 5000
_MANY_FEATURES = 256


@command("compare mnist --data-dir ~/data --max-epochs 5 -o mnist")
def compare(
    *,
    data: options.Source,
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for results.json, results.csv and report.html.")],
    objectives: Annotated[
        str,
        typer.Option(
            help="Which, with commas: standard, denoising, sparse, contractive, higher_order,"
            " reconstruction_contractive, weight_decay."
        ),
    ] = "standard,denoising,sparse,contractive",
    seeds: Annotated[int, typer.Option(help="Fits per variant; the table shows mean and spread over them.")] = 3,
    max_epochs: Annotated[
        int | None, typer.Option(help="Passes over the data.", show_default="40, or 10 above 5000 rows")
    ] = None,
    max_error_increase: Annotated[
        float,
        typer.Option(
            help="Each variant gets its strongest setting that raises the validation reconstruction error by at"
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
    from contractive.report import write_report
    from contractive.studies.compare import Settings, write
    from contractive.studies.compare import compare as work

    if (out / "results.json").exists() and not force:
        raise InvalidValue("out", "be a folder without results", out, "Choose another one or give `force`.")
    check_writable(out)
    console = Console(quiet=quiet or json)
    split = load(data, data_dir=data_dir, options=reading).in_memory()
    console.notes(split.notes)
    overrides = Overrides(numbers(hidden, "hidden"), code, max_epochs, batch_size, learning_rate, loss.value)
    fixed = {} if weight is None else {"contractive": weight}
    jobs = processors() if jobs is None else jobs
    settings = Settings(overrides.budget(split), words(objectives), seeds, max_error_increase, fixed, jobs)
    with console.progress("Training") as progress:
        results = work(split, settings, progress)
    results.document["command"] = command_line()
    write(results, out)
    page = write_report(results, out / "report.html")
    if json:
        console.document({"report": str(page), **_brief(results)})
        return
    _print_table(console, results)
    for variant in results.variants:
        console.warnings(variant["warnings"], of=variant["name"])
    console.line("Report: ", bold(page))


def _print_table(console: Console, results: "Results") -> None:
    from contractive.studies.metrics import METRICS

    document, variants = results.document, results.variants
    seeds = document["settings"]["seeds"]
    rows = [
        (
            metric.heading,
            *(_cell(variant["summary"][name], seeds) for variant in variants),
        )
        for name, metric in METRICS.items()
        if name in variants[0]["summary"]
    ]
    over = f"mean ± sd over {seeds} seeds" if seeds > 1 else "one seed"
    title = f"{document['data']['name']}: test data, {over}"
    headings = ("", *(variant["name"] for variant in variants))
    console.table(rows, headings, title=title, caption=_caption(document))


def _caption(document: dict[str, Any]) -> str:
    weights = [
        f"{variant['name']} {variant['strength']:.3g} ({'fixed' if variant['search'] is None else 'searched'})"
        for variant in document["variants"]
        if variant["strength"] is not None
    ]
    noise = "Noise level 1 is a feature's typical sd."
    if not weights:
        return noise
    allowed = document["settings"]["max_error_increase"]
    return (
        f"Weights: {', '.join(weights)}. Searched on validation data: the largest that raises the reconstruction error"
        f" by at most {allowed:.0%} over the standard model's (if none does, the one that raises it least). {noise}"
    )


def _cell(summary: dict[str, float], seeds: int) -> str:
    return f"{summary['mean']:.3g}" + (f" ± {summary['sd']:.1g}" if seeds > 1 else "")


def _brief(results: "Results") -> dict[str, Any]:
    """The results without the epochs."""
    document = {key: value for key, value in results.document.items() if key != "similarity"}
    variants = []
    for variant in results.variants:
        seeds = [{key: seed[key] for key in ("seed", "figures")} for seed in variant["seeds"]]
        kept = {key: value for key, value in variant.items() if key != "sections"}
        variants.append({**kept, "seeds": seeds})
    return {**document, "variants": variants}


@dataclass(frozen=True)
class Overrides:
    """Parts of the budget the user set; None is for the default."""

    hidden: tuple[int, ...] | None
    code: int | None
    epochs: int | None
    batch_size: int | None
    learning_rate: float | None
    loss: str

    def budget(self, split: "Split") -> "Budget":
        """The budget, with defaults by the size of the training data."""
        from contractive.studies.compare import Budget
        from contractive.studies.runs import span

        low, high = span(split)
        many, wide = len(split.train) > _MANY_ROWS, split.features >= _MANY_FEATURES
        return Budget(
            hidden=self.hidden if self.hidden is not None else (256, 128) if wide else (128, 64),
            code=self.code if self.code is not None else 64 if wide else 32,
            epochs=self.epochs if self.epochs is not None else 10 if many else 40,
            batch_size=self.batch_size if self.batch_size is not None else 128 if many else 32,
            learning_rate=self.learning_rate if self.learning_rate is not None else 1e-3 if many else 3e-3,
            loss=self.loss,
            output="sigmoid" if low >= 0 and high <= 1 else "linear",
        )
