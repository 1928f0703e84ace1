"""What a reader wants to know, in five sentences made from the numbers; also where the contractive variant loses."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from contractive.report._numbers import NBSP, Value, Verdict, change, clear, times, value, verdict

Variant = dict[str, Any]

_CLASSIFIERS = {"probe": "with a linear probe", "knn": "with nearest neighbours"}
_PHRASES = {"better": "ahead of", "even": "within the seeds' spread of", "worse": "behind"}
_SPREAD = ", which is within the seeds' spread"


@dataclass(frozen=True)
class Cast:
    """Who is compared with whom.

    Attributes:
        hero: The contractive variant, or else the first that is not the standard one; None if there is only one.
        standard: The reference, None where it is missing.
        others: All the rest.
    """

    hero: Variant | None
    standard: Variant | None
    others: tuple[Variant, ...]

    @property
    def rivals(self) -> list[Variant]:
        """Whom the hero is measured against: standard and denoising."""
        denoising = [variant for variant in self.others if variant["name"] == "denoising"]
        return ([self.standard] if self.standard else []) + denoising


def cast(document: dict[str, Any]) -> Cast:
    """Find the contractive variant and its reference."""
    variants = {variant["name"]: variant for variant in document["variants"]}
    standard = variants.pop("standard", None)
    hero = variants.pop("contractive", None) or (variants.pop(next(iter(variants))) if variants else None)
    if standard is None and not variants:
        hero = None
    return Cast(hero, standard, tuple(variants.values()))


def sentences(document: dict[str, Any]) -> list[dict[str, str]]:
    """The five topics, each with its text."""
    parts = cast(document)
    hero, reference = parts.hero, parts.standard
    if hero is not None and reference is not None:
        movement, increase = _movement(parts, hero, reference), _error_increase(parts, hero, reference)
    else:
        movement, increase = _alone(document, _MOVES), _alone(document, _COSTS)
    texts = {
        "Movement": movement,
        "Error increase": increase,
        "Accuracy": _accuracy(document, parts),
        "Collapse": _collapse(document),
        "Strengths": _strengths(document),
    }
    return [{"topic": topic, "text": text} for topic, text in texts.items()]


_MOVES = {"scale_free_sensitivity": "scale-free sensitivity", "sensitivity": "movement per movement of the input"}
_COSTS = {"reconstruction_error": "squared reconstruction error on test data", "r2": "R²"}


def _alone(document: dict[str, Any], measures: dict[str, str]) -> str:
    """Figures without anything to compare them with."""
    lines = []
    for variant in document["variants"]:
        figures = {words: value(variant, name) for name, words in measures.items()}
        listed = ", ".join(f"{words} {figure}" for words, figure in figures.items() if figure)
        lines.append(f"{_capital(variant['name'])}, with no standard autoencoder to compare it with: {listed}.")
    if len(lines) == 1 and document["variants"][0]["name"] == "standard":
        return lines[0].replace("with no standard autoencoder to compare it with", "with nothing to compare it with")
    return " ".join(lines)


def _movement(parts: Cast, hero: Variant, standard: Variant) -> str:
    name = hero["name"]
    free, free_standard = value(hero, "scale_free_sensitivity"), value(standard, "scale_free_sensitivity")
    raw, raw_standard = value(hero, "sensitivity"), value(standard, "sensitivity")
    if not (free and free_standard and raw and raw_standard):
        return f"How far the {name} code moves against its own spread has no finite value: the code does not vary."
    if hero["warnings"]:
        return (
            f"The {name} variant raised a warning, so that its code moves little is no success: scale-free {free}"
            f" against {free_standard} of the standard one, raw {raw} against {raw_standard}."
        )
    text = (
        f"Measured against its own spread, the {name} code is {_degree(free, free_standard)} to noise"
        f" {_than(free, free_standard)} the standard one (scale-free sensitivity {free} against {free_standard}"
        f"{_denoised(parts, free)}); in raw units it moves {_distance(raw, raw_standard)} ({raw} against"
        f" {raw_standard})."
    )
    return text + _only_smaller([hero, *parts.others], standard)


def _degree(a: Value, b: Value) -> str:
    if not clear(a, b):
        return "no less and no more sensitive"
    return f"{times(a, b)} {'less' if a.mean < b.mean else 'more'} sensitive"


def _than(a: Value, b: Value) -> str:
    return "than" if clear(a, b) else "beyond the seeds' spread than"


def _distance(a: Value, b: Value) -> str:
    if not clear(a, b):
        return "as far, within the seeds' spread"
    return f"{times(a, b)} {'less' if a.mean < b.mean else 'more'}"


def _denoised(parts: Cast, free: Value) -> str:
    words = {"better": "clearly more", "even": "no clear difference", "worse": "clearly less"}
    if free.sd is None:
        words = {"better": "more", "even": "the same", "worse": "less"}
    figures = [(variant["name"], value(variant, "scale_free_sensitivity")) for variant in parts.rivals[1:]]
    return "".join(f"; {name} {figure}, {words[verdict(free, figure, 'lower')]}" for name, figure in figures if figure)


def _only_smaller(variants: Sequence[Variant], standard: Variant) -> str:
    """Names the variants whose raw movement fell while the scale-free one did not: their code is merely small."""
    names = []
    for variant in variants:
        pairs = [(value(variant, measure), value(standard, measure)) for measure in _MOVES]
        free, raw = (verdict(a, b, "lower") if a and b else None for a, b in pairs)
        if raw == "better" and free in ("even", "worse") and not variant["warnings"]:
            names.append(variant["name"])
    if not names:
        return ""
    return f" Raw movement alone misleads for {_listing(names)}: the code became smaller, not steadier."


def _error_increase(parts: Cast, hero: Variant, standard: Variant) -> str:
    mine, reference = value(hero, "reconstruction_error"), value(standard, "reconstruction_error")
    if not (mine and reference):
        return "The reconstruction error is not finite, so no increase can be given."
    more = "more" if mine.mean >= reference.mean else "less"
    amount = change(mine, reference).lstrip("+\N{MINUS SIGN}") or "an unknown share"
    within = "" if clear(mine, reference) else _SPREAD
    text = f"It reconstructs test data with {amount} {more} squared error ({mine} against {reference}){within}"
    figures = [(variant["name"], value(variant, "reconstruction_error")) for variant in parts.others]
    listed = ", ".join(f"{name} {change(figure, reference)}" for name, figure in figures if figure)
    return text + (f"; for comparison: {listed}." if listed else ".")


def _accuracy(document: dict[str, Any], parts: Cast) -> str:
    hero = parts.hero or document["variants"][0]
    rivals = [rival for rival in parts.rivals if rival is not hero and _is_read(rival)]
    if not document["data"]["labelled"] or not _is_read(hero):
        return "The data have no labels, so nothing can be said about the accuracy of classifiers on the codes."
    clean = _readings(hero, rivals, "", f"On clean inputs the {hero['name']} code gives")
    noisy = _readings(hero, rivals, "_noisy", "Under noise of level 1 it gives")
    return f"{clean} {noisy}{_no_win(hero, rivals)}"


def _readings(hero: Variant, rivals: Sequence[Variant], end: str, opening: str) -> str:
    """The hero's accuracies, then the rivals grouped by how it stands to them."""
    mine = _accuracies(hero, end)
    given = " and ".join(f"{figure} {words}" for figure, words in zip(mine, _CLASSIFIERS.values(), strict=True))
    groups: dict[tuple[Verdict, ...], list[str]] = {}
    for rival in rivals:
        theirs = _accuracies(rival, end)
        standing: tuple[Verdict, ...] = tuple(verdict(a, b, "higher") for a, b in zip(mine, theirs, strict=True))
        figures = " and ".join(figure.bare() for figure in theirs)
        groups.setdefault(standing, []).append(f"{rival['name']} ({figures}{NBSP}%)")
    listed = "; ".join(_standing(verdicts, names, mine[0].sd is None) for verdicts, names in groups.items())
    return f"{opening} {given}{': ' if listed else ''}{listed}."


def _is_read(variant: Variant) -> bool:
    """Whether all its accuracies are known."""
    return all(len(_accuracies(variant, end)) == len(_CLASSIFIERS) for end in ("", "_noisy"))


def _accuracies(variant: Variant, end: str) -> list[Value]:
    figures = [value(variant, f"{classifier}_accuracy{end}") for classifier in _CLASSIFIERS]
    return [figure for figure in figures if figure]


def _standing(verdicts: tuple[Verdict, ...], names: Sequence[str], one_seed: bool) -> str:
    phrases = _PHRASES | ({"even": "level with"} if one_seed else {})
    if len(set(verdicts)) == 1:
        return f"{phrases[verdicts[0]]} {_listing(names)}"
    first, second = (
        f"{phrases[kind]} {{}} {words}" for kind, words in zip(verdicts, _CLASSIFIERS.values(), strict=True)
    )
    return f"{first.format(_listing(names))} and {second.format('it' if len(names) == 1 else 'them')}"


def _no_win(hero: Variant, rivals: Sequence[Variant]) -> str:
    """Says plainly whom the hero beats at nothing."""
    mine = [*_accuracies(hero, ""), *_accuracies(hero, "_noisy")]
    unbeaten = []
    for rival in rivals:
        theirs = [*_accuracies(rival, ""), *_accuracies(rival, "_noisy")]
        if not any(verdict(a, b, "higher") == "better" for a, b in zip(mine, theirs, strict=True)):
            unbeaten.append(rival["name"])
    win = "clear win" if len(hero["seeds"]) > 1 else "win"
    return f" So {hero['name']} has no {win} over {_listing(unbeaten, 'or')} here." if unbeaten else ""


def _collapse(document: dict[str, Any]) -> str:
    warned = [variant for variant in document["variants"] if variant["warnings"]]
    if not warned:
        return "Nothing collapsed: every run reconstructs better than the data's mean, with a code that varies."
    names = _listing([variant["name"] for variant in warned])
    return f"There are warnings about {names} (see above): read no figure of theirs as contraction."


def _strengths(document: dict[str, Any]) -> str:
    searched = [variant for variant in document["variants"] if variant["search"]]
    fixed = [variant for variant in document["variants"] if variant["strength"] is not None and not variant["search"]]
    text = ""
    if searched:
        allowed = f"{100 * document['settings']['max_error_increase']:.0f}{NBSP}%"
        found = "; ".join(_trials(variant, document["settings"]["max_error_increase"]) for variant in searched)
        text = (
            "Each strength was searched with seed 0 as the strongest whose reconstruction error on validation data"
            f" is at most {allowed} above the standard one's: {found}."
        )
    if fixed:
        set_to = ", ".join(f"{variant['name']} {variant['strength']:.3g}" for variant in fixed)
        text += f"{' ' if text else ''}Set by hand: {set_to}."
    return f"{text or 'Nothing had a strength to choose.'} Test data were only measured, never used to choose."


def _trials(variant: Variant, max_error_increase: float) -> str:
    paid = next((t["error_increase"] for t in variant["search"] if t["strength"] == variant["strength"]), None)
    count = len(variant["search"])
    text = f"{variant['name']} {variant['strength']:.3g} after {count} trial{'s' * (count != 1)}"
    if paid is None:
        return text
    beyond = ", more than allowed, as no trial was within" if paid > max_error_increase else ""
    return f"{text}, paying {100 * paid:.0f}{NBSP}%{beyond}"


def _listing(names: Sequence[str], last: str = "and") -> str:
    return f" {last} ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
