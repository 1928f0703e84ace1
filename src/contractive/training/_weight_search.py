"""Find the weight of a penalty by its error increase between two runs from principal components, with and without it.

Short trials from the unpenalised weights bracket it, whole runs measure it: on held-out rows, and on learned ones as
far as these agree.
"""

import math
import warnings
from collections.abc import Sequence

import torch
from torch import Tensor

from contractive.analysis import spread_rows
from contractive.core.errors import InvalidValue, check_positive
from contractive.objectives import Objective
from contractive.training._component_runs import FEWEST_STEPS, SHORT, Found, Runs
from contractive.training._contexts import evaluating
from contractive.training._error_increase import check_reference
from contractive.training._history import SearchWarning
from contractive.training._warm_up import scaled

_TRIALS, _TOLERANCE = 5, 0.12  # of them, and by how much of the allowed increase a trial may miss it
_SLOPE = 1.2  # the increase grows like weight^1.2
_WHOLE_RUNS, _CLOSE_ENOUGH, _WITHIN = 5, 0.2, 0.03
_AIM = 0.9  # of the allowed increase: the middle of what is close enough, which is not more than allowed
_FACTOR, _NEAR = 30.0, 3.0  # most by which a weight differs from its neighbour's, and that of a whole run exceeds it
_NEGLIGIBLE = 1e-6  # share of the variance; an error below it counts as it
_LEAST = 0.1  # of the allowed increase: what is smaller, or a gain, is noise
_FEW, _COMPARED = 256, 8192  # rows for the first guess, and learned ones on which two networks are compared


def search_weight(run: Runs, objective: Objective, allowed: float) -> tuple[Found, float]:
    """Return the whole run whose error increase comes nearest to a little less than allowed, and that increase."""
    check_positive("max_error_increase", allowed, "0.1 allows 10 % more reconstruction error.")
    if not any(term.weight for term in objective.terms):
        raise InvalidValue("objective", "have a penalty with a weight above 0", repr(objective.name), "Add one.")
    reference = run.whole(scaled(objective, 0.0))
    run.reference = reference.history.rows
    check_reference(reference.error, run.mean_error)
    least = _NEGLIGIBLE * run.mean_error  # of a perfect reconstruction no share can be spent
    aim = _AIM * allowed
    weight = _by_trials(run, objective, reference, least, aim)
    tried: list[tuple[float, float, Found]] = []
    for _ in range(_WHOLE_RUNS):
        found = run.whole(scaled(objective, weight))
        increase = _increase(run, found, reference, least)
        tried.append((weight, increase, found))
        if (1 - _CLOSE_ENOUGH) * allowed <= increase <= allowed:
            break
        weight = _next_weight([(w, i) for w, i, _ in tried], aim, _NEAR)
    _, increase, found = min(tried, key=lambda entry: abs(entry[1] - aim))
    if abs(increase - allowed) > max(_CLOSE_ENOUGH * allowed, _WITHIN):
        warnings.warn(_missed(tried, increase, allowed), SearchWarning, stacklevel=3)
    return found, increase


def _increase(run: Runs, found: Found, reference: Found, least: float) -> float:
    """Return the relative error increase over the reference, whose error counts as at least `least`, on all rows."""
    shares = []
    for rows in (run.held, spread_rows(run.learned, _COMPARED)):
        mine, other = (run.errors(each.network, each.objective, rows) for each in (found, reference))
        shares.append(excess(mine, other, None if run.weights is None else run.weights[rows], least))
    return pooled(*shares)


def excess(mine: Tensor, other: Tensor, weights: Tensor | None, least: float) -> tuple[float, float]:
    """Return by what share of the mean of the other errors mine exceed it, on the same rows, and its variance."""
    weights = torch.ones(len(mine)) if weights is None else weights
    weights = weights.to(mine.device).double() / weights.sum()
    more, other = mine.double() - other.double(), other.double()
    if weights @ other < least:
        other = torch.full_like(other, least)
    share = weights @ more / (weights @ other)
    spread = (weights * (more - share * other)).norm() / (weights @ other)
    return float(share), float(spread) ** 2


def pooled(held_out: tuple[float, float], learned: tuple[float, float]) -> float:
    """Return the share on held-out rows, made more certain by that on learned ones as far as these agree.

    Few held-out rows are far outside, and decide over their mean; learned rows are many, but may be fitted closely. The
    mean has inverse variances as weights, where that of the learned rows is enlarged by what the squared difference
    exceeds both variances (the variance between studies of DerSimonian and Laird 1986).
    """
    (share, variance), (other, added) = held_out, learned
    added += max(0.0, (share - other) ** 2 - variance - added)
    return share + (other - share) * variance / (variance + added) if variance else share


def _missed(tried: Sequence[tuple[float, float, Found]], increase: float, allowed: float) -> str:
    """Say by how much whole runs missed the allowed increase, and whether on one side only."""
    weights = [found.objective.terms[0].weight for _, _, found in tried]
    increases = [each for _, each, _ in tried]
    if max(increases) < allowed:
        what = f"no weight up to {max(weights):.3g} cost more than {100 * increase:.3g} %"
    elif min(increases) > allowed:
        what = f"no weight down to {min(weights):.3g} cost less than {100 * increase:.3g} %"
    else:
        what = f"the nearest of {len(tried)} runs, whose weights lie on both sides, cost {100 * increase:.3g} %"
    advice = "Train longer, hold more rows out, or give a weight."
    return f"An error increase of {100 * allowed:.3g} % was allowed, and {what}. {advice}"


def _by_trials(run: Runs, objective: Objective, reference: Found, least: float, aim: float) -> float:
    """Return a factor of the weights whose short trial has about this increase."""
    steps = SHORT * run.schedule.max_epochs * -(-len(run.learned) // run.schedule.batch_size)
    is_short = steps < FEWEST_STEPS  # in so few steps no weight shows its effect: whole runs begin at the first guess
    base = reference if is_short else run.trial(reference.network, scaled(objective, 0.0))
    few = run.data[run.held][:_FEW]
    with evaluating(base.network):
        values = objective.exact()(base.network, few, generator=torch.Generator().manual_seed(run.seed))
    penalty = sum(term.weight * float(values.penalties[term.name].mean()) for term in objective.terms)
    weight = 10 * aim * max(base.error, least) / max(penalty, 1e-30)
    if is_short:
        return weight
    tried: list[tuple[float, float]] = []
    networks = {0.0: base.network}
    for _ in range(_TRIALS):
        nearest = min(networks, key=lambda known: abs(math.log(max(known, 1e-30) / weight)))
        found = run.trial(networks[nearest], scaled(objective, weight))
        networks[weight] = found.network
        increase = _increase(run, found, base, least)
        tried.append((weight, increase))
        if abs(increase - aim) <= _TOLERANCE * aim:
            break
        weight = _next_weight(tried, aim, _FACTOR)
    return weight


def _next_weight(tried: Sequence[tuple[float, float]], aim: float, most: float) -> float:
    """Return the weight to try next, by an increase that is linear in weight^1.2.

    It lies between the nearest weights below and above the aim, or beyond all of them on the line through the last.
    An increase may be negative: a small weight can reconstruct held-out rows better than none. Beyond the weights that
    were tried the step upwards is at most a factor of `most`.
    """
    below = max((entry for entry in tried if entry[1] < aim), default=None)
    above = min((entry for entry in tried if entry[1] >= aim), default=None)
    if below and above and below[0] < above[0]:
        share = min(max((aim - below[1]) / (above[1] - below[1]), 0.1), 0.9)
        return ((1 - share) * below[0] ** _SLOPE + share * above[0] ** _SLOPE) ** (1 / _SLOPE)
    weight, increase = below or above or tried[-1]
    ratio = (aim / max(increase, _LEAST * aim)) ** (1 / _SLOPE)
    return weight * min(max(ratio, 1 / _FACTOR), most)
