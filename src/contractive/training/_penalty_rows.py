"""How many rows of a batch a Jacobian penalty is computed on, and by which method: chosen by variance per counted cost.

With per-row gradients r_i of the reconstruction and p_i of the weighted penalty, an exact step on all B rows has the
variance W^2 / B, W^2 = tr cov(r_i + p_i). A penalty on m rows drawn without replacement, each estimated with the
variance T^2, adds S^2 (1/m - 1/B) + T^2 / m, S^2 = tr cov(p_i). The derivation is in docs/mathematics.md.

Measuring the variances costs as much as some steps. So all rows are taken until the steps that fewer rows would have
saved something on could have paid for it.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from contractive.core.randomness import rehearsing
from contractive.jacobian import PLAIN_STEP, Method, plan
from contractive.models import Autoencoder
from contractive.objectives import HigherOrder, JacobianNorm, Objective, Term, map_of, num_penalty_rows
from contractive.training._rows import Rows, as_tensor

_MORE_VARIANCE = 0.1  # of the gradient of the whole objective
_FREE = 0.05  # share of a step: rows that cost no more than it are kept
# what the calls of a step cost in multiplications however small its arrays are: the smallest steps take a millisecond
_CALLS = 2**25
_AUTOGRAD = 6  # passes of an example that the gradient of one product with the Jacobian costs through autograd
_FEWEST = 8
_GROUPS, _GROUP = 8, 8  # groups of rows that the variances are measured on, and rows in each
_MEMORY = 0.5  # of earlier measurements in the variances
_STEPS = 400  # between two measurements
Variances = tuple[float, float, float, float]


@dataclass(frozen=True)
class Choice:
    """What a penalty is computed by and on."""

    method: Method
    rows: int


class PenaltyRows:
    """The choices of one run for the penalties that leave them to it, renewed before every epoch.

    Attributes:
        choices: By the names of the terms.
        variances: Of each, with the weight w of the penalty taken out of S^2 and T^2: R^2 and C of W^2 = R^2 + w C +
            w^2 S^2, then S^2 and T^2. Averaged over measurements.
        steps: Of training since the last measurement.
    """

    def __init__(self, data: Tensor | Rows, weights: Tensor | None, batch: int, seed: int) -> None:
        self._data, self._weights, self._batch = data, weights, min(batch, len(data))
        self._generator = torch.Generator().manual_seed(seed)  # apart: measuring leaves all other draws as they are
        self._costs: dict[tuple[str, str, int], tuple[int, int]] = {}
        self._methods: dict[str, Method] = {}
        self.choices: dict[str, Choice] = {}
        self.variances: dict[str, Variances] = {}
        self.steps = 0

    def state(self) -> dict[str, Any]:
        """Return what a checkpoint holds of it."""
        choices = {name: (choice.method, choice.rows) for name, choice in self.choices.items()}
        state = {"choices": choices, "variances": dict(self.variances), "steps": self.steps}
        return state | {"generator": self._generator.get_state()}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from a checkpoint."""
        self.choices = {name: Choice(*choice) for name, choice in state["choices"].items()}
        self.variances = {name: tuple(values) for name, values in state["variances"].items()}
        self.steps = state["steps"]
        self._generator.set_state(state["generator"].cpu())

    def renew(self, autoencoder: Autoencoder, objective: Objective) -> None:
        """Choose anew, by variances measured with the present weights or not long ago."""
        groups = min(_GROUPS, len(self._data) // _GROUP)
        if self._batch <= _FEWEST or groups < 2:
            return
        due = self.steps >= _STEPS
        for term in objective.active().terms:
            # the cost is counted for rows of the data; a decoder is given codes
            if getattr(term.penalty, "penalty_rows", 1.0) != "auto" or term.of == "decoder":
                continue
            if term.name not in self.variances and not self._pays(autoencoder, term, groups):
                continue
            if due or term.name not in self.variances:
                now = self._measured(autoencoder, objective, term, groups)
                before = self.variances.get(term.name, now)
                kept = [_MEMORY * old + (1 - _MEMORY) * new for old, new in zip(before, now, strict=True)]
                self.variances[term.name] = kept[0], kept[1], kept[2], kept[3]
            rest, both, shared, noise = self.variances[term.name]
            shared, noise = term.weight**2 * shared, term.weight**2 * noise
            whole = max(rest + term.weight * both + shared, 0.0)
            self.choices[term.name] = self._chosen(autoencoder, term, whole, shared, noise)
        self.steps = 0 if due else self.steps

    def agree(self, broadcast: Callable[[Any], Any]) -> None:
        """Take what the first of several processes found, whose dropout may have been another."""
        self.choices, self.variances = broadcast((self.choices, self.variances))

    def applied(self, objective: Objective) -> Objective:
        """Return the objective with the choices in place of `auto`."""
        return replace(objective, terms=tuple(self._fixed(term) for term in objective.terms))

    def used(self, objective: Objective) -> float | None:
        """Return the rows of a batch that Jacobian penalties are computed on, the most of any; None without one.

        A penalty of weight 0 is computed on none.
        """
        counts = [
            num_penalty_rows(rows, self._batch) if term.weight else 0
            for term in self.applied(objective).terms
            if (rows := getattr(term.penalty, "penalty_rows", None)) is not None
        ]
        return max(counts, default=None)

    def _fixed(self, term: Term) -> Term:
        choice, penalty = self.choices.get(term.name), term.penalty
        if choice is None or not isinstance(penalty, JacobianNorm | HigherOrder) or penalty.penalty_rows != "auto":
            return term
        fixed = replace(penalty, method=choice.method, penalty_rows=choice.rows)
        if isinstance(fixed, JacobianNorm) and choice.method == "exact":
            fixed = replace(fixed, num_probes=None)
        return replace(term, penalty=fixed)

    def _measured(self, autoencoder: Autoencoder, objective: Objective, term: Term, groups: int) -> Variances:
        """Return R^2, C, S^2 and T^2 from gradients on groups of rows, each with two estimates of the penalty.

        The covariance of the two, over groups, has none of the estimate's variance in it.
        """
        penalty: Any = term.penalty
        estimate = replace(penalty, method="probes" if penalty.method == "auto" else penalty.method, penalty_rows=1.0)
        # the rows that it is measured on have no labels
        measured = [one for one in objective.active().terms if not one.labelled]
        terms = tuple(replace(one, penalty=estimate) if one is term else one for one in measured)
        objective = replace(self.applied(objective), terms=terms, weight_decay=0.0)
        parameters = [parameter for parameter in autoencoder.parameters() if parameter.requires_grad]
        products, sums = torch.zeros(5, dtype=torch.float64), [torch.zeros(())] * 3
        with rehearsing(autoencoder):
            for rows in torch.randperm(len(self._data), generator=self._generator)[: groups * _GROUP].split(_GROUP):
                x, weights = self._rows(rows, parameters[0])
                sides: list[Tensor] = []
                for _ in range(2):
                    values = objective(autoencoder, x, generator=self._generator)
                    others = (one.weight * values.penalties[one.name] for one in terms if one.name != term.name)
                    if not sides:
                        rest = sum(others, values.reconstruction)
                        sides.append(_gradient(weights * rest, parameters, retain=True))
                    sides.append(_gradient(weights * values.penalties[term.name], parameters))
                products += _products(*sides)
                sums = [total.to(side) + side for total, side in zip(sums, sides, strict=True)]
        # sums over groups of products of deviations from the mean, per row instead of per group
        rest_rest, rest_first, rest_second, first_second, difference = (
            float(value) * _GROUP / (groups - 1) for value in products - _products(*sums) / groups
        )
        return max(rest_rest, 0.0), rest_first + rest_second, max(first_second, 0.0), max(0.5 * difference, 0.0)

    def _rows(self, rows: Tensor, like: nn.Parameter) -> tuple[Tensor, Tensor]:
        if isinstance(self._data, Tensor):
            x = self._data[rows.to(self._data.device)]
        else:
            x = torch.cat([as_tensor(self._data[int(row) : int(row) + 1]) for row in rows])
        x = x.to(like)
        weights = None if self._weights is None else self._weights[rows.to(self._weights.device)]
        return x, x.new_ones(len(x)) if weights is None else weights.to(like)

    def _chosen(self, autoencoder: Autoencoder, term: Term, whole: float, shared: float, noise: float) -> Choice:
        """Return the cheapest pair that adds little enough variance and costs no more than all rows by default."""
        automatic, usual = _is_automatic(term), self._usual(autoencoder, term)
        methods: list[Method] = ["probes", "exact"] if automatic else [usual]
        batch, candidates = self._batch, []
        for method in methods:
            per_row = shared + (0.0 if automatic and method == "exact" else noise)
            for rows in sorted({min(rows, batch) for rows in (8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256, batch)}):
                # what the method adds on all rows in any case is its own affair where the caller chose it
                added = per_row / rows - (shared if automatic else per_row) / batch
                if added <= _MORE_VARIANCE * whole / batch:
                    candidates.append((self._cost(autoencoder, term, method, rows)[0], added, method, rows))
        limit, plain = self._cost(autoencoder, term, usual, batch)
        affordable = [one for one in candidates if one[0] <= limit]
        if not affordable:
            return Choice(usual, batch)
        least, _, method, _ = min(affordable)
        most = least + _FREE * (plain + least)
        return Choice(method, max(rows for cost, _, same, rows in affordable if same == method and cost <= most))

    def _pays(self, autoencoder: Autoencoder, term: Term, groups: int) -> bool:
        """Return whether the steps so far and those of one more epoch could have saved what a measurement costs."""
        usual = self._usual(autoencoder, term)
        most, plain = self._cost(autoencoder, term, usual, self._batch)
        fewest, group = (
            self._cost(autoencoder, term, "probes" if _is_automatic(term) else usual, rows)
            for rows in (_FEWEST, _GROUP)
        )
        saved, steps = most - fewest[0], self.steps + len(self._data) // self._batch
        return saved > _FREE * (plain + most) and steps * saved >= 2 * groups * sum(group)

    def _usual(self, autoencoder: Autoencoder, term: Term) -> Method:
        """Return the method on all rows: that of the caller, or the one that `auto` is for them."""
        if term.name not in self._methods:
            penalty: Any = term.penalty
            self._methods[term.name] = penalty.method
            if _is_automatic(term):
                encoder, like = map_of(autoencoder, term.of), self._example(autoencoder, self._batch)
                exact = plan(encoder, like, num_probes=penalty.num_probes).exact
                self._methods[term.name] = "exact" if exact else "probes"
        return self._methods[term.name]

    def _cost(self, autoencoder: Autoencoder, term: Term, method: Method, rows: int) -> tuple[int, int]:
        """Count the penalty on so many rows and the plain step on them: multiplications, or passes through autograd."""
        key = (term.name, method, rows)
        if key not in self._costs:
            penalty: Any = term.penalty
            if isinstance(penalty, HigherOrder):
                return _AUTOGRAD * rows, PLAIN_STEP * rows
            encoder = map_of(autoencoder, term.of)
            probes = None if method == "exact" else penalty.num_probes
            path = plan(encoder, self._example(autoencoder, rows), method=method, num_probes=probes)
            count = path.multiplications[path.path]
            if path.path.startswith("autograd"):
                self._costs[key] = _AUTOGRAD * count * rows, path.plain_step * rows
            else:
                self._costs[key] = count, path.plain_step + _CALLS
        return self._costs[key]

    def _example(self, autoencoder: Autoencoder, rows: int) -> Tensor:
        first = self._rows(torch.zeros(1, dtype=torch.long), next(autoencoder.parameters()))[0]
        return first.expand(rows, *first.shape[1:])


def _is_automatic(term: Term) -> bool:
    """Return whether the method, too, is chosen."""
    return isinstance(term.penalty, JacobianNorm) and term.penalty.method == "auto"


def _products(rest: Tensor, first: Tensor, second: Tensor) -> Tensor:
    pairs = ((rest, rest), (rest, first), (rest, second), (first, second), (first - second, first - second))
    return torch.stack([torch.dot(a, b) for a, b in pairs]).double().cpu()


def _gradient(values: Tensor, parameters: list[nn.Parameter], retain: bool = False) -> Tensor:
    """Return that of the mean, flat."""
    parts = torch.autograd.grad(
        values.mean(), parameters, retain_graph=retain, allow_unused=True, materialize_grads=True
    )
    return torch.cat([part.flatten() for part in parts])
