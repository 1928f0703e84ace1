"""What a classifier came to, in words made from its numbers."""

from typing import Any

import numpy as np

from contractive.report._numbers import NBSP
from contractive.studies.classifier_runs import ClassifierRun

_COUNTS = {2: "two", 3: "three", 4: "four"}


def classifier_sentences(run: ClassifierRun) -> list[str]:
    """The test error first, then what to compare it with, the hardest class, the labels, the layers."""
    metrics = run.metrics()
    found = (
        _error(metrics["test"]),
        _linear(metrics),
        _hardest(metrics["test"], run.names),
        _labels(run, metrics),
        _layers(run, metrics),
    )
    return [text for text in found if text]


def percent(share: float) -> str:
    """`3.3 %`."""
    return f"{100 * share:.1f}{NBSP}%"


def few_labels(metrics: dict[str, Any]) -> str:
    """`10,000 of the labels`."""
    return f"{metrics['linear_labels']:,} of the labels"


def _error(test: dict[str, Any]) -> str:
    low, high = test["interval"]
    wrong = {0: "none is", 1: "one is"}.get(test["wrong"], f"{test['wrong']:,} are")
    unknown = ""
    if test["unknown"]:
        some = "one is" if test["unknown"] == 1 else f"{test['unknown']:,} are"
        unknown = f" Of these rows {some} of a class that training rows do not have."
    return (
        f"Of {test['rows']:,} test rows {wrong} given a wrong class:"
        f" {percent(test['error'])} (95{NBSP}% interval {100 * low:.1f} to {percent(high)}).{unknown}"
    )


def _linear(metrics: dict[str, Any]) -> str:
    low, high = metrics["test"]["interval"]
    other = metrics["linear_error"]
    verdict = (
        "clearly more" if other > high else "clearly fewer" if other < low else "no clear difference on this many rows"
    )
    same = "the same labels" if metrics["linear_labels"] == metrics["labels_used"] else few_labels(metrics)
    return f"A linear classifier on the features, with {same}, has {percent(other)} wrong: {verdict}."


def _hardest(test: dict[str, Any], names: tuple[str, ...]) -> str:
    if not test["wrong"] - test["unknown"]:
        return ""
    counts = np.array(test["confusion"])
    errors = [-1.0 if error is None else error for error in test["class_error"]]
    worst = int(np.argmax(errors))
    off = counts - np.diag(counts.diagonal())
    true, given = np.unravel_index(int(off.argmax()), off.shape)
    times = f"{off.max()} rows" if off.max() > 1 else "one row"
    hardest = (
        f"Hardest is class {names[worst]}, with {percent(errors[worst])} of its {counts[worst].sum():,} rows wrong"
    )
    return f"{hardest}; the commonest mistake is {names[true]} taken for {names[given]} ({times})."


def _labels(run: ClassifierRun, metrics: dict[str, Any]) -> str:
    rows, used = run.config["data"]["rows"], metrics["labels_used"]
    whole = used == rows.get("train")
    labels = f"all {used:,} labels" if whole else f"{used:,} labels of {rows.get('train', 0):,} training rows"
    more = "" if whole else f"; beside them the {rows.get('validation', 0):,} labels of the validation rows"
    chosen = f"epoch {metrics['best_epoch']} of {metrics['epochs']} was chosen by the error on validation rows"
    return f"It learned from {labels}{more}; {chosen}, {percent(metrics['validation']['error'])}."


def _layers(run: ClassifierRun, metrics: dict[str, Any]) -> str:
    if not metrics["pretraining"]:
        return "Layers were not pretrained."
    before, after = (metrics["encoder"][when]["squared_norm"] for when in ("before", "after"))
    several = (
        "the layer" if len(run.widths) == 1 else f"the {_COUNTS.get(len(run.widths), len(run.widths))} layers together"
    )
    how = f"{run.settings.objective} pretraining"
    return f"After {how}, ‖J‖² of {several} was {before:.3g} on average; fine-tuning brought it to {after:.3g}."
