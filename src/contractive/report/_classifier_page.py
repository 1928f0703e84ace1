"""A classifier as one HTML file: sentences, pictures and tables made from the numbers of its run."""

from typing import Any

import numpy as np

from contractive import plots
from contractive.report._html import render
from contractive.studies.pages import NBSP, Picture, Tile, as_text, percent, shows_something
from contractive.studies.runs import ClassifierMetrics, ClassifierRun, EncoderMetrics

_FILTERS = 64
_COUNTS = {2: "two", 3: "three", 4: "four"}
_SHOWN = {
    "objective": "pretraining", "weight": "its weight", "hidden": "units", "activation": "activation",
    "loss": "reconstruction loss", "pretraining_epochs": "epochs of pretraining", "pretraining_rate": "its rate",
    "pretraining_batch_size": "its batch size", "output": "output", "tangents": "directions per row",
    "tangent_weight": "weight of their term", "jacobian_weight": "weight of ‖J‖² in fine-tuning",
    "max_epochs": "epochs of fine-tuning", "batch_size": "batch size", "learning_rate": "learning rate",
    "output_rate": "rate of the output layer", "decay": "decay of the rates", "patience": "patience", "seed": "seed",
}  # fmt: skip


def classifier_html(run: ClassifierRun) -> str:
    """Return the whole page as text.

    Raises:
        RunError: A run that is not finished, or broken files.
    """
    metrics, data = run.finished_metrics(), run.document.data
    learned = [*_learning(run, metrics), *_pretraining(run)]
    mistakes, listed = _mistakes(run, metrics.test.wrong)
    wrong, filters = [_confusion(run, metrics), *mistakes], _filters(run)
    widths = "–".join(map(str, (run.preparation.features, *run.settings.widths, len(run.classes))))
    summary = {
        "name": data.name,
        "objective": run.settings.objective,
        "rows": {part: f"{count:,}" for part, count in data.rows.items()},
        "network": f"{widths}, {run.settings.activation}, {run.settings.output} output",
        "sentences": classifier_sentences(run),
        "tiles": _tiles(run, metrics),
        "warnings": metrics.warnings,
        "learned": learned,
        "wrong": wrong,
        "filters": filters,
        "pictures": [*learned, *wrong, *filters],
        "mistakes": listed,
        "classes": _classes(run, metrics),
        "layers": _layers(metrics),
        "settings": {words: as_text(getattr(run.settings, name)) for name, words in _SHOWN.items()},
        "notes": run.document.notes,
        "versions": run.document.versions,
        "command": run.document.command,
    }
    return render(summary, "classifier.html.jinja")


def classifier_sentences(run: ClassifierRun) -> list[str]:
    """Return the findings in words: test error, linear baseline, hardest class, labels, layers."""
    metrics = run.finished_metrics()
    test, used = metrics.test, metrics.labels_used
    low, high = test.interval
    found = [
        f"Of {test.rows:,} test rows {_are(test.wrong)} given a wrong class: {percent(test.error)} (95{NBSP}% interval"
        f" {100 * low:.1f} to {percent(high)})."
    ]
    if test.unknown:
        found[0] += f" Of these rows {_are(test.unknown)} of a class that training rows do not have."
    other = metrics.linear_error
    verdict = (
        "clearly more" if other > high else "clearly fewer" if other < low else "no clear difference on this many rows"
    )
    same = "the same labels" if metrics.linear_labels == used else _few_labels(metrics)
    found += [f"A linear classifier on the features, with {same}, has {percent(other)} wrong: {verdict}."]
    if metrics.components_error is not None:
        found[-1] += (
            f" On {run.settings.widths[-1]} principal components it has {percent(metrics.components_error)} wrong."
        )
    if test.wrong - test.unknown:
        counts = np.array(test.confusion)
        errors = [-1.0 if error is None else error for error in test.class_error]
        worst, off = int(np.argmax(errors)), counts - np.diag(counts.diagonal())
        true, given = np.unravel_index(int(off.argmax()), off.shape)
        found += [
            f"Hardest is class {run.names[worst]}, with {percent(errors[worst])} of its {counts[worst].sum():,} rows"
            f" wrong; the most common mistake is {run.names[true]} taken for {run.names[given]}"
            f" ({f'{off.max()} rows' if off.max() > 1 else 'one row'})."
        ]
    rows = run.document.data.rows
    some = f"{used:,} labels of {rows['train']:,} training rows; beside them the {rows['validation']:,} labels of"
    labels = f"all {used:,} labels" if used == rows["train"] else f"{some} the validation rows"
    found += [
        f"It learned from {labels}; epoch {metrics.best_epoch} of {metrics.epochs} was chosen by the error on"
        f" validation rows, {percent(metrics.validation.error)}."
    ]
    if not metrics.pretraining:
        return [*found, "Layers were not pretrained."]
    num = len(run.settings.widths)
    layers = "the layer" if num == 1 else f"the {_COUNTS.get(num, num)} layers together"
    return [
        *found,
        f"After {run.settings.objective.replace('_', ' ')} pretraining, ‖J‖² of {layers} was"
        f" {metrics.before.squared_norm:.3g} on average; after fine-tuning it was {metrics.after.squared_norm:.3g}.",
    ]


def _are(count: int) -> str:
    return {0: "none is", 1: "one is"}.get(count, f"{count:,} are")


def _few_labels(metrics: ClassifierMetrics) -> str:
    return f"{metrics.linear_labels:,} of the labels"


def _tiles(run: ClassifierRun, metrics: ClassifierMetrics) -> list[Tile]:
    low, high = metrics.test.interval
    same = "same labels" if metrics.linear_labels == metrics.labels_used else _few_labels(metrics)
    return [
        Tile(percent(metrics.test.error), "test error", f"95{NBSP}% interval {100 * low:.1f} to {percent(high)}"),
        Tile(percent(metrics.linear_error), "test error of a linear classifier", f"{same}, same test rows"),
        Tile(
            percent(metrics.validation.error), "validation error", "the epoch was chosen by it: an optimistic estimate"
        ),
        Tile(f"{metrics.labels_used:,}", "labels", f"of {run.document.data.rows['train']:,} training rows"),
    ]


def _learning(run: ClassifierRun, metrics: ClassifierMetrics) -> list[Picture]:
    caption = (
        "Share of wrong rows and mean loss in each epoch of fine-tuning. The dashed line marks the epoch whose weights"
        " were kept: the one with the lowest validation error, and of equal errors the lowest validation loss."
        " From epoch 21 on, epochs beyond twice that one are not drawn."
    )
    drawn = plots.learning(run.history(), metrics.best_epoch)
    return [
        Picture(
            "learning", "How it learned from the labels", caption, drawn, "Lines of error and loss over the epochs."
        )
    ]


def _pretraining(run: ClassifierRun) -> list[Picture]:
    rows = run.pretraining()
    if not rows:
        return []
    layers = sorted({int(row["layer"]) for row in rows})
    histories = {f"layer {layer}": [[row for row in rows if row["layer"] == layer]] for layer in layers}
    caption = (
        "Pretraining of each layer, without labels: the reconstruction error of its own inputs (training dotted,"
        " validation solid) and the norm of its Jacobian. Layers above the first see the codes of the layer below, so"
        " the errors of different layers cannot be compared."
    )
    with plots.in_order(list(histories)[:10]):
        drawn = plots.training_curves(histories)
    return [
        Picture(
            "pretraining",
            "How the layers learned without labels",
            caption,
            drawn,
            "Lines over the epochs, one per layer.",
        )
    ]


def _confusion(run: ClassifierRun, metrics: ClassifierMetrics) -> Picture:
    caption = (
        "Test rows by their class (down) and the class they were given (across). Rows on the blue diagonal are right."
        " The more orange a cell, the larger its share of the class."
    )
    drawn = plots.confusion(np.array(metrics.test.confusion), run.names)
    right = f"{metrics.test.rows - metrics.test.wrong:,} of {metrics.test.rows:,}"
    alt = f"Matrix of {len(run.names)} classes; {right} rows lie on the diagonal."
    return Picture("confusion", "Which classes are confused", caption, drawn, alt)


def _mistakes(run: ClassifierRun, wrong: int) -> tuple[list[Picture], list[tuple[Any, ...]]]:
    """(the most confident mistakes as pictures of images, or else as rows of a table)."""
    found = run.mistakes()
    names = (*run.names, "another class")  # -1 is the last one
    true, given = ([names[at] for at in classes] for classes in (found.true, found.given))
    shape = run.preparation.image_shape
    if not len(found.rows):
        return [], []
    chances = [percent(share) for share in found.probability]
    if shape is None:
        return [], list(zip(found.number.tolist(), true, given, chances, strict=True))
    rows = found.rows.reshape(-1, *shape).mean(1).reshape(len(found.rows), -1)
    shown = (
        "All wrong test rows" if len(rows) == wrong else f"The {len(rows)} wrong test rows with the highest probability"
    )
    caption = (
        f"{shown}, the most confident first: from {chances[0]} to {chances[-1]}. In bold the true class, beside or"
        " below it the predicted class."
    )
    drawn = plots.mistakes(rows, (shape[1], shape[2]), true, given)
    return [
        Picture(
            "mistakes", "The most confident mistakes", caption, drawn, "Small grey pictures with two words below each."
        )
    ], []


def _filters(run: ClassifierRun) -> list[Picture]:
    shape = run.preparation.image_shape
    if shape is None:
        return []
    weights = next(iter(run.model().encoder.parameters())).detach()[:_FILTERS]
    pictures = weights.reshape(-1, *shape).mean(1).flatten(1).numpy()
    caption = (
        f"Weights of the first {len(pictures)} units of the lowest layer after fine-tuning. Positive weights are"
        " orange, negative ones blue, all on one scale."
    )
    if not shows_something(pictures, (shape[1], shape[2])):
        return []
    drawn = plots.filters({run.settings.objective: pictures}, (shape[1], shape[2]))
    return [Picture("filters", "Weights of the first layer", caption, drawn, "Small coloured pictures, one per unit.")]


def _classes(run: ClassifierRun, metrics: ClassifierMetrics) -> list[tuple[str, ...]]:
    """Class, rows, wrong ones, error, and the class it is most often taken for."""
    found = []
    for at, (name, error) in enumerate(zip(run.names, metrics.test.class_error, strict=True)):
        row, total = np.array(metrics.test.confusion[at]), sum(metrics.test.confusion[at])
        row[at] = 0
        taken = f"{run.names[int(row.argmax())]} ({row.max()})" if row.any() else "–"
        found.append((name, f"{total:,}", f"{row.sum():,}", "–" if error is None else percent(error), taken))
    return found


def _layers(metrics: ClassifierMetrics) -> list[tuple[str, ...]]:
    """Each layer after pretraining, then all together before and after fine-tuning."""

    def state(encoder: EncoderMetrics) -> tuple[str, str, str]:
        saturation = "–" if encoder.saturation is None else percent(encoder.saturation)
        return f"{encoder.squared_norm:.3g}", saturation, percent(encoder.dead)

    return [
        *((f"layer {each.layer}", f"{each.r2:.3f}", *state(each.encoder)) for each in metrics.pretraining),
        ("all layers, before fine-tuning", "–", *state(metrics.before)),
        ("all layers, after fine-tuning", "–", *state(metrics.after)),
    ]
