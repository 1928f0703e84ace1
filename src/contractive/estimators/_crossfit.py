"""Scores by networks and neighbours: every row is judged by networks and neighbours of the folds without it."""

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Self

import numpy as np
import torch
from sklearn.neighbors import NearestNeighbors
from torch import nn

from contractive.estimators._surprise import Ranks
from contractive.models import Autoencoder

Part = Literal["nearest", "distance", "density", "off_manifold", "off_neighbour", "code", "residual"]
TABLE: tuple[Part, ...] = ("nearest", "density", "off_manifold", "code")
STRUCTURED: tuple[Part, ...] = ("code",)
TRIMMED: tuple[Part, ...] = ("residual", "off_neighbour", "distance")
NEIGHBOURS = 5
SAFEGUARD = float(np.log(10))  # the residual alone flags a row where it is ten times rarer than the limit
ORDER = 1e-3  # share of the score that orders rows which the residual alone flags
_SPREAD = 0.3  # share of the mean distance in a local density: none is infinite
_NUMBERS_AT_ONCE = 2**21  # in differences to neighbours, at most


@dataclass(frozen=True)
class Member:
    """One network with the rows that it was trained on, in double precision.

    Attributes:
        network: In evaluation mode.
        rows: Scaled training rows, (rows, features).
        parts: Which numbers it gives of a row, beside the residual.
        codes: Of the rows, where the distance in the code is one of the parts.
    """

    network: Autoencoder
    rows: np.ndarray
    parts: tuple[Part, ...]
    codes: np.ndarray | None = field(init=False, default=None)
    _search: NearestNeighbors = field(init=False)
    _code_search: NearestNeighbors = field(init=False)
    _spacing: np.ndarray = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "network", copy.deepcopy(self.network).double().eval().requires_grad_(False))
        count = min(NEIGHBOURS, len(self.rows))
        search = NearestNeighbors(n_neighbors=count).fit(self.rows)
        object.__setattr__(self, "_search", search)
        if "density" in self.parts:
            object.__setattr__(self, "_spacing", _spacing(self.rows))
        if "code" in self.parts:
            codes = self._apply(self.network.encode, self.rows)
            object.__setattr__(self, "codes", codes)
            object.__setattr__(self, "_code_search", NearestNeighbors(n_neighbors=count, algorithm="brute").fit(codes))

    def reconstruct(self, z: np.ndarray) -> np.ndarray:
        """Return the reconstruction of scaled rows, (rows, features)."""
        return self._apply(self.network, z)

    def numbers(self, z: np.ndarray) -> dict[Part, np.ndarray]:
        """Return the parts of the score of scaled rows, each (rows,), at least 0 and higher for stranger rows."""
        size = max(1, _NUMBERS_AT_ONCE // (NEIGHBOURS * z.shape[1]))
        blocks = [self._numbers(z[start : start + size]) for start in range(0, len(z), size)]
        return {part: np.concatenate([block[part] for block in blocks]) for part in (*self.parts, "residual")}

    def _numbers(self, z: np.ndarray) -> dict[Part, np.ndarray]:
        found: dict[Part, np.ndarray] = {"residual": np.linalg.norm(z - self.reconstruct(z), axis=1)}
        if {*self.parts} - {"code", "residual"}:
            near = self._search.kneighbors(z, return_distance=False)
            steps = z[:, None] - self.rows[near]  # (rows, neighbours, features); distances by the search are rounded
            lengths = np.linalg.norm(steps, axis=2)
            found |= {"nearest": lengths.min(1), "distance": lengths.mean(1)}
            if "density" in self.parts:
                mean = self._spacing.mean()
                found["density"] = lengths.mean(1) / (self._spacing[near].mean(1) + _SPREAD * mean + 1e-12)
            if "off_manifold" in self.parts:
                found["off_manifold"] = self._off_manifold(np.repeat(z[:, None], steps.shape[1], axis=1), steps)
            if "off_neighbour" in self.parts:
                found["off_neighbour"] = self._off_manifold(self.rows[near], steps)
        if self.codes is not None:
            codes = self._apply(self.network.encode, z)
            near = self._code_search.kneighbors(codes, return_distance=False)
            found["code"] = np.linalg.norm(codes[:, None] - self.codes[near], axis=2).mean(1)
        return found

    def _off_manifold(self, places: np.ndarray, steps: np.ndarray) -> np.ndarray:
        """Mean length of (I - J_r) step, r the reconstruction: the part of the way that leaves the manifold, (rows,).

        Places, where the Jacobian is taken, and steps are (rows, neighbours, features).
        """
        at, directions = (torch.from_numpy(each.reshape(-1, each.shape[2])) for each in (places, steps))
        # by two backward passes: forward mode compiles scripts when it is first used
        along: Any = torch.autograd.functional.jvp(self.network, at, directions)[1]
        return (directions - along).norm(dim=1).numpy().reshape(steps.shape[:2]).mean(1)

    def _apply(self, map_: nn.Module | object, z: np.ndarray) -> np.ndarray:
        with torch.no_grad():
            return map_(torch.from_numpy(np.ascontiguousarray(z))).numpy()  # pyright: ignore[reportCallIssue]


def _spacing(rows: np.ndarray) -> np.ndarray:
    """Mean distance of each row to its nearest other rows, (rows,)."""
    if len(rows) < 2:
        return np.zeros(len(rows))
    near = NearestNeighbors(n_neighbors=min(NEIGHBOURS, len(rows) - 1)).fit(rows).kneighbors(return_distance=False)
    found = np.empty(len(rows))
    size = max(1, _NUMBERS_AT_ONCE // (NEIGHBOURS * rows.shape[1]))
    for start in range(0, len(rows), size):
        part = slice(start, start + size)
        found[part] = np.linalg.norm(rows[part, None] - rows[near[part]], axis=2).mean(1)
    return found


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
        numbers: The parts of each training row by the member of its fold, (rows,) each; measured if not given.
        ranks: Of each part among the training rows, and of the parts `together`.
    """

    members: tuple[Member, ...]
    rows: np.ndarray
    folds: np.ndarray
    parts: tuple[Part, ...]
    weights: np.ndarray | None = None
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
        self.ranks["together"] = Ranks.of(self._together(self.numbers), self.weights)

    @classmethod
    def of(
        cls,
        networks: Sequence[Autoencoder],
        rows: np.ndarray,
        folds: np.ndarray,
        parts: tuple[Part, ...],
        weights: np.ndarray | None = None,
        numbers: Any = None,
    ) -> Self:
        """Make the score from scaled rows and the network that was trained without each fold of them."""
        members = tuple(Member(network, rows[folds != fold], parts) for fold, network in enumerate(networks))
        return cls(members, rows, folds, parts, weights, numbers or {})

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

        def measure(member: Member, rows: np.ndarray) -> np.ndarray:
            numbers = member.numbers(rows)
            return np.stack([self._together(numbers), numbers["residual"]], axis=1)

        return self._scores(*self._mean(z, measure).T)

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
        return self._mean(z, lambda member, rows: np.square(rows - member.reconstruct(rows)))

    def reconstruct(self, z: np.ndarray) -> np.ndarray:
        """Return the mean reconstruction of scaled rows, (rows, features)."""
        return self._mean(z, Member.reconstruct)

    def _scores(self, together: np.ndarray, residual: np.ndarray) -> np.ndarray:
        score = self.ranks["together"].surprise(together)
        alone = np.minimum(self.residuals.surprise(residual) - SAFEGUARD, self.ceiling)
        return np.maximum(score, alone) + ORDER * score

    def _together(self, numbers: dict[Part, np.ndarray]) -> np.ndarray:
        surprises = np.stack([self.ranks[part].surprise(numbers[part]) for part in self.parts])
        return surprises.mean(0) + surprises.max(0)

    def _mean(self, z: np.ndarray, measure: Callable[[Member, np.ndarray], np.ndarray]) -> np.ndarray:
        """Mean of what the members say of rows, over the folds that did not see them where some did."""
        every = set(range(len(self.members)))
        judges = [self._folds_with.get(row.tobytes(), every) for row in z]
        judged_by = np.array([[fold in judge for fold in every] for judge in judges]).reshape(len(z), len(every))
        total: Any = None
        for fold, member in enumerate(self.members):
            rows = judged_by[:, fold]
            if rows.any():
                found = measure(member, z[rows])
                total = np.zeros((len(z), found.shape[1])) if total is None else total
                total[rows] += found
        return total / judged_by.sum(1, keepdims=True)
