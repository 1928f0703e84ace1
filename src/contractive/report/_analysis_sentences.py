"""Five sentences on an analysis, made from its document alone."""

from typing import Any

from contractive.report._numbers import NBSP

Document = dict[str, Any]
_CLEAR = 1.02  # singular values above it expand; less is rounding of the words


def analysis_sentences(document: Document) -> list[tuple[str, str]]:
    """(topic, text) of contraction, directions, code, robustness and health."""
    made = {
        "Contraction": _contraction(document),
        "Directions": _directions(document),
        "Code": _code(document),
        "Robustness": _robustness(document),
        "Health": _health(document),
    }
    return [(topic, text) for topic, text in made.items() if text]


def figure(document: Document, section: str, key: str) -> float | None:
    """One number, None where it does not exist."""
    entry = document["sections"].get(section, {}).get("figures", {}).get(key)
    return None if entry is None else entry["value"]


def shown(value: float | None, unit: str = "none") -> str:
    """A number as the page writes it: shares as percentages, others with four digits at most."""
    if value is None:
        return "–"
    if unit == "share":
        return f"{100 * value:.1f}{NBSP}%"
    if unit in ("rows", "codes") or (value == round(value) and 1 <= abs(value) < 1e6):
        return f"{value:,.0f}"
    digits = f"{value:.3g}"
    return digits.replace("e-0", "e-").replace("-", "−")


def _contraction(document: Document) -> str:
    part = document["data"]["measured"]["part"]
    mean, share = figure(document, "norms", "operator_norm"), figure(document, "norms", "contractive_share")
    if mean is None or share is None:
        return ""
    way = (
        "shrinks every small step" if mean < 1 / _CLEAR else "stretches some steps" if mean > _CLEAR else "keeps steps"
    )
    text = (
        f"At the {part} the encoder {way}: the largest singular value of its Jacobian is {shown(mean)} on average, and"
        f" at most 1 at {shown(share, 'share')} of them."
    )
    return f"{text} {_elsewhere(document, mean)}".rstrip()


def _elsewhere(document: Document, at_data: float) -> str:
    """Where it expands, or contracts least."""
    part = document["data"]["measured"]["part"].split()[0]
    known = {"training", "new", part}
    found = document["sections"].get("places", {}).get("figures", {})
    means = {key.split(":")[1]: entry["value"] for key, entry in found.items() if key.startswith("operator_norm:")}
    away = {place: value for place, value in means.items() if place not in known and value is not None}
    if not away:
        return ""
    expanding = {place: value for place, value in away.items() if value > _CLEAR}
    if expanding:
        places = ", ".join(f"{_PLACES[place]} ({shown(value)})" for place, value in expanding.items())
        return f"It expands on average {places}."
    place, value = max(away.items(), key=lambda item: item[1])
    if value > at_data * _CLEAR:
        return f"Away from the data it contracts less, but expands nowhere on average: at most {shown(value)}, {_PLACES[place]}."
    return f"It contracts no less away from the data: {shown(value)} on average {_PLACES[place]}."


_PLACES = {
    "midpoints": "half-way between two rows",
    "between": "on the lines between two rows",
    "same distance": "at the data's distance in random directions",
    "box": "at random in the data's box",
    "scaled out": "three times as far out as the data",
}


def _directions(document: Document) -> str:
    held, all_of_them = figure(document, "spectra", "dimension_by_share"), figure(document, "spectra", "code")
    rank, correlation = figure(document, "spectra", "entropy_rank"), figure(document, "directions", "rank_correlation")
    if held is None or all_of_them is None:
        return ""
    if rank is None:
        return "The Jacobian is zero: the code moves in no direction."
    text = (
        f"Of the {shown(all_of_them)} directions that the code could follow, {shown(held)} hold 95{NBSP}% of ‖J‖² at a"
        f" typical row: its local dimension (by entropy {shown(rank)}, by the largest drop of the singular values"
        f" {shown(figure(document, 'spectra', 'dimension_by_gap'))})."
    )
    if correlation is None:
        return text
    words = (
        "mostly along what varies in the data"
        if correlation > 0.5
        else "little more along what varies than along what does not"
    )
    words = "rather along what hardly varies" if correlation < 0 else words
    first = figure(document, "directions", "first_ten")
    times = f"; the ten widest directions move it {shown(first)} times as much as random ones, squared" if first else ""
    return f"{text} It moves {words} (Spearman's ρ {shown(correlation)}{times})."


def _code(document: Document) -> str:
    dead, rows = figure(document, "codes", "dead"), figure(document, "codes", "num_examples")
    if dead is None:
        return ""
    still = "no unit is dead" if dead == 0 else f"{shown(dead, 'share')} of the units are dead"
    saturation = figure(document, "codes", "saturation")
    if saturation is None:
        return f"The code leaves [0, 1], so that saturation and binary codes mean nothing here; {still}."
    kind = "nearly binary" if saturation > 0.8 else "partly binary" if saturation > 0.3 else "far from binary"
    return (
        f"The code is {kind}: {shown(saturation, 'share')} of its activations lie below 0.05 or above 0.95. Read as bits"
        f" it has {shown(figure(document, 'codes', 'distinct'), 'codes')} different values among {shown(rows, 'rows')} rows,"
        f" a unit's bit carries {shown(figure(document, 'codes', 'bit_entropy'))} bit, and {still}."
    )


def _robustness(document: Document) -> str:
    free, raw = (
        figure(document, "sensitivity", "scale_free:gaussian 1"),
        figure(document, "sensitivity", "ratio:gaussian 1"),
    )
    noise = (
        f"Gaussian noise as large as a typical feature's standard deviation moves the code {shown(free)} times as much as"
        f" it moves the data, both relative to their spread (raw ratio {shown(raw)})."
        if free is not None
        else ""
    )
    clean, noisy = figure(document, "robustness", "clean"), figure(document, "robustness", "noise:level 1")
    if clean is None:
        return noise
    return (
        f"{noise} A linear classifier on the code is right for {shown(clean, 'share')} of the rows, for"
        f" {shown(noisy, 'share')} under that noise, and for at most {shown(figure(document, 'robustness', 'l2:level 0.1'), 'share')}"
        f" under an attack a tenth as long (L2)."
    ).strip()


def _health(document: Document) -> str:
    if document["warnings"]:
        return " ".join(document["warnings"]) + " Read no figure here as contraction."
    part = document["data"]["measured"]["part"]
    r2 = figure(document, "reconstruction", f"r2:{part}")
    if r2 is None:
        return ""
    text = (
        f"It did not collapse: the code varies, and {shown(r2, 'share')} of the variance of the {part} comes out again"
    )
    known = figure(document, "reconstruction", f"r2:{document['data']['reference']['part']}")
    if known is not None and document["data"]["reference"]["part"] != part:
        text += f" ({shown(known, 'share')} of the training rows')"
    return text + ("; but little of it, so that the rest may be ignored and not contracted." if r2 < 0.3 else ".")
