"""What a comparison found, in sentences made from its numbers; also where the contractive objective loses."""

from dataclasses import dataclass
from math import nan

from contractive.objectives import OBJECTIVES
from contractive.report._numbers import Value, change, clear, listing, signed, times, verdict
from contractive.studies.compare import ObjectiveResult, Results
from contractive.studies.metrics import METRICS
from contractive.studies.pages import MINUS, NBSP, capital, first_sentence

_FREE, _ERROR = "scale_free_sensitivity", "reconstruction_error"
_SENSITIVITY = {"scale_free_sensitivity": "scale-free sensitivity", "sensitivity": "raw sensitivity"}
_RECONSTRUCTION = {"reconstruction_error": "squared reconstruction error on test data", "r2": "R²"}


@dataclass(frozen=True)
class Roles:
    """The parts that objectives play in the sentences."""

    # the contractive objective, or else the first that is not the standard one; None if there is only one
    focus: ObjectiveResult | None
    baseline: ObjectiveResult | None  # the standard objective, None where it is missing
    others: tuple[ObjectiveResult, ...]  # all the rest

    @property
    def compared(self) -> list[ObjectiveResult]:
        """The objectives that the focus is compared with by name: standard and denoising."""
        denoising = [result for result in self.others if result.name == "denoising"]
        return ([self.baseline] if self.baseline else []) + denoising


def roles(results: Results) -> Roles:
    """Find the contractive objective and its baseline."""
    left = {result.name: result for result in results.objectives}
    baseline = left.pop("standard", None)
    focus = left.pop("contractive", None) or (left.pop(next(iter(left))) if left else None)
    if baseline is None and not left:
        focus = None
    return Roles(focus, baseline, tuple(left.values()))


def label(name: str) -> str:
    """Return the name of an objective in text."""
    return OBJECTIVES[name].label if name in OBJECTIVES else name


def value(result: ObjectiveResult, key: str) -> Value | None:
    """Return a metric with its spread over the seeds; None where it was not measured or is not finite."""
    return Value.of(key, result.mean(key), result.sd(key), tuple(fit.metrics.get(key, nan) for fit in result.seeds))


def compare_sentences(results: Results) -> dict[str, str]:
    """Return a few sentences by topic."""
    found = roles(results)
    warned = [label(result.name) for result in results.objectives if result.warnings]
    collapse = (
        f"There are warnings about {listing(warned)}, listed above. A small sensitivity or Jacobian norm of theirs is"
        " no contraction."
        if warned
        else "No model collapsed: each reconstructs better than the mean of the data, with a code that varies."
    )
    return {
        "Sensitivity": _sensitivity(found) or _alone(results, _SENSITIVITY),
        "Reconstruction": (_reconstruction(found) or _alone(results, _RECONSTRUCTION)) + _against_components(results),
        "Accuracy": _accuracy(results, found),
        "Collapse": collapse,
        "Weights": _weights(results),
    }


def compare_verdict(results: Results) -> str:
    """Return the result in one sentence: how much less sensitive the code is, and at which error."""
    found = roles(results)
    pairs = {
        key: [value(one, key) if one else None for one in (found.focus, found.baseline)] for key in (_FREE, _ERROR)
    }
    (free, base), (error, base_error) = pairs[_FREE], pairs[_ERROR]
    if not (found.focus and free and base and error and base_error) or found.focus.warnings:
        return first_sentence(next(iter(compare_sentences(results).values())))
    amount, more = change(error, base_error).lstrip(f"+{MINUS}"), "more" if error.mean >= base_error.mean else "less"
    cost = (
        f"at {amount} {more} reconstruction error" if clear(error, base_error) else "with no clear change of the error"
    )
    return f"The {label(found.focus.name)} code {_relative(free, base)} the standard one, {cost}."


def _relative(mine: Value, other: Value) -> str:
    if not clear(mine, other):
        return "is not clearly less or more sensitive to noise than"
    return f"is {times(mine, other)} {'less' if mine.mean < other.mean else 'more'} sensitive to noise than"


def _alone(results: Results, keys: dict[str, str]) -> str:
    """Metrics without anything to compare them with."""
    lines = []
    for result in results.objectives:
        found = ((words, value(result, key)) for key, words in keys.items())
        listed = ", ".join(f"{words} {number}" for words, number in found if number)
        lines.append(f"{capital(label(result.name))}, with nothing to compare it with: {listed}.")
    return " ".join(lines)


def _sensitivity(found: Roles) -> str:
    if not (found.focus and found.baseline):
        return ""
    (free, raw), (base, raw_base) = ([value(one, key) for key in _SENSITIVITY] for one in (found.focus, found.baseline))
    name = label(found.focus.name)
    if not (free and raw and base and raw_base):
        return f"The {name} code does not vary, so that its scale-free sensitivity is not finite."
    if found.focus.warnings:
        return (
            f"The {name} model raised a warning, so that a small sensitivity is no success: scale-free {free} against"
            f" {base} of the standard one, raw {raw} against {raw_base}."
        )
    change_of_code = "no clear difference"
    if clear(raw, raw_base):
        change_of_code = f"{times(raw, raw_base)} {'less' if raw.mean < raw_base.mean else 'more'}"
    denoised = [(label(other.name), value(other, "scale_free_sensitivity")) for other in found.compared[1:]]
    standing = ((other, number, verdict(free, number, "lower")) for other, number in denoised if number)
    clearly = "" if free.sd is None else "clearly "
    words = {"better": f"{clearly}more", "worse": f"{clearly}less", "even": "no clear difference"}
    others = "".join(f"; {other} {number}, {words[than]}" for other, number, than in standing)
    return (
        f"Relative to its own spread, the {name} code {_relative(free, base)} the standard one: scale-free sensitivity"
        f" {free} against {base}{others}. In raw units: {change_of_code} ({raw} against {raw_base})."
        f"{_only_smaller(found)}"
    )


def _only_smaller(found: Roles) -> str:
    """Name the objectives whose raw sensitivity fell while the scale-free one did not: their code is merely small."""
    assert found.focus and found.baseline
    names = []
    for result in (found.focus, *found.others):
        pairs = [(value(result, key), value(found.baseline, key)) for key in _SENSITIVITY]
        free, raw = (verdict(a, b, "lower") if a and b else None for a, b in pairs)
        if raw == "better" and free in ("even", "worse") and not result.warnings:
            names.append(label(result.name))
    if not names:
        return ""
    return f" Raw sensitivity alone is misleading for {listing(names)}: the code became smaller, not less sensitive."


def _reconstruction(found: Roles) -> str:
    if not (found.focus and found.baseline):
        return ""
    mine, base = (value(one, "reconstruction_error") for one in (found.focus, found.baseline))
    if not (mine and base):
        return "The reconstruction error is not finite."
    more = "more" if mine.mean >= base.mean else "less"
    amount = change(mine, base).lstrip(f"+{MINUS}") or "an unknown share"
    within = "" if clear(mine, base) else ", which is no clear difference over the seeds"
    others = ((label(other.name), value(other, "reconstruction_error")) for other in found.others)
    listed = ", ".join(f"{name} {change(number, base)}" for name, number in others if number)
    return (
        f"The {label(found.focus.name)} model reconstructs test data with {amount} {more} squared error than the"
        f" standard one ({mine} against {base}){within}." + (f" For comparison: {listed}." if listed else "")
    )


def _against_components(results: Results) -> str:
    """Name the objectives that reconstruct less than as many principal components do."""
    linear = Value.of(_ERROR, results.components.get(_ERROR), None)
    if linear is None:
        return ""
    errors = [(label(each.name), each.mean(_ERROR)) for each in results.objectives]
    worse = [name for name, error in errors if error > linear.mean]
    if not worse:
        return f" As many principal components leave more ({linear}) than any of these models."
    return f" As many principal components leave {linear}: less than {listing(worse)}. Train longer, or begin as PCA."


def _accuracy(results: Results, found: Roles) -> str:
    """One sentence per metric of accuracy, then whom the focus beats at none of them."""
    focus = found.focus or results.objectives[0]
    keys = [key for key, metric in METRICS.items() if metric.group == "Accuracy" and value(focus, key)]
    others = [other for other in found.compared if other is not focus and all(value(other, key) for key in keys)]
    if not results.data.labelled or not keys:
        return "The data have no labels, so that no classifier could be fitted to the codes."
    several = len(focus.seeds) > 1
    phrases = {
        "better": "clearly better than" if several else "better than",
        "even": "no clear difference from" if several else "the same as",
        "worse": "clearly worse than" if several else "worse than",
    }
    texts, beaten = [], set()
    for key in keys:
        mine = value(focus, key)
        groups: dict[str, list[str]] = {}
        for other in others:
            theirs = value(other, key)
            assert mine and theirs
            standing = verdict(mine, theirs, "higher")
            beaten |= {other.name} if standing == "better" else set()
            groups.setdefault(phrases[standing], []).append(f"{label(other.name)} ({theirs.bare()}{NBSP}%)")
        listed = "".join(f", {phrase} {listing(names)}" for phrase, names in groups.items())
        texts.append(f"{capital(METRICS[key].label)}: {label(focus.name)} {mine}{listed}.")
    unbeaten = [label(other.name) for other in others if other.name not in beaten]
    if unbeaten:
        clearly = "clearly " if several else ""
        texts.append(f"So {label(focus.name)} is nowhere {clearly}better than {listing(unbeaten, 'or')}.")
    return " ".join(texts)


def _weights(results: Results) -> str:
    allowed = results.settings.max_error_increase
    searched = [_searched(result, allowed) for result in results.objectives if result.search]
    fixed = [result for result in results.objectives if result.weight is not None and not result.search]
    texts = []
    if searched:
        texts.append(
            "Weights were searched with the first seed: the largest that raises the reconstruction error on validation"
            f" data by at most {100 * allowed:.0f}{NBSP}% over the standard model's. Found: {'; '.join(searched)}."
        )
    if fixed:
        texts.append(f"Fixed: {', '.join(f'{label(one.name)} {one.weight:.3g}' for one in fixed)}.")
    return " ".join([*(texts or ["No objective has a weight."]), "Test data were only measured, never used to choose."])


def _searched(result: ObjectiveResult, allowed: float) -> str:
    increase = next((t.error_increase for t in result.search if t.weight == result.weight), float("inf"))
    count = len(result.search)
    text = f"{label(result.name)} {result.weight:.3g} after {count} trial{'s' * (count != 1)}"
    if increase == float("inf"):
        return text
    beyond = ", which is more than allowed, because no trial was within" if increase > allowed else ""
    return f"{text}, error {signed(100 * increase, '%', 0)}{beyond}"
