"""The command `info`."""

from typing import TYPE_CHECKING, Annotated

import typer

from contractive.cli import _options as options
from contractive.cli._app import command
from contractive.cli._console import Console, bold
from contractive.cli._metrics import classifier_tables, metrics_table

if TYPE_CHECKING:
    from contractive.data import Preparation
    from contractive.studies.classifier_runs import ClassifierRun
    from contractive.studies.runs import Run

_MOST_NAMES = 12
_ORDER = (
    "task",
    "objective",
    "classes",
    "network",
    "data",
    "preparation",
    "pretraining",
    "training",
    "versions",
    "command",
)


@command("info run")
def info(
    run: options.EitherRun,
    json: Annotated[bool, typer.Option("--json", help="Print it as JSON and nothing else.")] = False,
) -> None:
    """A run that was interrupted says how it is resumed."""
    from contractive.studies.classifier_runs import ClassifierRun, open_any

    console, opened = Console(), open_any(run)
    metrics = opened.metrics()
    if json:
        console.document({"finished": opened.finished, **opened.config, "metrics": metrics})
        return
    epochs = 0 if metrics else len(opened.history())
    _print_facts(console, opened)
    if metrics:
        (classifier_tables if isinstance(opened, ClassifierRun) else metrics_table)(console, metrics)
        console.warnings(metrics.get("warnings", ()))
    else:
        stage = " of fine-tuning" if isinstance(opened, ClassifierRun) else ""
        written = f": {epochs} of {opened.settings.epochs} epochs{stage} are written. {opened.remedy}"
        console.line(bold("Not finished"), written)


def _print_facts(console: Console, run: "Run | ClassifierRun") -> None:
    from contractive.studies.runs import Run

    data = run.config["data"]
    facts = {
        **(_facts(run) if isinstance(run, Run) else _facts_of_classifier(run)),
        "data": f"{data.get('name')}: "
        + ", ".join(f"{count:,} {part}" for part, count in data.get("rows", {}).items()),
        "preparation": _prepared(run.preparation),
        "versions": ", ".join(f"{name} {number}" for name, number in run.config.get("versions", {}).items()),
        "command": run.config.get("command", ""),
    }
    rows = [(name, facts[name]) for name in _ORDER if facts.get(name)]
    console.table(rows, ("", ""), title=str(run.folder), left=(0, 1))


def _facts(run: "Run") -> dict[str, str]:
    settings = run.settings
    widths = "-".join(map(str, (run.preparation.features, *(settings.hidden or ()), settings.code)))
    return {
        "objective": f"{settings.objective}, {_weight(run)}",
        "network": f"{settings.model} {widths}, {settings.activation}, output {settings.output}",
        "training": f"{settings.loss.replace('_', ' ')}, batch {settings.batch_size}, rate {settings.learning_rate},"
        f" {settings.schedule}, seed {settings.seed}",
    }


def _facts_of_classifier(run: "ClassifierRun") -> dict[str, str]:
    settings, names = run.settings, run.names
    widths = "-".join(map(str, (run.preparation.features, *run.widths, len(names))))
    more = f", ... ({len(names)} in all)" if len(names) > _MOST_NAMES else ""
    extra = f", {settings.tangents} directions of weight {settings.tangent_weight:.4g}" if settings.tangents else ""
    pretrained = f"{settings.objective}, weight {settings.weight or 0:.4g}, {settings.pretraining_epochs} epochs each"
    return {
        "task": "classifier" + (" of stacked layers" if len(run.widths) > 1 else ""),
        "classes": ", ".join(names[:_MOST_NAMES]) + more,
        "network": f"{widths}, {settings.activation}, output {settings.output}",
        "pretraining": pretrained if settings.pretraining_epochs else "none",
        "training": f"{settings.labels_used or 'all'} labels, batch {settings.batch_size}, rate"
        f" {settings.learning_rate:.4g}, decay {settings.decay:.4g}, seed {settings.seed}{extra}",
    }


def _weight(run: "Run") -> str:
    settings = run.settings
    if settings.max_error_increase is None:
        return f"weight {settings.weight or 0:.4g}"
    metrics = run.metrics()
    found = f": {metrics['weight']:.4g}, actual increase {metrics['error_increase']:.1%}" if "weight" in metrics else ""
    return f"weight found for an error increase of {settings.max_error_increase:.0%}{found}"


def _prepared(preparation: "Preparation") -> str:
    scalers = {"range": "scaled to [0, 1] by their range", "none": "not scaled"}
    words = [f"{preparation.features} features", scalers.get(preparation.scaler, f"{preparation.scaler} scaling")]
    kinds = [group.kind for group in preparation.groups] if preparation.kind == "table" else []
    if kinds:
        words.append("columns: " + " and ".join(f"{kinds.count(kind)} {kind}" for kind in dict.fromkeys(kinds)))
    if preparation.fill is not None:
        words.append("missing values filled")
    return ", ".join(words)
