"""Scores by networks and neighbours: every row is judged by networks and neighbours of the folds without it."""

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal, Self

import numpy as np
import torch
from torch import nn

from contractive.estimators._nearest import Nearest
from contractive.estimators._surprise import Ranks
from contractive.jacobian import linearise
from contractive.models import Autoencoder

Part = Literal["nearest", "distance", "density", "off_manifold", "off_neighbour", "code", "inner", "residual"]
NOVELTY: tuple[Part, ...] = ("nearest", "density", "off_manifold", "code")
TABLE: tuple[Part, ...] = (*NOVELTY, "inner")
STRUCTURED: tuple[Part, ...] = ("code",)
TRIMMED: tuple[Part, ...] = ("residual", "off_neighbour", "distance")
NEAR = {"nearest", "distance", "density", "off_manifold", "off_neighbour"}  # parts by the nearest rows
Among = Literal["all", "inner"]  # training rows to search: all, or those that lie well inside
Near = tuple[np.ndarray, np.ndarray]
NEIGHBOURS = 5
_SHARED = 3 * NEIGHBOURS  # nearest rows of all folds, of which a member takes those that it was trained on
SAFEGUARD = float(np.log(10))  # the residual alone flags a row where it is ten times rarer than the limit
ORDER = 1e-3  # share of the score that orders rows which the residual alone flags
_OF_RESIDUAL, _OF_INNER = 0.5, 0.1  # how much these count in what compares features
_SPREAD = 0.3  # share of the mean distance in a local density: none is infinite
_ROWS_AT_ONCE = 2**13  # that are scored
_NUMBERS_AT_ONCE = 2**21  # in differences to neighbours, at most


@dataclass(frozen=True)
class Member:
    """One network with the rows that it was trained on, in double precision.

    Attributes:
        network: In evaluation mode.
        rows: Scaled training rows, (rows, features).
        parts: Which numbers it gives of a row, beside the residual.
        inner: Which of the rows lie well inside, (rows,), where the distance to them is one of the parts.
        codes: Of the rows, where the distance in the code is one of the parts.
    """

    network: Autoencoder
    rows: np.ndarray
    parts: tuple[Part, ...]
    inner: np.ndarray | None = None
    codes: np.ndarray | None = field(init=False, default=None)
    _code_search: Nearest = field(init=False)
    _spacing: np.ndarray = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "network", copy.deepcopy(self.network).double().eval().requires_grad_(False))
        if "density" in self.parts:  # mean distance of each row to its nearest other rows, (rows,)
            spacing = self._searches["all"].others(min(NEIGHBOURS, len(self.rows) - 1))[0]
            object.__setattr__(self, "_spacing", spacing.sum(1) / max(1, spacing.shape[1]))
        if "code" in self.parts:
            codes = self._apply(self.network.encode, self.rows)
            object.__setattr__(self, "codes", codes)
            object.__setattr__(self, "_code_search", Nearest(codes))

    @cached_property
    def _searches(self) -> dict[Among, Nearest]:  # which scores by the code alone need not prepare
        made: dict[Among, Nearest] = {"all": Nearest(self.rows)}
        if self.inner is not None:
            made["inner"] = Nearest(self.rows[self.inner])
        return made

    def reconstruct(self, z: np.ndarray) -> np.ndarray:
        """Return the reconstruction of scaled rows, (rows, features)."""
        return self._apply(self.network, z)

    def nearest(self, z: np.ndarray, among: Among = "all") -> Near:
        """Return the distances to the nearest training rows and their numbers, both (rows, neighbours)."""
        search = self._searches[among]
        return search(z, min(NEIGHBOURS, len(search.rows)))

    def numbers(self, z: np.ndarray, near: Mapping[Among, Near] | None = None) -> dict[Part, np.ndarray]:
        """Return the parts of the score of scaled rows, each (rows,), at least 0 and higher for stranger rows.

        `near` is what `nearest` returns, where it is known.
        """
        size = max(1, _NUMBERS_AT_ONCE // (NEIGHBOURS * z.shape[1]))
        places = [slice(start, start + size) for start in range(0, len(z), size)]
        known = near or {}
        blocks = [
            self._numbers(z[at], {among: (lengths[at], rows[at]) for among, (lengths, rows) in known.items()})
            for at in places
        ]
        return {part: np.concatenate([block[part] for block in blocks]) for part in (*self.parts, "residual")}

    def _numbers(self, z: np.ndarray, known: Mapping[Among, Near]) -> dict[Part, np.ndarray]:
        found: dict[Part, np.ndarray] = {"residual": np.linalg.norm(z - self.reconstruct(z), axis=1)}
        if "inner" in self.parts:
            found["inner"] = (known.get("inner") or self.nearest(z, "inner"))[0].mean(1)
        if {*self.parts} & NEAR:
            lengths, near = known.get("all") or self.nearest(z)
            steps = z[:, None] - self.rows[near]  # (rows, neighbours, features)
            found |= {"nearest": lengths.min(1), "distance": lengths.mean(1)}
            if "density" in self.parts:
                mean = self._spacing.mean()
                found["density"] = lengths.mean(1) / (self._spacing[near].mean(1) + _SPREAD * mean + 1e-12)
            if "off_manifold" in self.parts:
                found["off_manifold"] = self._off_manifold(z, steps).mean(1)
            if "off_neighbour" in self.parts:
                places, ways = self.rows[near].reshape(-1, z.shape[1]), steps.reshape(-1, 1, z.shape[1])
                each = self._off_manifold(places, ways)
                found["off_neighbour"] = each.reshape(near.shape).mean(1)
        if self.codes is not None:
            codes = self._apply(self.network.encode, z)
            found["code"] = self._code_search(codes, min(NEIGHBOURS, len(self.rows)))[0].mean(1)
        return found

    def _off_manifold(self, places: np.ndarray, steps: np.ndarray) -> np.ndarray:
        """Length of (I - J_r) step, r the reconstruction: the part of the way that leaves the manifold, (rows, steps).

        Places, where the Jacobian is taken, are (rows, features), and steps (rows, steps, features).
        """
        with torch.no_grad():
            coded = linearise(self.network.encoder, torch.from_numpy(places))
            decoded = linearise(self.network.decoder, coded.value)
            ways = torch.from_numpy(steps)
            return (ways - decoded.push(coded.push(ways))).norm(dim=2).numpy()

    def _apply(self, map_: nn.Module | object, z: np.ndarray) -> np.ndarray:
        with torch.no_grad():
            return map_(torch.from_numpy(np.ascontiguousarray(z))).numpy()  # pyright: ignore[reportCallIssue]


def mean_and_largest(surprises: np.ndarray) -> np.ndarray:
    """Return the mean plus the largest of -log p of the parts, (parts, rows)."""
    return surprises.mean(0) + surprises.max(0)


@dataclass(frozen=True)
class CrossFit:
    """Networks, each trained without one fold, and the score that they give together.

    A row that equals a training row is judged by the folds that did not see it, as that row was when it calibrated; any
    other row by all.

    Attributes:
        members: One per fold.
        rows: Scaled training rows, (rows, features).
        folds: The fold of each, (rows,): member k saw all others.
        parts: What the score is made of.
        weights: How much each row counts, (rows,); None for all alike.
        inner: Which rows lie well inside, (rows,), where a part of the score is the distance to them.
        numbers: The parts of each training row by the member of its fold, (rows,) each; measured if not given.
        ranks: Of each part among the training rows, and of the parts `together`.
    """

    members: tuple[Member, ...]
    rows: np.ndarray
    folds: np.ndarray
    parts: tuple[Part, ...]
    weights: np.ndarray | None = None
    inner: np.ndarray | None = None
    numbers: dict[Part, np.ndarray] = field(default_factory=dict)
    ranks: dict[str, Ranks] = field(init=False, default_factory=dict)
    _folds_with: dict[bytes, set[int]] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        for row, fold in zip(self.rows, self.folds, strict=True):
            self._folds_with.setdefault(row.tobytes(), set()).add(int(fold))
        if not self.numbers:
            self.numbers.update({part: np.empty(len(self.rows)) for part in (*self.parts, "residual")})
            for fold, member in enumerate(self.members):
                own = self.folds == fold
                for part, values in member.numbers(self.rows[own]).items():
                    if part in self.numbers:
                        self.numbers[part][own] = values
        self.ranks.update({part: Ranks.of(values, self.weights) for part, values in self.numbers.items()})
        if self.inner is not None:  # how far rows well inside are from each other
            weights = None if self.weights is None else self.weights[self.inner]
            self.ranks["inner"] = Ranks.of(self.numbers["inner"][self.inner], weights)
        self.ranks["together"] = Ranks.of(self._together(self.numbers), self.weights)

    @cached_property
    def _searches(self) -> dict[Among, tuple[Nearest, np.ndarray]]:
        """Each search with the folds of its rows."""
        made: dict[Among, tuple[Nearest, np.ndarray]] = {"all": (Nearest(self.rows), self.folds)}
        if self.inner is not None:
            made["inner"] = Nearest(self.rows[self.inner]), self.folds[self.inner]
        return made

    @classmethod
    def of(
        cls,
        networks: Sequence[Autoencoder],
        rows: np.ndarray,
        folds: np.ndarray,
        parts: tuple[Part, ...],
        weights: np.ndarray | None = None,
        inner: np.ndarray | None = None,
        numbers: Any = None,
    ) -> Self:
        """Make the score from scaled rows and the network that was trained without each fold of them."""
        members = tuple(
            Member(network, rows[folds != fold], parts, None if inner is None else inner[folds != fold])
            for fold, network in enumerate(networks)
        )
        return cls(members, rows, folds, parts, weights, inner, numbers or {})

    @property
    def ceiling(self) -> float:
        """Most that the residual alone contributes: above every training row, but no order among rows beyond."""
        return (1 + 2 * ORDER) * float(np.log(1 + self.residuals.rows))

    @property
    def residuals(self) -> Ranks:
        """Ranks of the length of the residual."""
        return self.ranks["residual"]

    def score(self, z: np.ndarray) -> np.ndarray:
        """Return how strange scaled rows are, (rows,): about -log of the share of training rows at least as strange.

        The parts are brought to -log p each. Their mean plus their largest is averaged over the folds and ranked again;
        the residual takes its place where it is ten times rarer, but it does not order what lies beyond all training
        rows: under noise it says less of a row than the parts do.
        """
        return self._scores(*self._measured(z, lambda numbers: [self._together(numbers), numbers["residual"]]))

    def judge(self, z: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the score of scaled rows, and the evidence by which their features are compared, both (rows,).

        The evidence is the mean of -log p over the parts plus half that of the residual, which tells features apart
        best. The distance to the inner rows, which hardly depends on one feature, counts little.
        """
        weights = [_OF_INNER if part == "inner" else 1.0 for part in self.parts]

        def combine(numbers: dict[Part, np.ndarray]) -> list[np.ndarray]:
            surprises, residual = self._surprises(numbers), numbers["residual"]
            evidence = np.average(surprises, axis=0, weights=weights) + _OF_RESIDUAL * self.residuals.surprise(residual)
            return [mean_and_largest(surprises), residual, evidence]

        together, residual, evidence = self._measured(z, combine)
        return self._scores(together, residual), evidence

    def training_scores(self) -> np.ndarray:
        """Return `score` of the training rows, (rows,), from the numbers that are known."""
        pairs = np.stack([self._together(self.numbers), self.numbers["residual"]], axis=1)
        keys = [row.tobytes() for row in self.rows]
        judged: dict[bytes, dict[int, np.ndarray]] = {}
        for key, fold, pair in zip(keys, self.folds, pairs, strict=True):
            judged.setdefault(key, {})[int(fold)] = pair
        return self._scores(*np.array([np.mean([*judged[key].values()], axis=0) for key in keys]).T)

    def cross_scores(self) -> np.ndarray:
        """Return the score of each training row by the member of its fold alone, (rows,)."""
        return self._scores(self._together(self.numbers), self.numbers["residual"])

    def member_scores(self, fold: int, z: np.ndarray) -> np.ndarray:
        """Return the score of scaled rows by the member of this fold alone, (rows,)."""
        numbers = self.members[fold].numbers(z)
        return self._scores(self._together(numbers), numbers["residual"])

    def errors(self, z: np.ndarray) -> np.ndarray:
        """Return the squared error of each feature of scaled rows, (rows, features)."""
        return self._mean(z, lambda fold, rows: np.square(z[rows] - self.members[fold].reconstruct(z[rows])))

    def reconstruct(self, z: np.ndarray) -> np.ndarray:
        """Return the mean reconstruction of scaled rows, (rows, features)."""
        return self._mean(z, lambda fold, rows: self.members[fold].reconstruct(z[rows]))

    def _scores(self, together: np.ndarray, residual: np.ndarray) -> np.ndarray:
        score = self.ranks["together"].surprise(together)
        alone = np.minimum(self.residuals.surprise(residual) - SAFEGUARD, self.ceiling)
        return np.maximum(score, alone) + ORDER * score

    def _surprises(self, numbers: dict[Part, np.ndarray]) -> np.ndarray:
        return np.stack([self.ranks[part].surprise(numbers[part]) for part in self.parts])

    def _together(self, numbers: dict[Part, np.ndarray]) -> np.ndarray:
        return mean_and_largest(self._surprises(numbers))

    def _measured(
        self, z: np.ndarray, combine: Callable[[dict[Part, np.ndarray]], Sequence[np.ndarray]]
    ) -> Sequence[np.ndarray]:
        """Return what is made of the numbers of scaled rows, mean over the members that judge them, (rows,) each."""
        if len(z) > _ROWS_AT_ONCE:
            blocks = [self._measured(z[i : i + _ROWS_AT_ONCE], combine) for i in range(0, len(z), _ROWS_AT_ONCE)]
            return [np.concatenate(each) for each in zip(*blocks, strict=True)]
        near = self._nearest(z) if {*self.parts} & NEAR else [{} for _ in self.members]

        def measure(fold: int, rows: np.ndarray) -> np.ndarray:
            known: dict[Among, Near] = {
                among: (lengths[rows], places[rows]) for among, (lengths, places) in near[fold].items()
            }
            return np.stack(combine(self.members[fold].numbers(z[rows], known)), axis=1)

        return [*self._mean(z, measure).T]

    def _nearest(self, z: np.ndarray) -> list[dict[Among, Near]]:
        """Return what `nearest` of each member does, by one search among the rows of all folds."""
        made: list[dict[Among, Near]] = [{} for _ in self.members]
        for among, (search, folds) in self._searches.items():
            distances, numbers = search(z, min(_SHARED, len(folds)))
            for fold, member in enumerate(self.members):
                seen, place = folds != fold, np.cumsum(folds != fold) - 1
                count = min(NEIGHBOURS, int(seen.sum()))
                first = np.argsort(~seen[numbers], axis=1, kind="stable")[:, :count]
                lengths, near = np.take_along_axis(distances, first, 1), place[np.take_along_axis(numbers, first, 1)]
                few = seen[numbers].sum(1) < count
                if few.any():
                    lengths[few], near[few] = member.nearest(z[few], among)
                made[fold][among] = lengths, near
        return made

    def _mean(self, z: np.ndarray, measure: Callable[[int, np.ndarray], np.ndarray]) -> np.ndarray:
        """Mean of what the members, by their folds, say of rows, given by a mask, over those that did not see them."""
        judged_by = np.ones((len(z), len(self.members)), bool)
        for row, judged in zip(z, judged_by, strict=True):
            if own := self._folds_with.get(row.tobytes()):
                judged[:] = [fold in own for fold in range(len(judged))]
        total: Any = None
        for fold in range(len(self.members)):
            rows = judged_by[:, fold]
            if rows.any():
                found = measure(fold, rows)
                total = np.zeros((len(z), found.shape[1])) if total is None else total
                total[rows] += found
        return total / judged_by.sum(1, keepdims=True)
