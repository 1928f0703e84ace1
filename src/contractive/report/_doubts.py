"""What speaks against taking the numbers of an analysis at their word."""

from contractive.report._analysis_figures import Document, figure, shown

_FEW_ROWS = 100
_LITTLE = 0.3  # of the variance reconstructed
_GAP = 0.1  # of the variance, training against measured rows
_MANY_DEAD = 0.25
_FOLLOWED = 0.2  # rank correlation below which sensitivity does not follow variance
_HIDDEN = 0.05  # of the attacked rows that stand without a gradient


def doubts(document: Document) -> list[str]:
    """Sentences, the gravest first; one that finds none if there is none."""
    if document["warnings"]:
        return [*document["warnings"], "Read no figure here as contraction."]
    found = [
        _blind(document),
        _only_small(document),
        _by_heart(document),
        _dead(document),
        _unguided(document),
        _tangents(document),
        _hidden(document),
        _few(document),
    ]
    said = [text for text in found if text]
    return said or [
        "It did not collapse, and no number here contradicts another; what other seeds would give, one run cannot say."
    ]


def _blind(document: Document) -> str:
    r2 = figure(document, "reconstruction", f"r2:{document['data']['measured']['part']}")
    if r2 is None or r2 >= _LITTLE:
        return ""
    return f"Only {shown(max(r2, 0.0), 'share')} of the variance comes out again: low sensitivity may be blindness."


def _only_small(document: Document) -> str:
    free, norm = figure(document, "sensitivity", "scale_free:gaussian 0.5"), figure(document, "norms", "operator_norm")
    if free is None or norm is None or free < 1 or norm >= 1:
        return ""
    return "J is small because the code is: against its own spread the code is no steadier than the data."


def _by_heart(document: Document) -> str:
    data = document["data"]
    mine, known = (figure(document, "reconstruction", f"r2:{data[name]['part']}") for name in ("measured", "reference"))
    if mine is None or known is None or known - mine <= _GAP:
        return ""
    return "Training rows come out much better than others: it has learned some of them by heart."


def _dead(document: Document) -> str:
    dead = figure(document, "codes", "dead")
    if dead is None or dead <= _MANY_DEAD:
        return ""
    return f"{shown(dead, 'share')} of the units hardly ever change, so that the code is smaller than it looks."


def _unguided(document: Document) -> str:
    correlation = figure(document, "directions", "rank_correlation")
    if correlation is None or correlation >= _FOLLOWED:
        return ""
    return "Contraction does not follow the data: directions in which they vary are shrunk about as much as others."


def _tangents(document: Document) -> str:
    mine, random = (figure(document, "tangent agreement", name) for name in ("share", "random_share"))
    if mine is None or random is None or mine > random:
        return ""
    return "What the model takes for tangents of the data holds no more of the step to a neighbour than chance."


def _hidden(document: Document) -> str:
    kinds = [figure(document, "robustness", f"no_gradient:{kind}") for kind in ("L2", "L∞")]
    most = max((kind for kind in kinds if kind is not None), default=0.0)
    if most <= _HIDDEN:
        return ""
    return f"{shown(most, 'share')} of the attacked rows had no gradient: saturation may hide the way to their fall."


def _few(document: Document) -> str:
    rows = document["data"]["measured"]["rows"]
    return f"Only {rows} rows were measured: all figures are rough." if rows < _FEW_ROWS else ""
