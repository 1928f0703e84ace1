"""`contractive encode`, `reconstruct` and `info`."""

import json
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from contractive import runs
from contractive.cli._tables import figures_table
from contractive.data import Options, Preparation
from contractive.runs import Run, open_run


def use(
    what: str,
    folder: Path,
    data: str,
    output: Path,
    keep: tuple[str, ...],
    options: Options,
    device: str,
    *,
    force: bool,
    quiet: bool,
) -> None:
    """Encode or reconstruct."""
    run = open_run(folder)
    work = {"encode": runs.encode, "reconstruct": runs.reconstruct}[what]
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    console = Console(stderr=True)
    with Progress(*columns, console=console, disable=quiet or not console.is_terminal, transient=True) as progress:
        bar = progress.add_task("reading")

        def watch(rows: int) -> None:
            progress.update(bar, description=f"{rows:,} rows")

        place = "cpu" if device == "auto" else device
        rows = work(run, data, output, keep=keep, options=options, device=place, overwrite=force, watch=watch)
    if not quiet:
        Console(highlight=False).print(f"{rows:,} rows: [bold]{escape(str(output))}[/]", soft_wrap=True)


def tell(folder: Path, *, as_json: bool) -> None:
    """What a run is."""
    run = open_run(folder)
    metrics = run.metrics()
    if as_json:
        print(json.dumps({"finished": run.finished, **run.config, "metrics": metrics}, indent=1))
        return
    epochs = 0 if metrics else len(run.history())
    console = Console(highlight=False)
    console.print(_facts(run))
    if metrics:
        console.print(figures_table(metrics))
        for warning in metrics.get("warnings", ()):
            console.print(f"[bold yellow]Warning[/]: {escape(warning)}", soft_wrap=True)
    else:
        console.print(
            f"[bold yellow]Not finished[/]: {epochs} of {run.settings.epochs} epochs are written. {escape(run.remedy)}",
            soft_wrap=True,
        )


def _facts(run: Run) -> Table:
    settings, data = run.settings, run.config["data"]
    rows = data.get("rows", {})
    widths = "-".join(map(str, (run.preparation.features, *(settings.hidden or ()), settings.code)))
    facts = {
        "kind": f"{settings.kind}, {_strength(run)}",
        "network": f"{settings.model} {widths}, {settings.activation}, output {settings.output}",
        "data": f"{data.get('name')}: " + ", ".join(f"{count:,} {part}" for part, count in rows.items()),
        "preparation": _prepared(run.preparation),
        "training": f"{settings.loss.replace('_', ' ')}, batch {settings.batch_size}, rate {settings.learning_rate},"
        f" {settings.schedule}, seed {settings.seed}",
        "versions": ", ".join(f"{name} {number}" for name, number in run.config.get("versions", {}).items()),
        "command": run.config.get("command", ""),
    }
    table = Table(title=escape(str(run.folder)), title_justify="left", show_header=False)
    for name, words in facts.items():
        if words:
            table.add_row(name, escape(words))
    return table


def _strength(run: Run) -> str:
    settings = run.settings
    if settings.price is None:
        return f"strength {settings.weight or 0:.4g}"
    metrics = run.metrics()
    found = f": {metrics['weight']:.4g}, price paid {metrics['price_paid']:.1%}" if "weight" in metrics else ""
    return f"weight found at a price of {settings.price:.0%}{found}"


def _prepared(preparation: Preparation) -> str:
    scalers = {"range": "scaled to [0, 1] by their range", "none": "not scaled"}
    words = [f"{preparation.features} features", scalers.get(preparation.scaler, f"{preparation.scaler} scaling")]
    kinds = [column.kind for column in preparation.columns]
    if kinds:
        words.append("columns: " + " and ".join(f"{kinds.count(kind)} {kind}" for kind in dict.fromkeys(kinds)))
    if preparation.fill is not None:
        words.append("missing values filled")
    return ", ".join(words)
