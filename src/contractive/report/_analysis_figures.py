"""The numbers of an analysis as its page writes them."""

from typing import Any

from contractive.report._numbers import MINUS, NBSP

Document = dict[str, Any]
_EXACT = 1e-9  # shares closer to all or nothing are written without places


def figure(document: Document, section: str, key: str) -> float | None:
    """One number, None where it does not exist."""
    entry = document["sections"].get(section, {}).get("figures", {}).get(key)
    return None if entry is None else entry["value"]


def shown(value: float | None, unit: str = "none") -> str:
    """A number as the page writes it: shares as percentages, others with four digits at most."""
    if value is None:
        return "–"
    if unit == "share":
        whole = min(abs(value), abs(1 - value)) < _EXACT
        return f"{100 * value:.{0 if whole else 1}f}{NBSP}%".replace("-", MINUS)
    if unit in ("rows", "codes") or (value == round(value) and 1 <= abs(value) < 1e6):
        return f"{value:,.0f}"
    return power(f"{value:.3g}")


def power(digits: str) -> str:
    """A number in Python's notation as one writes it by hand: 1.2e-07 as 1.2·10⁻⁷."""
    mantissa, found, exponent = digits.partition("e")
    text = mantissa.replace("-", MINUS)
    return f"{text}·10{str(int(exponent)).translate(_RAISED)}" if found else text


_RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
