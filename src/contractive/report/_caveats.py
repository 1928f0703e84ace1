"""Reasons not to trust the numbers of an analysis as they stand."""

from contractive.report._analysis_figures import Document, figure, shown

_FEW_ROWS = 100
_LITTLE = 0.3  # of the variance reconstructed
_GAP = 0.1  # of the variance, training against measured rows
_MANY_DEAD = 0.25
_FOLLOWED = 0.2  # rank correlation below which sensitivity does not follow variance
_MASKED = 0.05  # of the attacked rows without a gradient


def caveats(document: Document) -> list[str]:
    """Return sentences, the gravest first; one that says so if there is none."""
    if document["warnings"]:
        return [*document["warnings"], "Do not read any number here as contraction."]
    data, number = document["data"], lambda section, key: figure(document, section, key)
    r2, known = (number("reconstruction", f"r2:{data[part]['part']}") for part in ("measured", "reference"))
    free, norm = number("sensitivity", "scale_free:gaussian 0.5"), number("norms", "operator_norm")
    dead, follows = number("codes", "dead"), number("directions", "rank_correlation")
    share, random = (number("tangent agreement", key) for key in ("share", "random_share"))
    masked = max(number("robustness", f"no_gradient:{kind}") or 0.0 for kind in ("L2", "L∞"))
    rows = data["measured"]["rows"]
    checks = [
        (
            r2 is not None and r2 < _LITTLE,
            f"Low sensitivity may only reflect underfitting: {_share(r2)} of the variance is reconstructed.",
        ),
        (
            free is not None and norm is not None and free >= 1 and norm < 1,
            "J is small because the code is small: relative to its own spread, the code is as sensitive as the data.",
        ),
        (
            r2 is not None and known is not None and known - r2 > _GAP,
            "Overfitting: reconstruction is much better on training rows than on others.",
        ),
        (
            dead is not None and dead > _MANY_DEAD,
            f"{_share(dead)} of the units hardly vary, so that the code is smaller than its number of units.",
        ),
        (
            follows is not None and follows < _FOLLOWED,
            "Contraction does not follow the data: directions in which they vary are contracted about as much as"
            " others.",
        ),
        (
            share is not None and random is not None and share <= random,
            "The tangents of the model contain no more of the step to a neighbour than random directions do.",
        ),
        (
            masked > _MASKED,
            f"Gradient masking: attacks found no gradient on {_share(masked)} of the rows (Athalye, Carlini, Wagner"
            " 2018).",
        ),
        (rows < _FEW_ROWS, f"Only {rows} rows were measured: all numbers are rough."),
    ]
    return [text for holds, text in checks if holds] or [
        "No warning sign was found. One run does not show how much the numbers depend on the seed."
    ]


def _share(value: float | None) -> str:
    return shown(max(value or 0.0, 0.0), "share")
