"""`contractive compare`: run it with a progress bar, print the table, write the files."""

import json
import os
import shlex
import sys
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from contractive.cli._begin import diverged
from contractive.core.files import write_text
from contractive.data import Options, Split, load
from contractive.report import write_report
from contractive.studies.compare import Budget, Results, Settings, write
from contractive.studies.compare import compare as compare_variants
from contractive.studies.metrics import METRICS
from contractive.studies.runs import span
from contractive.training import TrainingDiverged

_MANY_ROWS = 5000
_MANY_FEATURES = 256


@dataclass(frozen=True)
class Wishes:
    """Parts of the budget the user set; None is for the default."""

    hidden: tuple[int, ...] | None
    code: int | None
    epochs: int | None
    batch_size: int | None
    learning_rate: float | None
    loss: str

    def budget(self, split: Split) -> Budget:
        """The budget, with defaults by the size of the training data."""
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


def run(
    data: str,
    data_dir: Path | None,
    options: Options,
    out: Path,
    wishes: Wishes,
    variants: tuple[str, ...],
    seeds: int,
    max_error_increase: float,
    fixed: dict[str, float],
    jobs: int | None,
    *,
    force: bool,
    as_json: bool,
    quiet: bool,
) -> None:
    """Do what the command says."""
    _check_folder(out, force)
    split = load(data, data_dir=data_dir, options=options).in_memory()
    for note in () if quiet or as_json else split.notes:
        Console(stderr=True, highlight=False).print(f"[dim]Note: {note}[/]", soft_wrap=True)
    jobs = jobs if jobs is not None else processors()
    settings = Settings(wishes.budget(split), variants, seeds, max_error_increase, fixed, jobs)
    try:
        results = _with_progress(split, settings, hidden=quiet or as_json)
    except TrainingDiverged as error:
        raise diverged(error, "Here: a smaller --learning-rate or --weight.") from error
    except BrokenProcessPool as error:
        raise ValueError("every process must live on, got one killed, probably for memory. Use --jobs 1.") from error
    results.document["command"] = shlex.join(["contractive", *sys.argv[1:]])
    write(results, out)
    page = write_report(results, out / "report.html")
    if as_json:
        print(json.dumps({"report": str(page), **_brief(results)}, indent=1))
    elif not quiet:
        _print(results, page)


def processors() -> int:
    """Processors this process may use, which in a container can be fewer than there are."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _check_folder(out: Path, force: bool) -> None:
    """Refuse a folder that cannot be written, or that holds results, before the work and not after it."""
    if (out / "results.json").exists() and not force:
        raise ValueError(f"--out must be a folder without results, got {out}. Choose another one or give --force.")
    try:
        out.mkdir(parents=True, exist_ok=True)
        probe = out / ".writable"
        write_text(probe, "")
        probe.unlink()
    except OSError as error:
        raise ValueError(
            f"--out must be a folder that can be written, got {out}: {error.strerror}. Choose another."
        ) from error


def _with_progress(split: Split, settings: Settings, *, hidden: bool) -> Results:
    columns = (
        TextColumn("[bold]Training"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.description}"),
    )
    console = Console(stderr=True)
    with Progress(*columns, console=console, disable=hidden or not console.is_terminal) as progress:
        bar = progress.add_task("the standard autoencoder first", total=None)

        def watch(what: str, done: int, expected: int) -> None:
            progress.update(bar, description=f"[dim]{what}", completed=done, total=expected)

        return compare_variants(split, settings, watch)


def _print(results: Results, page: Path) -> None:
    console = Console()
    document = results.document
    table = Table(
        title=f"{escape(document['data']['name'])}: test data, {_over(document['settings']['seeds'])}",
        caption=_caption(document),
        caption_justify="left",
    )
    table.add_column("")
    for variant in results.variants:
        table.add_column(variant["name"], justify="right")
    for name, metric in METRICS.items():
        if name in results.variants[0]["summary"]:
            table.add_row(
                metric.heading,
                *(_cell(variant["summary"][name], len(variant["seeds"])) for variant in results.variants),
            )
    console.print(table)
    for variant in results.variants:
        for warning in variant["warnings"]:
            console.print(f"[bold yellow]{variant['name']}[/], {escape(warning)}")
    console.print(f"Report: [bold]{escape(str(page))}[/]", soft_wrap=True)


def _caption(document: dict[str, Any]) -> str:
    strengths = [
        f"{variant['name']} {variant['strength']:.3g} ({'fixed' if variant['search'] is None else 'searched'})"
        for variant in document["variants"]
        if variant["strength"] is not None
    ]
    allowed = document["settings"]["max_error_increase"]
    noise = "Noise level 1 is a feature's typical sd."
    if not strengths:
        return noise
    return (
        f"Strengths: {', '.join(strengths)}. Searched on validation data: the strongest that raises the reconstruction"
        f" error by at most {allowed:.0%} over the standard model's (if none does, the cheapest tried). {noise}"
    )


def _over(seeds: int) -> str:
    return f"mean ± sd over {seeds} seeds" if seeds > 1 else "one seed"


def _cell(summary: dict[str, float], seeds: int) -> str:
    return f"{summary['mean']:.3g}" + (f" ± {summary['sd']:.1g}" if seeds > 1 else "")


def _brief(results: Results) -> dict[str, Any]:
    """The results without the epochs."""
    document = {key: value for key, value in results.document.items() if key != "similarity"}
    variants = []
    for variant in results.variants:
        seeds = [{key: seed[key] for key in ("seed", "figures")} for seed in variant["seeds"]]
        kept = {key: value for key, value in variant.items() if key != "sections"}
        variants.append({**kept, "seeds": seeds})
    return {**document, "variants": variants}
