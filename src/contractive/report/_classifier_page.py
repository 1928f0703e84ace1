"""A classifier as one HTML file."""

from pathlib import Path
from typing import Any

import numpy as np

from contractive import plots
from contractive.core.files import write_text
from contractive.models import Classifier
from contractive.report._classifier_sentences import classifier_sentences, few_labels, percent
from contractive.report._html import render
from contractive.studies.classifier_runs import ClassifierRun
from contractive.studies.pages import Picture

_FILTERS = 64
_SHOWN = {
    "objective": "pretraining", "weight": "its weight", "hidden": "units", "activation": "activation",
    "loss": "reconstruction loss", "pretraining_epochs": "epochs of pretraining", "pretraining_rate": "its rate",
    "pretraining_batch_size": "its batch size", "output": "output", "tangents": "directions per row",
    "tangent_weight": "weight of their term", "jacobian_weight": "weight of ‖J‖² in fine-tuning",
    "epochs": "epochs of fine-tuning", "batch_size": "batch size", "learning_rate": "learning rate",
    "output_rate": "rate of the output layer", "decay": "decay of the rates", "patience": "patience", "seed": "seed",
}  # fmt: skip


def classifier_html(run: ClassifierRun) -> str:
    """The whole page as text.

    Raises:
        RunError: A run that is not finished, or broken files.
    """
    return render(_summary(run), "classifier.html.jinja")


def write_classifier(run: ClassifierRun, path: str | Path) -> Path:
    """Write the page to a file, whole or not at all, and return its path."""
    path = Path(path)
    write_text(path, classifier_html(run))
    return path


def _summary(run: ClassifierRun) -> dict[str, Any]:
    classifier, metrics = run.classifier(), run.metrics()
    mistakes = _mistakes(run, metrics["test"]["wrong"])
    learned = [*_learning(run, metrics), *_pretraining(run)]
    wrong = [_confusion(run, metrics), *mistakes["pictures"]]
    filters = _filters(run, classifier)
    return {
        "name": run.config["data"].get("name", ""),
        "objective": run.settings.objective,
        "rows": run.config["data"].get("rows", {}),
        "network": _network(run),
        "sentences": classifier_sentences(run),
        "tiles": _tiles(run, metrics),
        "warnings": metrics["warnings"],
        "learned": learned,
        "wrong": wrong,
        "filters": filters,
        "pictures": [*learned, *wrong, *filters],
        "mistakes": mistakes["rows"],
        "classes": _classes(run, metrics),
        "layers": _layers(metrics),
        "settings": [(words, _text(getattr(run.settings, name))) for name, words in _SHOWN.items()],
        "notes": run.config["data"].get("notes", []),
        "versions": run.config.get("versions", {}),
        "command": run.config.get("command", ""),
    }


def _network(run: ClassifierRun) -> str:
    widths = "–".join(map(str, (run.preparation.features, *run.widths, len(run.classes))))
    return f"{widths}, {run.settings.activation}, {run.settings.output} output"


def _tiles(run: ClassifierRun, metrics: dict[str, Any]) -> list[dict[str, str]]:
    test, validation = metrics["test"], metrics["validation"]
    low, high = test["interval"]
    train = run.config["data"]["rows"].get("train", 0)
    same = "same labels" if metrics["linear_labels"] == metrics["labels_used"] else few_labels(metrics)
    return [
        _tile(percent(test["error"]), "test error", f"95 % interval {100 * low:.1f} to {percent(high)}"),
        _tile(percent(metrics["linear_error"]), "a linear classifier's", f"{same}, same test rows"),
        _tile(percent(validation["error"]), "validation error", "it chose the epoch, and is flattered by that"),
        _tile(f"{metrics['labels_used']:,}", "labels", f"of {train:,} training rows"),
    ]


def _tile(number: str, label: str, figures: str) -> dict[str, str]:
    return {"number": number, "label": label, "figures": figures}


def _learning(run: ClassifierRun, metrics: dict[str, Any]) -> list[Picture]:
    caption = (
        "Share of wrong rows and mean loss, epoch by epoch of fine-tuning. The dashed line is the epoch that was kept:"
        " that of the lowest validation error, of the lowest validation loss among equals."
    )
    drawn = plots.learning(run.history(), metrics["best_epoch"])
    return [Picture("learning", "How it learned from the labels", caption, drawn)]


def _pretraining(run: ClassifierRun) -> list[Picture]:
    rows = run.pretraining()
    if not rows:
        return []
    layers = sorted({int(row["layer"]) for row in rows})
    histories = {f"layer {layer}": [[row for row in rows if row["layer"] == layer]] for layer in layers}
    caption = (
        "Each layer before any label: how well it gives back what it sees (training dotted, validation solid), and how"
        " far its Jacobian is contracted. Layers above the first see the codes of the one below, so that their errors"
        " are on scales of their own."
    )
    with plots.in_order(list(histories)[:10]):
        drawn = plots.training_curves(histories)
    return [Picture("pretraining", "How the layers learned without labels", caption, drawn)]


def _confusion(run: ClassifierRun, metrics: dict[str, Any]) -> Picture:
    caption = (
        "Test rows by their class (down) and the class they were given (across). On the diagonal, blue, they are right;"
        " the more orange a cell, the larger its share of the class."
    )
    counts = np.array(metrics["test"]["confusion"])
    return Picture("confusion", "What is taken for what", caption, plots.confusion(counts, run.names))


def _mistakes(run: ClassifierRun, wrong: int) -> dict[str, Any]:
    """The most confident mistakes: as pictures of images, else as rows of a table."""
    found = run.mistakes()
    names = (*run.names, "another class")  # -1 is the last one
    true, given = ([names[at] for at in classes] for classes in (found.true, found.given))
    shape = run.preparation.image_shape
    if not len(found.rows):
        return {"pictures": [], "rows": []}
    if shape is None:
        chances = [percent(share) for share in found.probability]
        return {"pictures": [], "rows": list(zip(found.number.tolist(), true, given, chances, strict=True))}
    rows = found.rows.reshape(-1, *shape).mean(1).reshape(len(found.rows), -1)
    shown = "All wrong test rows" if len(rows) == wrong else f"The {len(rows)} wrong test rows of which it was surest"
    caption = (
        f"{shown}, surest first, from {percent(found.probability[0])} to"
        f" {percent(found.probability[-1])}. In bold what they are, below it what they were taken for."
    )
    drawn = plots.mistakes(rows, (shape[1], shape[2]), true, given)
    return {"pictures": [Picture("mistakes", "Its most confident mistakes", caption, drawn)], "rows": []}


def _filters(run: ClassifierRun, classifier: Classifier) -> list[Picture]:
    shape = run.preparation.image_shape
    if shape is None:
        return []
    weights = next(iter(classifier.encoder.parameters())).detach()[:_FILTERS]
    pictures = weights.reshape(-1, *shape).mean(1).flatten(1).numpy()
    caption = (
        f"Weights of the first {len(pictures)} units of the lowest layer after fine-tuning: orange excites, blue"
        " inhibits, all on one scale."
    )
    drawn = plots.filters({run.settings.objective: pictures}, (shape[1], shape[2]))
    return [Picture("filters", "What the first layer looks for", caption, drawn)]


def _classes(run: ClassifierRun, metrics: dict[str, Any]) -> list[tuple[str, str, str, str, str]]:
    """Class, rows, wrong ones, error, and what it is most often taken for."""
    counts = np.array(metrics["test"]["confusion"])
    made = []
    for at, (name, error) in enumerate(zip(run.names, metrics["test"]["class_error"], strict=True)):
        row, total = counts[at].copy(), int(counts[at].sum())
        row[at] = 0
        taken = f"{run.names[int(row.argmax())]} ({row.max()})" if row.any() else "–"
        made.append((name, f"{total:,}", f"{row.sum():,}", "–" if error is None else percent(error), taken))
    return made


def _layers(metrics: dict[str, Any]) -> list[tuple[str, ...]]:
    """Each layer after pretraining, then all together before and after fine-tuning."""
    made = [(f"layer {layer['layer']}", f"{layer['r2']:.3f}", *_state(layer)) for layer in metrics["pretraining"]]
    words = {"before": "all layers, before fine-tuning", "after": "all layers, after fine-tuning"}
    return [*made, *((words[when], "", *_state(metrics["encoder"][when])) for when in words)]


def _state(encoder: dict[str, Any]) -> tuple[str, str, str]:
    saturation = encoder["saturation"]
    return (
        f"{encoder['squared_norm']:.3g}",
        "–" if saturation is None else percent(saturation),
        percent(encoder["dead"]),
    )


def _text(value: Any) -> str:
    if value is None:
        return "–"
    if isinstance(value, tuple):
        return ", ".join(map(str, value))
    return f"{value:.4g}" if isinstance(value, float) else str(value)
