"""What an analysis found, in a few sentences made from its document alone."""

from contractive.report._analysis_figures import Document, figure, shown
from contractive.report._caveats import caveats
from contractive.report._numbers import MINUS, NBSP

_FIRST = 10  # directions in the figure `first_ten`
_MUCH = 2  # times what a random direction has
_CLEAR = 1.02  # singular values above it expand; less is rounding of the words
_LEVEL = "gaussian 0.5"


def analysis_sentences(document: Document) -> list[tuple[str, str]]:
    """(topic, text): what contracts, how far that reaches, directions, error increase, code, robustness, caveats."""
    made = {
        "Contraction": _contraction(document),
        "Reach": _reach(document),
        "Directions": _directions(document),
        "Error increase": _error_increase(document),
        "Code": _code(document),
        "Robustness": _robustness(document),
        "Caveats": " ".join(caveats(document)),
    }
    return [(topic, text) for topic, text in made.items() if text]


def _contraction(document: Document) -> str:
    part = document["data"]["measured"]["part"]
    mean, share = figure(document, "norms", "operator_norm"), figure(document, "norms", "contractive_share")
    if mean is None or share is None:
        return ""
    way = "contracts" if mean < 1 / _CLEAR else "expands" if mean > _CLEAR else "neither contracts nor expands"
    where = "all" if share == 1 else "none" if share == 0 else shown(share, "share")
    return (
        f"At the {part} the encoder {way}: the code moves at most {shown(mean)} times as far as a small step of the"
        f" input, on average over rows (σ max, the largest singular value of the Jacobian J); it is at most 1 at"
        f" {where} of them. {_relative(document)}"
    ).rstrip()


def _relative(document: Document) -> str:
    """The same with the size of the code taken out."""
    free = figure(document, "sensitivity", f"scale_free:{_LEVEL}")
    if free is None:
        return ""
    verdict = "steadier than" if free < 1 / _CLEAR else "less steady than" if free > _CLEAR else "as steady as"
    return (
        f"With sizes taken out the code is {verdict} the data: noise of half a typical feature's standard deviation"
        f" moves it {shown(free)} times as much, each against its own spread (scale-free sensitivity)."
    )


def _reach(document: Document) -> str:
    """Where it expands, or contracts least."""
    at_data = figure(document, "norms", "operator_norm")
    part = document["data"]["measured"]["part"].split()[0]
    known = {"training", "new", part}
    found = document["sections"].get("on and off the data", {}).get("figures", {})
    means = {key.split(":")[1]: entry["value"] for key, entry in found.items() if key.startswith("operator_norm:")}
    away = {place: value for place, value in means.items() if place not in known and value is not None}
    if not away or at_data is None:
        return ""
    expanding = {place: value for place, value in away.items() if value > _CLEAR}
    if expanding:
        places = ", ".join(f"{_PLACES[place]} ({shown(value)})" for place, value in expanding.items())
        return f"Away from the data it expands on average {places}."
    place, value = max(away.items(), key=lambda item: item[1])
    most = f"{shown(value)} on average {_PLACES[place]}"
    if value > at_data * _CLEAR:
        return f"Away from the data it contracts less, but expands nowhere: at most {most}."
    return f"Contraction is not confined to the data: away from them steps are stretched by at most {most}."


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
        f"Of the {shown(all_of_them)} directions that the code could follow, about {held:.0f} hold 95{NBSP}% of ‖J‖² at"
        f" a typical row: its local dimension (by the entropy of the shares {rank:.1f})."
    )
    return f"{text} {_along(document)}".rstrip()


def _along(document: Document) -> str:
    """Whether it keeps what varies."""
    correlation, first = (figure(document, "directions", key) for key in ("rank_correlation", "first_ten"))
    if correlation is None:
        return ""
    written = f"{correlation:.2f}".replace("-", MINUS)
    if document["data"]["features"] > 2 * _FIRST and first is not None:
        words = "mostly along what varies most in the data" if first > _MUCH else "hardly more along what varies most"
        words = "rather along what hardly varies" if first < 1 else words
        widest = f"along their ten widest directions ‖J u‖² is {shown(first)} times a random one's"
        return f"It moves {words} ({widest}; rank correlation over all {written})."
    words = "mostly along what varies in the data" if correlation > 0.5 else "hardly more along what varies in the data"
    words = "rather along what hardly varies" if correlation < 0 else words
    return f"It moves {words} (rank correlation {written})."


def _error_increase(document: Document) -> str:
    """What comes out again, and what the penalty cost where the training knows."""
    part = document["data"]["measured"]["part"]
    r2 = figure(document, "reconstruction", f"r2:{part}")
    if r2 is None:
        return ""
    text = f"{shown(max(r2, 0.0), 'share')} of the variance of the {part} comes out again"
    known = figure(document, "reconstruction", f"r2:{document['data']['reference']['part']}")
    if known is not None and document["data"]["reference"]["part"] != part:
        text += f" (training rows: {shown(max(known, 0.0), 'share')})"
    return f"{text}. {_paid(document['run'])}".rstrip()


def _paid(run: Document) -> str:
    paid, mine, other = (run.get(name) for name in ("error_increase", "squared_norm", "squared_norm_without"))
    if paid is None or not mine or not other:
        return ""
    more = "more" if paid >= 0 else "less"
    return (
        f"Against the same training without the penalty, validation error is {100 * abs(paid):.0f}{NBSP}% {more} and"
        f" ‖J‖² {other / mine:.1f} times smaller ({shown(mine)}, {shown(other)} without)."
    )


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
    keys = ("clean", "noise:level 1", "l2:level 0.1")
    clean, noisy, attacked = (shown(figure(document, "robustness", key), "share") for key in keys)
    if figure(document, "robustness", "clean") is None:
        return ""
    return (
        f"A linear classifier on the code is right for {clean} of the rows, for {noisy} under Gaussian noise as large"
        f" as a typical feature's standard deviation, and for at most {attacked} under an attack a tenth as long (L2)."
    )
