"""Five sentences on an analysis, made from its document alone."""

from typing import Any

from contractive.report._numbers import NBSP

Document = dict[str, Any]
_FIRST = 10  # directions in the figure `first_ten`
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
    way = "contracts" if mean < 1 / _CLEAR else "expands" if mean > _CLEAR else "neither contracts nor expands"
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
        weakest = f"{shown(value)} {_PLACES[place]}"
        return f"Away from the data it contracts less, but on average it expands nowhere: at most {weakest}."
    return f"Away from the data it contracts as much: at most {shown(value)} on average, {_PLACES[place]}."


_PLACES = {
    "midpoints": "half-way between two rows",
    "between": "on the lines between two rows",
    "same distance": "at the data's distance in random directions",
    "box": "at random in the data's box",
    "scaled out": "three times as far out as the data",
}


def _directions(document: Document) -> str:
    held, all_of_them = figure(document, "spectra", "dimension_by_share"), figure(document, "spectra", "code")
    rank = figure(document, "spectra", "entropy_rank")
    if held is None or all_of_them is None:
        return ""
    if rank is None:
        return "The Jacobian is zero: the code moves in no direction."
    text = (
        f"Of the {shown(all_of_them)} directions that the code could follow, {shown(held)} hold 95{NBSP}% of ‖J‖² at a"
        f" typical row, its local dimension (by the entropy of the shares {shown(rank)})."
    )
    return f"{text} {_along(document)}".rstrip()


def _along(document: Document) -> str:
    """Whether it keeps what varies."""
    correlation, first = (figure(document, "directions", key) for key in ("rank_correlation", "first_ten"))
    if correlation is None:
        return ""
    words = "mostly along what varies in the data" if correlation > 0.5 else "hardly more along what varies in the data"
    words = "rather along what hardly varies" if correlation < 0 else words
    wide = document["data"]["features"] > 2 * _FIRST and first is not None
    times = f"; ‖J u‖² is {shown(first)} times a random direction's along the ten widest" if wide else ""
    return f"The code moves {words} (Spearman's ρ {shown(correlation)}{times})."


def _code(document: Document) -> str:
    dead, rows = figure(document, "codes", "dead"), figure(document, "codes", "num_examples")
    if dead is None:
        return ""
    still = "no unit is dead" if dead == 0 else f"{shown(dead, 'share')} of the units are dead"
    saturation = figure(document, "codes", "saturation")
    if saturation is None:
        return f"The code leaves [0, 1], so that saturation and binary codes mean nothing here; {still}."
    kind = "nearly binary" if saturation > 0.8 else "partly binary" if saturation > 0.3 else "far from binary"
    distinct = shown(figure(document, "codes", "distinct"), "codes")
    bit = shown(figure(document, "codes", "bit_entropy"))
    return (
        f"The code is {kind}: {shown(saturation, 'share')} of its activations lie below 0.05 or above 0.95. Read as"
        f" bits, one per unit, it has {distinct} different values among {shown(rows, 'rows')} rows; such a bit carries"
        f" {bit} bit on average, and {still}."
    )


def _robustness(document: Document) -> str:
    free, raw = (figure(document, "sensitivity", f"{what}:gaussian 1") for what in ("scale_free", "ratio"))
    noise = (
        f"Gaussian noise as large as a typical feature's standard deviation moves the code {shown(free)} times as much"
        f" as it moves the data, both relative to their spread (raw ratio {shown(raw)})."
        if free is not None
        else ""
    )
    keys = ("clean", "noise:level 1", "l2:level 0.1")
    clean, noisy, attacked = (shown(figure(document, "robustness", key), "share") for key in keys)
    if figure(document, "robustness", "clean") is None:
        return noise
    return (
        f"{noise} A linear classifier on the code is right for {clean} of the rows, for {noisy} under that noise, and"
        f" for at most {attacked} under an attack a tenth as long (L2)."
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
        text += f" (training rows: {shown(known, 'share')})"
    return text + (": little, so that low sensitivity may be blindness." if r2 < 0.3 else ".")
