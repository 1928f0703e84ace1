"""The few numbers at the top of the page."""

from typing import Any

from contractive.report._numbers import MINUS, NBSP, Value, change, times, value, verdict
from contractive.report._sentences import Variant, cast

_WORDS = {"better": "better", "worse": "worse", "even": "within the seeds' spread"}


def tiles(document: dict[str, Any]) -> list[dict[str, str]]:
    """The contractive variant against the standard one: number, label, figures, verdict; empty with nothing to compare.

    A variant that raised a warning gets none: its numbers would be praise for a collapse.
    """
    parts = cast(document)
    hero, standard = parts.hero, parts.standard
    if hero is None or standard is None or hero["warnings"]:
        return []
    made = [
        _ratio(hero, standard, "scale_free_sensitivity", "{less} sensitive to noise, scale-free"),
        _ratio(hero, standard, "squared_norm", "{smaller} squared Jacobian norm"),
        _relative(hero, standard),
        _points(hero, standard, "probe_accuracy", "linear probe, clean inputs"),
        _points(hero, standard, "probe_accuracy_noisy", "linear probe, noise of level 1"),
    ]
    return [tile for tile in made if tile]


def _ratio(hero: Variant, standard: Variant, measure: str, label: str) -> dict[str, str] | None:
    mine, reference = value(hero, measure), value(standard, measure)
    if mine is None or reference is None:
        return None
    fell = mine.mean <= reference.mean
    words = {"less": "less" if fell else "more", "smaller": "smaller" if fell else "larger"}
    number = times(mine, reference).replace(" times", f"{NBSP}×")
    return _tile(number, label.format(**words), mine, reference, "lower")


def _relative(hero: Variant, standard: Variant) -> dict[str, str] | None:
    mine, reference = value(hero, "reconstruction_error"), value(standard, "reconstruction_error")
    if mine is None or reference is None or not change(mine, reference):
        return None
    return _tile(change(mine, reference), "reconstruction error", mine, reference, "lower")


def _points(hero: Variant, standard: Variant, measure: str, label: str) -> dict[str, str] | None:
    mine, reference = value(hero, measure), value(standard, measure)
    if mine is None or reference is None:
        return None
    number = f"{100 * (mine.mean - reference.mean):+.1f}".replace("-", MINUS)
    return _tile(f"{number}{NBSP}points", label, mine, reference, "higher")


def _tile(number: str, label: str, mine: Value, reference: Value, better: str) -> dict[str, str]:
    standing = verdict(mine, reference, better) if mine.sd is not None else "even"
    words = _WORDS[standing] if mine.sd is not None else "one seed"
    figures = f"{mine} against {reference}"
    return {"number": number, "label": label, "figures": figures, "verdict": standing, "words": words}
