"""The commands `info` and `version`, and the tables of metrics that training prints, too."""

from typing import TYPE_CHECKING

from contractive.cli import _options as options
from contractive.cli._app import command
from contractive.cli._begin import open_trained, resume_command
from contractive.cli._console import Console, bold

if TYPE_CHECKING:
    from pathlib import Path

    from contractive.data import Preparation
    from contractive.estimators import ContractiveEstimator
    from contractive.studies.runs import (
        AutoencoderMetrics,
        AutoencoderRun,
        ClassifierMetrics,
        ClassifierRun,
        DetectorRun,
    )

_PARTS = ("validation", "test")
_MOST_NAMES = 12
_ORDER = (
    *("task", "objective", "classes", "network", "data", "preparation"),
    *("pretraining", "training", "versions", "command"),
)


@command("info run")
def info(run: options.TrainedFolder, json: options.Json = False) -> None:
    """A run that was interrupted says how it is resumed."""
    from contractive.studies.runs import AutoencoderRun, ClassifierRun, DetectorRun, Run

    console, opened = Console(), open_trained(run)
    if not isinstance(opened, Run):
        _show_estimator(console, run, opened, json=json)
        return
    metrics, data = opened.metrics(), opened.document.data
    if json:
        console.document({"finished": opened.finished, **vars(opened.document), "metrics": metrics})
        return
    written = [] if metrics else opened.history()
    is_classifier = isinstance(opened, ClassifierRun)
    facts = {
        **(_facts_of_classifier(opened) if is_classifier else {}),
        **(_facts(opened) if isinstance(opened, AutoencoderRun) else {}),
        **(_facts_of_detector(opened) if isinstance(opened, DetectorRun) else {}),
        "data": f"{data.name}: " + ", ".join(f"{count:,} {part}" for part, count in data.rows.items()),
        "preparation": _prepared(opened.preparation),
        "versions": ", ".join(f"{name} {number}" for name, number in opened.document.versions.items()),
        "command": opened.document.command,
    }
    rows = [(name, facts[name]) for name in _ORDER if facts.get(name)]
    console.table(rows, ("", ""), title=str(opened.folder), left=(0, 1))
    if metrics:
        if isinstance(opened, DetectorRun):
            from contractive.report import detector_sentences

            for sentence in detector_sentences(opened):
                console.line(sentence)
        else:
            (classifier_tables if is_classifier else metrics_table)(console, metrics)
        console.warnings(metrics.warnings)
    elif isinstance(opened, DetectorRun):
        console.line(bold("Not finished"), f". {resume_command(run)}")
    else:
        stage = " of fine-tuning" if is_classifier else ""
        epochs = f"{len(written)} of {opened.settings.values()['max_epochs']} epochs{stage}"
        console.line(bold("Not finished"), f": {epochs} are written. {resume_command(run)}")


def _show_estimator(console: Console, folder: "Path", estimator: "ContractiveEstimator", *, json: bool) -> None:
    """Print what a saved estimator is: parameters other than the defaults, and what was learned."""
    from contractive.estimators import ContractiveOutlierDetector

    given, defaults = estimator.get_params(), type(estimator)().get_params()
    changed = {name: value for name, value in given.items() if value != defaults[name]}
    facts = {
        "estimator": type(estimator).__name__,
        "features": estimator.n_features_in_,
        "numbers per code": estimator.n_components_,
        "weight": estimator.weight_,
        "epochs": estimator.n_iter_,
        "reconstruction error": estimator.reconstruction_error_,
    }
    if isinstance(estimator, ContractiveOutlierDetector):
        smallest = estimator.smallest_false_alarm_rate_
        facts |= {"score": estimator.score_by_, "offset": estimator.offset_, "smallest false-alarm rate": smallest}
    if json:
        console.document({**facts, "parameters": given})
        return
    words = ", ".join(f"{name}={value!r}" for name, value in changed.items()) or "defaults"
    rows = [(name, f"{value:.4g}" if isinstance(value, float) else str(value)) for name, value in facts.items()]
    console.table([*rows, ("parameters", words)], ("", ""), title=str(folder), left=(0, 1))


def _facts_of_detector(run: "DetectorRun") -> dict[str, str]:
    settings, metrics = run.settings, run.metrics()
    rate = settings.false_discovery_rate
    promise = f"false-discovery rate {rate:g}" if rate else f"false-alarm rate {settings.false_alarm_rate:g}"
    learned = f", {metrics.trained_rows:,} rows learned from" if metrics else ""
    return {
        "task": "outlier detector",
        "training": f"score {metrics.score_by if metrics else settings.score_by}, {promise}, {settings.calibration}"
        f" calibration, {settings.code} numbers per code, seed {settings.seed}{learned}",
    }


def _facts(run: "AutoencoderRun") -> dict[str, str]:
    network, objective, training = run.settings.network, run.settings.objective, run.settings.training
    allowed, metrics = run.settings.max_error_increase, run.metrics()
    weight = f"weight {objective.weight or 0:.4g}"
    if allowed is not None:
        found = f": {metrics.weight or 0:.4g}, actual increase {metrics.error_increase or 0:.1%}" if metrics else ""
        weight = f"weight found for an error increase of {allowed:.0%}{found}"
    widths = "-".join(map(str, (run.preparation.features, *(network.hidden or ()), network.code)))
    return {
        "objective": f"{objective.objective}, {weight}",
        "network": f"{network.model} {widths}, {network.activation}, output {network.output}",
        "training": f"{objective.loss.replace('_', ' ')}, batch {training.batch_size}, rate {training.learning_rate},"
        f" {training.schedule}, seed {training.seed}",
    }


def _facts_of_classifier(run: "ClassifierRun") -> dict[str, str]:
    settings, names = run.settings, run.names
    widths = "-".join(map(str, (run.preparation.features, *settings.widths, len(names))))
    more = f", ... ({len(names)} in all)" if len(names) > _MOST_NAMES else ""
    extra = f", {settings.tangents} directions of weight {settings.tangent_weight:.4g}" if settings.tangents else ""
    pretrained = f"{settings.objective}, weight {settings.weight or 0:.4g}, {settings.pretraining_epochs} epochs each"
    return {
        "task": "classifier" + (" of stacked layers" if len(settings.widths) > 1 else ""),
        "classes": ", ".join(names[:_MOST_NAMES]) + more,
        "network": f"{widths}, {settings.activation}, output {settings.output}",
        "pretraining": pretrained if settings.pretraining_epochs else "none",
        "training": f"{settings.labels_used or 'all'} labels, batch {settings.batch_size}, rate"
        f" {settings.learning_rate:.4g}, decay {settings.decay:.4g}, seed {settings.seed}{extra}",
    }


def _prepared(preparation: "Preparation") -> str:
    scalers = {"range": "scaled to [0, 1] by their range", "none": "not scaled", "common": "one scale for all"}
    words = [f"{preparation.features} features", scalers.get(preparation.scaler, f"{preparation.scaler} scaling")]
    kinds = [group.kind for group in preparation.groups] if preparation.kind == "table" else []
    if kinds:
        words.append("columns: " + " and ".join(f"{kinds.count(kind)} {kind}" for kind in dict.fromkeys(kinds)))
    if preparation.fill is not None:
        words.append("missing values filled")
    if preparation.spectra:
        words.append(f"spectra after {', '.join(preparation.spectra)}")
    return ", ".join(words)


@command()
def version() -> None:
    """It is that of the installed package."""
    from contractive import __version__

    print(__version__)


def metrics_table(console: Console, metrics: "AutoencoderMetrics") -> None:
    """Print the metrics of an autoencoder on validation and test rows."""
    from contractive.studies.metrics import METRICS

    named = {"validation": metrics.validation, "test": metrics.test, "PCA, test": metrics.components}
    parts = {name: found for name, found in named.items() if found is not None}
    rows = [
        (metric.heading, *(metric.text(found.get(key)) for found in parts.values()))
        for key, metric in METRICS.items()
        if any(key in found for found in parts.values())
    ]
    best = f", best {metrics.best_epoch}" if metrics.stopped_early else ""
    console.table(rows, ("", *parts), title=f"{_epochs(metrics.epochs)}{best}, {metrics.seconds:.1f} s of training")


def classifier_tables(console: Console, metrics: "ClassifierMetrics") -> None:
    """Print the errors of a classifier on validation and test rows, and the metrics of its pretrained layers."""
    parts = (metrics.validation, metrics.test)
    rows = [
        ("error ↓", *(f"{part.error:.2%}" for part in parts)),
        ("95 % interval", *(f"{part.interval[0]:.2%} to {part.interval[1]:.2%}" for part in parts)),
        ("wrong rows ↓", *(f"{part.wrong} of {part.rows:,}" for part in parts)),
        ("negative log-likelihood, nats ↓", *(f"{part.loss:.4g}" for part in parts)),
    ]
    if metrics.components_error is not None:
        rows.insert(1, ("linear classifier on PCA ↓", "", f"{metrics.components_error:.2%}"))
    title = f"{_epochs(metrics.epochs)} of fine-tuning, best {metrics.best_epoch}; {metrics.seconds:.1f} s of training"
    console.table(rows, ("", *_PARTS), title=title)
    if metrics.pretraining:
        layers = [
            (
                layer.layer,
                layer.encoder.units,
                f"{layer.r2:.4g}",
                f"{layer.encoder.squared_norm:.4g}",
                "" if layer.encoder.saturation is None else f"{layer.encoder.saturation:.1%}",
                f"{layer.encoder.dead:.1%}",
            )
            for layer in metrics.pretraining
        ]
        headings = ("layer", "units", "R² ↑", "‖J‖² ↓", "saturated", "dead ↓")
        console.table(layers, headings, title="Layers after pretraining, validation rows", left=())


def _epochs(number: int) -> str:
    return f"{number} epoch{'' if number == 1 else 's'}"
