"""What `metrics.json` of a classifier must hold."""

from typing import Any

from contractive.studies.runs._open import NUMBER, first_wrong, wrong_texts

_NUMBER_OR_NONE = (*NUMBER, type(None))
Wanted = list[tuple[Any, str, Any]]


def wrong_metric(metrics: dict[str, Any], num_classes: int) -> str:
    """What is not as training writes it, or nothing."""
    wanted: Wanted = [(metrics, name, int) for name in ("epochs", "best_epoch", "labels_used", "linear_labels")]
    wanted += [(metrics, name, NUMBER) for name in ("seconds", "linear_error", "train_error")]
    wanted += [(metrics, "stopped_early", bool), (metrics, "warnings", list), (metrics, "pretraining", list)]
    wanted += [(metrics, name, dict) for name in ("test", "validation", "encoder")]
    wrong = first_wrong(wanted) or wrong_texts(metrics, "warnings")
    return wrong or _wrong_layer(metrics) or _wrong_part(metrics, num_classes)


def _wrong_layer(metrics: dict[str, Any]) -> str:
    wanted: Wanted = [(layer, name, NUMBER) for layer in metrics["pretraining"] for name in ("layer", "units", "r2")]
    wanted += [(metrics["encoder"], when, dict) for when in ("before", "after")]
    wrong = first_wrong(wanted)
    if wrong:
        return wrong
    states = [*metrics["pretraining"], *metrics["encoder"].values()]
    wanted = [(state, name, NUMBER) for state in states for name in ("squared_norm", "dead")]
    return first_wrong([*wanted, *((state, "saturation", _NUMBER_OR_NONE) for state in states)])


def _wrong_part(metrics: dict[str, Any], num_classes: int) -> str:
    for part in (metrics["test"], metrics["validation"]):
        counts: Wanted = [(part, name, int) for name in ("rows", "wrong", "unknown")]
        shares: Wanted = [(part, name, NUMBER) for name in ("error", "loss")]
        wrong = first_wrong([*counts, *shares])
        if wrong:
            return wrong
        confusion = part.get("confusion")
        lists: dict[str, tuple[Any, int, Any]] = {"interval": (part.get("interval"), 2, NUMBER)}
        lists["class_error"] = (part.get("class_error"), num_classes, _NUMBER_OR_NONE)
        lists["confusion"] = (confusion, num_classes, list)
        inner = confusion if isinstance(confusion, list) else []
        lists |= {f"row {at} of confusion": (row, num_classes, int) for at, row in enumerate(inner)}
        for name, (found, length, kind) in lists.items():
            if not isinstance(found, list) or len(found) != length or not all(isinstance(x, kind) for x in found):
                return f"other things under {name}"
    return ""
