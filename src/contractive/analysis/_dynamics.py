"""An autoencoder as a map of codes, z <- f(g(z)), and the average Jacobian of a map over many rows."""

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor

from contractive.analysis._rows import Map, check_rows, code_size, parts
from contractive.core.errors import InvalidValue, check_at_least, check_positive
from contractive.core.randomness import draw
from contractive.core.results import Result, TableResult
from contractive.jacobian import jacobian, linearise


@dataclass(frozen=True, repr=False)
class FixedPoints(TableResult):
    """Codes that reconstruction and encoding give back, z = f(g(z)), and how the map behaves there."""

    codes: Tensor  # the different fixed points that were reached, (points, code)
    basin: Tensor  # for each row the number of the point that its code went to, -1 for none, (rows,)
    steps: Tensor  # after which each row stood still, (rows,); the largest number for those that did not
    spectral_radius: Tensor  # largest |eigenvalue| of the Jacobian of z -> f(g(z)) at each point: below 1 it attracts
    operator_norm: Tensor  # largest singular value of that Jacobian: below 1 every small step shrinks at once

    def columns(self) -> dict[str, Tensor]:
        rows = torch.stack([(self.basin == number).sum() for number in range(len(self.codes))])
        return {"rows": rows, "spectral_radius": self.spectral_radius, "operator_norm": self.operator_norm}


@torch.no_grad()
def fixed_points(
    encode: Map, decode: Map, x: Tensor, *, num_steps: int = 1000, tolerance: float = 1e-6, apart: float = 1e-3
) -> FixedPoints:
    """Follow z <- f(g(z)) from the codes of the rows x until they stand still, and examine where.

    Where encoder and decoder contract together the map has attractors, which hold memorised rows or whole classes
    (Fumero et al. 2026, Navigating the latent space dynamics of neural models). Every row stops when a step is at most
    `tolerance` times the size of its code (or 1, if that is larger); points closer than `apart` in the same units are
    one. Points that do not attract are not found.

    Raises:
        InvalidValue: A count or size out of range; no row stands still after `num_steps`.
    """
    check_rows(x, 1, num_steps=num_steps)
    check_positive("tolerance", tolerance, "1e-6 is usual.")
    check_positive("apart", apart, "1e-3 is usual.")
    code, turn = _codes(encode, x), _turn(encode, decode, x)
    steps = torch.full((len(x),), num_steps, device=x.device)
    moving = torch.arange(len(x), device=x.device)
    for step in range(num_steps):
        before = code[moving]
        code[moving] = after = turn(before)
        still = (after - before).norm(dim=1) <= tolerance * before.norm(dim=1).clamp_min(1)
        steps[moving[still]] = step + 1
        moving = moving[~still]
        if not len(moving):
            break
    basin, found = torch.full((len(x),), -1, device=x.device), []
    left = torch.ones(len(x), dtype=torch.bool, device=x.device)
    left[moving] = False
    while bool(left.any()):  # the first that is left, and all that came to the same
        point = code[left.nonzero()[0, 0]]
        near = left & ((code - point).norm(dim=1) <= apart * point.norm().clamp_min(1))
        basin[near], left = len(found), left & ~near
        found.append(point)
    if not found:
        got = f"steps above {tolerance} after {num_steps}"
        raise InvalidValue("x", "lead to a fixed point", got, "Take more steps or a larger tolerance.")
    points = torch.stack(found)
    matrices = jacobian(turn, points)
    radius = torch.linalg.eigvals(matrices).abs().amax(1)
    return FixedPoints(points, basin, steps, radius, torch.linalg.matrix_norm(matrices, 2))


@dataclass(frozen=True, repr=False)
class Trajectories(TableResult):
    """How the code of each row moves under z <- f(g(z)), beside attractors that are known."""

    score: Tensor  # mean distance to the nearest attractor, over the codes z_0 to z_T on the way, (rows,)
    length: Tensor  # of the way, ||z_1 - z_0|| + ... + ||z_T - z_(T-1)||, (rows,)
    rate: Tensor  # by which a step shrinks, (||z_T - z_(T-1)|| / ||z_1 - z_0||)^(1 / (T - 1)); nan for none, (rows,)
    attractor: Tensor  # number of the attractor that is nearest in the end, (rows,)
    _table = ("score", "length", "rate", "attractor")


@torch.no_grad()
def trajectories(encode: Map, decode: Map, x: Tensor, attractors: Tensor, *, num_steps: int = 20) -> Trajectories:
    """Follow z <- f(g(z)) from the codes of the rows x for some steps, and score the ways.

    A row like those of training comes near to their attractors at once; one of another kind stays away from them for
    longer or goes elsewhere: its score is larger (Fumero et al. 2026).

    Args:
        encode: f.
        decode: g.
        x: Rows, (rows, *features).
        attractors: Codes (points, code), such as `fixed_points(encode, decode, training_rows).codes`.
        num_steps: T, at least 2.

    Raises:
        InvalidValue: Fewer steps, or attractors that are no codes.
    """
    check_rows(x, 1)
    check_at_least("num_steps", num_steps, 2)
    code, turn = _codes(encode, x), _turn(encode, decode, x)
    if attractors.ndim != 2 or attractors.shape[1:] != code.shape[1:] or not len(attractors):
        rule = f"have the shape (points, {code.shape[1]})"
        raise InvalidValue("attractors", rule, tuple(attractors.shape), "Use the codes of fixed_points.")

    def distances(code: Tensor) -> Tensor:
        # by differences: products lose the digits of small distances
        return torch.cdist(code, attractors.to(code), compute_mode="donot_use_mm_for_euclid_dist")

    total, lengths = distances(code).amin(1), list[Tensor]()
    for _ in range(num_steps):
        before, code = code, turn(code)
        lengths.append((code - before).norm(dim=1))
        total = total + distances(code).amin(1)
    rate = (lengths[-1] / lengths[0]) ** (1 / (num_steps - 1))  # 0 / 0 is nan
    return Trajectories(total / (num_steps + 1), torch.stack(lengths).sum(0), rate, distances(code).argmin(1))


def _codes(encode: Map, x: Tensor) -> Tensor:
    return torch.cat([encode(part).flatten(1) for part in parts(x, 8 * x[0].numel())])


def _turn(encode: Map, decode: Map, x: Tensor) -> Map:
    """Return z -> f(g(z)) for codes that are flattened."""
    shape = encode(x[:1]).shape[1:]
    return lambda code: encode(decode(code.view(-1, *shape))).flatten(1)


@dataclass(frozen=True, repr=False)
class AveragedJacobian(Result):
    """E[df/dx] over rows, entry by entry."""

    mean: Tensor  # (code, features), in float64
    standard_error: Tensor  # of each entry over the rows, (code, features)
    num_rows: int


@torch.no_grad()
def averaged_jacobian(
    f: Map,
    batches: Tensor | Iterable[Tensor],
    *,
    num_probes: int | None = None,
    generator: torch.Generator | None = None,
) -> AveragedJacobian:
    """Average the Jacobian of f over rows, which may come as a stream of batches (rows, *features).

    f is any map from the activations of one layer to those of another: the average says which inputs drive which units
    all over the data, signs included, and cancels what differs from row to row. One pass, in memory for one batch and
    two matrices: mean and squared deviations are merged batch by batch (Chan, Golub and LeVeque 1983).

    With `num_probes` the Jacobian J of a row is estimated without bias by the mean of v (v^T J) over so many vectors v
    of random signs, E[v v^T] = I: as many backward passes instead of one for each number of a wide code, and no
    Jacobian of a row in memory. The standard errors then include the noise of the signs, which come from `generator`
    (torch's global one if omitted).

    Raises:
        InvalidValue: Fewer than two rows, rows of different sizes, `num_probes` below 1.
    """
    check_at_least("num_probes", 1 if num_probes is None else num_probes, 1)
    count, mean, squares = 0, torch.zeros(()), torch.zeros(())
    for batch in [batches] if isinstance(batches, Tensor) else batches:
        check_rows(batch, 1, "batches")
        units, features = code_size(f, batch), batch[0].numel()
        per_row = 4 * units * features if num_probes is None else 2 * num_probes**2 * (units + features)
        for part in parts(batch, per_row):
            if num_probes is None:
                matrices = jacobian(f, part).double()
                own = matrices.mean(0)
                around = (matrices - own).square().sum(0)
            else:
                own, around = _sketched(f, part, num_probes, generator)
            here = len(part)
            if count and own.shape != mean.shape:
                got = f"{tuple(own.shape)} after {tuple(mean.shape)}"
                raise InvalidValue("batches", "have one number of features", got, "Use rows of the same data.")
            step, total = own - mean.to(own), count + here
            # sum of squares around the common mean: both own sums, and what the two means differ by
            squares = squares.to(own) + around + step.square() * (count * here / total)
            mean, count = mean.to(own) + step * (here / total), total
    check_at_least("the number of rows in batches", count, 2, "One row has no standard error.")
    return AveragedJacobian(mean, (squares / (count - 1) / count).sqrt(), count)


def _sketched(f: Map, x: Tensor, num: int, generator: torch.Generator | None) -> tuple[Tensor, Tensor]:
    """Return the mean over rows of the estimates mean_p v_p g_p^T, g_p = J^T v_p, and their squares around it."""
    at = linearise(f, x)
    shape = (len(x), num, *at.value.shape[1:])
    v = draw(torch.rand, shape, like=at.value, generator=generator).lt(0.5).to(at.value) * 2 - 1
    v, g = v.flatten(2).double(), at.pull(v).flatten(2).double()  # (rows, num, code), (rows, num, features)
    mean = v.flatten(0, 1).T @ g.flatten(0, 1) / (len(x) * num)
    # the square of an entry of one row's estimate is sum_pq (v_p v_q)_i (g_p g_q)_j / num^2: one product for all rows
    pairs = [(each.unsqueeze(2) * each.unsqueeze(1)).flatten(0, 2) for each in (v, g)]
    return mean, (pairs[0].T @ pairs[1] / num**2 - len(x) * mean.square()).clamp_min(0)  # not below 0 by rounding
