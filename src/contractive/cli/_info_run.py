"""`contractive info`: what a run is."""

import json
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from contractive.cli._tables import classifier_table, figures_table, layers_table, say_warnings
from contractive.data import Preparation
from contractive.studies.classifier_runs import ClassifierRun, open_any
from contractive.studies.runs import Run

_MOST_NAMES = 12
_ORDER = (
    *("objective", "model", "classes", "network", "data", "preparation"),
    *("pretraining", "training", "versions", "command"),
)


def tell(folder: Path, *, as_json: bool) -> None:
    """What a run is."""
    run = open_any(folder)
    metrics = run.metrics()
    if as_json:
        print(json.dumps({"finished": run.finished, **run.config, "metrics": metrics}, indent=1))
        return
    epochs = 0 if metrics else len(run.history())
    console = Console(highlight=False)
    console.print(_table(run))
    if metrics:
        for table in _figures(run, metrics):
            console.print(table)
        say_warnings(console, metrics.get("warnings", ()))
    else:
        stage = " of fine-tuning" if isinstance(run, ClassifierRun) else ""
        console.print(
            f"[bold yellow]Not finished[/]: {epochs} of {run.settings.epochs} epochs{stage} are written."
            f" {escape(run.remedy)}",
            soft_wrap=True,
        )


def _figures(run: Run | ClassifierRun, metrics: dict[str, Any]) -> list[Table]:
    if isinstance(run, Run):
        return [figures_table(metrics)]
    return [classifier_table(metrics), *([layers_table(metrics)] if metrics["pretraining"] else [])]


def _table(run: Run | ClassifierRun) -> Table:
    data = run.config["data"]
    facts = {
        **(_facts(run) if isinstance(run, Run) else _facts_of_classifier(run)),
        "data": f"{data.get('name')}: "
        + ", ".join(f"{count:,} {part}" for part, count in data.get("rows", {}).items()),
        "preparation": _prepared(run.preparation),
        "versions": ", ".join(f"{name} {number}" for name, number in run.config.get("versions", {}).items()),
        "command": run.config.get("command", ""),
    }
    table = Table(title=escape(str(run.folder)), title_justify="left", show_header=False)
    for name in _ORDER:
        if facts.get(name):
            table.add_row(name, escape(facts[name]))
    return table


def _facts(run: Run) -> dict[str, str]:
    settings = run.settings
    widths = "-".join(map(str, (run.preparation.features, *(settings.hidden or ()), settings.code)))
    return {
        "objective": f"{settings.objective}, {_strength(run)}",
        "network": f"{settings.model} {widths}, {settings.activation}, output {settings.output}",
        "training": f"{settings.loss.replace('_', ' ')}, batch {settings.batch_size}, rate {settings.learning_rate},"
        f" {settings.schedule}, seed {settings.seed}",
    }


def _facts_of_classifier(run: ClassifierRun) -> dict[str, str]:
    settings, names = run.settings, run.names
    widths = "-".join(map(str, (run.preparation.features, *run.widths, len(names))))
    more = f", ... ({len(names)} in all)" if len(names) > _MOST_NAMES else ""
    extra = f", {settings.tangents} directions of weight {settings.tangent_weight:.4g}" if settings.tangents else ""
    pretrained = f"{settings.objective}, strength {settings.weight or 0:.4g}, {settings.pretraining_epochs} epochs each"
    return {
        "model": "classifier" + (" of stacked layers" if len(run.widths) > 1 else ""),
        "classes": ", ".join(names[:_MOST_NAMES]) + more,
        "network": f"{widths}, {settings.activation}, output {settings.output}",
        "pretraining": pretrained if settings.pretraining_epochs else "none",
        "training": f"{settings.labels_used or 'all'} labels, batch {settings.batch_size}, rate"
        f" {settings.learning_rate:.4g}, decay {settings.decay:.4g}, seed {settings.seed}{extra}",
    }


def _strength(run: Run) -> str:
    settings = run.settings
    if settings.max_error_increase is None:
        return f"strength {settings.weight or 0:.4g}"
    metrics = run.metrics()
    found = f": {metrics['weight']:.4g}, error increase {metrics['error_increase']:.1%}" if "weight" in metrics else ""
    return f"weight found at an error increase of {settings.max_error_increase:.0%}{found}"


def _prepared(preparation: Preparation) -> str:
    scalers = {"range": "scaled to [0, 1] by their range", "none": "not scaled"}
    words = [f"{preparation.features} features", scalers.get(preparation.scaler, f"{preparation.scaler} scaling")]
    kinds = [column.kind for column in preparation.columns]
    if kinds:
        words.append("columns: " + " and ".join(f"{kinds.count(kind)} {kind}" for kind in dict.fromkeys(kinds)))
    if preparation.fill is not None:
        words.append("missing values filled")
    return ", ".join(words)
