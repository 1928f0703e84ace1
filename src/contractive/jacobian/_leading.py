"""The leading singular values and vectors of J, without the whole Jacobian where that is cheaper."""

from dataclasses import dataclass
from typing import Literal, get_args

import torch
from torch import Tensor

from contractive.core.errors import InvalidValue, check_choice
from contractive.jacobian._chain import recognise
from contractive.jacobian._held import BatchStatistics
from contractive.jacobian._linearise import Linearisation, linearise
from contractive.jacobian._norms import code_size, dense_numbers, reduced
from contractive.jacobian._outputs import in_parts, with_args
from contractive.jacobian._plan import MEMORY_BUDGET
from contractive.jacobian._shared import Map, check_input, wide

Side = Literal["right", "left"]
WAYS = ("auto", "exact", "iterate")
_ROOM = 8  # directions kept at most, for each one that is wanted
_SMALL = 128  # up to this size of the smaller side a decomposition beats iterating


@dataclass(frozen=True)
class Leading:
    """The leading part of the singular value decomposition of each example's Jacobian."""

    values: Tensor  # singular values, descending, (batch, num)
    # orthonormal right singular vectors, (batch, num, features flattened): input directions of most change; or left
    # ones, (batch, num, code flattened)
    vectors: Tensor


@torch.no_grad()
def leading(
    f: Map,
    x: Tensor,
    num: int,
    *,
    side: Side = "right",
    method: str = "auto",
    tolerance: float = 1e-4,
    max_iterations: int = 100,
    generator: torch.Generator | None = None,
    memory_budget: int = MEMORY_BUDGET,
    args: tuple[Tensor, ...] = (),
) -> Leading:
    """Compute the `num` leading singular values and right (or left) singular vectors of df/dx at every row of x.

    `exact` decomposes the Jacobian; for a dense chain J = A W_1 with W_1^T = Q R it decomposes A R^T and turns the
    result by Q. `iterate` builds a block Krylov space of J^T J (Musco and Musco 2015, algorithm 2), which needs J u and
    J^T v only: for 784-1000 it is several times faster. Singular values below 1e-8 of the largest count as equal.

    Args:
        f: Map whose row i depends on row i of `x` only.
        x: Points, (batch, *features).
        num: How many; at most the smaller of code and features.
        side: `right`: input directions that change f most. `left`: the directions in which f changes then.
        method: `auto` iterates where the smaller side of J is above 128 and above six times `num`.
        tolerance: Largest share by which a wanted squared singular value grows in the last step, of num / 3 directions.
        max_iterations: Steps at most.
        generator: Source of the directions to start from; fixed ones if omitted, so that the result is repeatable.
        memory_budget: Bytes for the matrices handled at a time.
        args: Further inputs of f, as in `value_and_squared_norm`.

    Raises:
        ValueError: `num` below 1 or above what J has, an unknown method, a tolerance or a count that is not above 0.
    """
    check_input(x)
    check_choice("method", method, WAYS, "Leave it out for auto.")
    check_choice("side", side, get_args(Side), "right is usual.")
    if not tolerance > 0 or max_iterations < 1:
        got = f"{tolerance} and {max_iterations}"
        raise InvalidValue("tolerance and max_iterations", "be above 0", got, "Leave them out.")
    f = with_args(f, args, x)
    units, features = code_size(f, x), x.shape[1:].numel()
    smaller = min(units, features)
    if not 1 <= num <= smaller:
        raise InvalidValue("num", f"lie between 1 and {smaller}", num, "A Jacobian has no more singular values.")
    iterates = method == "iterate" or (method == "auto" and smaller > max(_SMALL, 6 * num))
    if iterates:
        numbers = 2 * room(num, features) * (units + features)
    else:
        numbers = max(4 * units * features, dense_numbers(recognise(f, x)))
    seed = _seed(generator)
    found = [
        _iterate(_Space(linearise(of, part), part, num, seed), tolerance, max_iterations, side)
        if iterates
        else _exact(of, part, num, side)
        for of, part in in_parts(f, x, max(1, memory_budget // (numbers * x.element_size())))
    ]
    values, vectors = zip(*found, strict=True)
    return Leading(torch.cat(values), torch.cat(vectors))


def _exact(f: Map, x: Tensor, num: int, side: Side) -> tuple[Tensor, Tensor]:
    matrices, basis = reduced(f, x, num)  # J = M Q^T with orthonormal columns of Q: M has the same left vectors
    left, values, right = torch.linalg.svd(matrices, full_matrices=False)
    if side == "left":
        return values[:, :num], left[:, :, :num].mT
    return values[:, :num], right[:, :num] if basis is None else right[:, :num] @ basis.T


def room(num: int, features: int) -> int:
    """Return how many directions a basis has at most."""
    return min(_ROOM * max(num, 4), features)


@dataclass(frozen=True)
class OperatorNorm:
    """The largest singular value of each example's Jacobian."""

    value: Tensor  # f(x)
    norm: Tensor  # (batch,), differentiable
    direction: Tensor  # the unit input directions that f stretches by it, (batch, *features): constants


def operator_norm(
    f: Map,
    x: Tensor,
    *,
    start: Tensor | None = None,
    tolerance: float = 1e-4,
    max_iterations: int = 100,
    generator: torch.Generator | None = None,
    batch_statistics: BatchStatistics = "refuse",
    args: tuple[Tensor, ...] = (),
) -> OperatorNorm:
    """Compute f(x) and the differentiable operator norm sigma_max(df/dx) at every row of x, in one pass through `f`.

    The leading direction u is found as in `leading`, without a gradient; the norm is ||J u||, whose derivative at the
    true u is that of sigma_max where this is a single singular value.

    Args:
        f: Map whose row i depends on row i of `x` only.
        x: Points, (batch, *features).
        start: The `direction` of an earlier call for the same rows (a warm start), from which it iterates. It is not
            trusted: a singular vector that is not the leading one is left, which takes about as many steps as without
            it. Steps are saved by a smaller `max_iterations`, with which it is.
        tolerance: As in `leading`.
        max_iterations: As in `leading`.
        generator: As in `leading`.
        batch_statistics: As in `value_and_squared_norm`.
        args: As in `value_and_squared_norm`.

    Raises:
        InvalidValue: A `start` of another shape than x, and as `linearise`.
    """
    check_input(x)
    if start is not None and start.shape != x.shape:
        rule, remedy = f"have the shape {tuple(x.shape)} of x", "It is the direction of an earlier call."
        raise InvalidValue("start", rule, tuple(start.shape), remedy)
    at = linearise(f, x, batch_statistics=batch_statistics, args=args)
    u = first_direction(at, x.shape[1:], tolerance=tolerance, most=max_iterations, generator=generator, start=start)
    norm = torch.linalg.vector_norm(at.push(u.reshape(len(x), 1, *x.shape[1:])).flatten(1), dim=1)
    return OperatorNorm(at.value, norm, u.reshape(x.shape))


@torch.no_grad()
def first_direction(
    at: Linearisation,
    shape: torch.Size,
    *,
    tolerance: float = 1e-4,
    most: int = 100,
    generator: torch.Generator | None = None,
    start: Tensor | None = None,
) -> Tensor:
    """Return the leading right singular vector of each example, (batch, features), for inputs of that shape."""
    like, units, features = at.value, at.value.shape[1:].numel(), shape.numel()
    if start is not None or min(units, features) > _SMALL:
        x = like.new_zeros(()).expand(len(like), *shape)
        return _iterate(_Space(at, x, 1, _seed(generator), start), tolerance, most, "right")[1][:, 0].to(like)
    eye = torch.eye(min(units, features), dtype=like.dtype, device=like.device).expand(len(like), -1, -1)
    if units <= features:
        matrices = at.pull(eye.reshape(*eye.shape[:2], *like.shape[1:])).flatten(2)
    else:
        matrices = at.push(eye.reshape(*eye.shape[:2], *shape)).reshape(*eye.shape[:2], units).mT
    return torch.linalg.svd(wide(matrices), full_matrices=False)[2][:, 0].to(like)


def _seed(generator: torch.Generator | None) -> int:
    """Draw a seed, so that all steps of an iteration use one generator on the processor."""
    return 0 if generator is None else int(torch.randint(2**31, (1,), generator=generator, device=generator.device))


def _iterate(space: "_Space", tolerance: float, most: int, side: Side) -> tuple[Tensor, Tensor]:
    """Musco and Musco (2015), algorithm 2, restarted from the best directions (Stewart 2001) where the room ends."""
    x, num, features = space.x, space.num, space.x.shape[1:].numel()
    before, noise = x.new_zeros(len(x), space.watched), torch.finfo(x.dtype).eps
    drawn = False
    while space.size < features and (space.size < num or space.steps < most):
        space.grow(random=False)
        if space.size < space.watched:
            continue
        squares = space.squares()
        steady = bool((squares - before <= tolerance * squares + noise * squares[:, :1]).all())
        if steady and (drawn or space.size == features):
            break
        if steady:  # of equal singular values a block finds as many as it has directions: look for more
            space.grow(random=True)
        drawn, before = steady, squares
    return space.leading(side)


class _Space:
    """For every row an orthonormal basis of some input directions, and their images under J over the size of J."""

    def __init__(self, at: Linearisation, x: Tensor, num: int, seed: int, start: Tensor | None = None):
        self.at, self.num, self.x = at, num, (x := wide(x))
        # a start may be another singular vector than the first: what grows from the random direction beside it counts
        self.watched = num if start is None else num + 1
        self.generator = torch.Generator().manual_seed(seed)
        features, units = x.shape[1:].numel(), at.value.shape[1:].numel()
        # directions added in a step: the fewer, the higher the degree; several find equal singular values
        self.block, most = min(max(2, -(-num // 3)), features), room(num, features)
        self.basis, self.image = x.new_empty(len(x), most, features), x.new_empty(len(x), most, units)
        self.products = x.new_empty(len(x), most, most)  # of the images; the lower triangle
        self.size = self.steps = 0  # directions in the basis, blocks that were added
        block = x.new_zeros(len(x), self.block, features)
        if start is not None:
            block[:, 0] = start.flatten(1)
        new = self._orthonormal(block)
        pushed = self._push(new)
        largest = pushed.abs().amax((1, 2), keepdim=True)
        self.scale = torch.where(largest > 0, largest, 1)  # squares might be beyond what numbers can hold
        self._add(new, pushed)

    def grow(self, *, random: bool) -> None:
        """Add what J^T J makes of the block that was added last, or directions drawn at random."""
        if random:
            return self._extend(self.x.new_zeros(len(self.x), self.block, self.basis.shape[2]))
        last = self.image[:, self.size - self.block : self.size]
        pulled = self.at.pull(last.reshape(*last.shape[:2], *self.at.value.shape[1:]).to(self.at.value))
        self._extend(wide(pulled).flatten(2))

    def squares(self) -> Tensor:
        """The largest squared singular values of J on the space, descending, of which convergence is judged."""
        return torch.linalg.eigvalsh(self.products[:, : self.size, : self.size]).flip(1)[:, : self.watched]

    def leading(self, side: Side) -> tuple[Tensor, Tensor]:
        """The best directions in the space (Rayleigh-Ritz), or their images, and their singular values."""
        basis, image = self._best(self.num)
        turned, values, images = torch.linalg.svd(image, full_matrices=False)
        return values * self.scale.flatten(1), turned.mT @ basis if side == "right" else images

    def _best(self, num: int) -> tuple[Tensor, Tensor]:
        """Directions and images for the largest singular values; in float64, which tells small ones apart."""
        image = self.image[:, : self.size]
        wide = image.double()
        turn = torch.linalg.eigh(wide @ wide.mT).eigenvectors[..., -num:].mT.to(image.dtype)
        return turn @ self.basis[:, : self.size], turn @ image

    def _restart(self) -> None:
        basis, image = self._best(self.num + self.block)
        self.size = basis.shape[1]
        self.basis[:, : self.size], self.image[:, : self.size] = basis, image
        self.products[:, : self.size, : self.size] = image @ image.mT

    def _extend(self, block: Tensor) -> None:
        new = self._orthonormal(block[:, : self.basis.shape[2] - self.size])
        if self.size + new.shape[1] > self.basis.shape[1]:
            self._restart()
        self._add(new, self._push(new))

    def _add(self, new: Tensor, pushed: Tensor) -> None:
        start, end = self.size, self.size + new.shape[1]
        self.basis[:, start:end] = new
        self.image[:, start:end] = pushed / self.scale
        self.products[:, start:end, :end] = self.image[:, start:end] @ self.image[:, :end].mT
        self.size, self.steps = end, self.steps + 1

    def _push(self, directions: Tensor) -> Tensor:
        shaped = directions.reshape(*directions.shape[:2], *self.x.shape[1:]).to(self.at.value)
        return wide(self.at.push(shaped)).flatten(2)

    def _orthonormal(self, block: Tensor) -> Tensor:
        """The block without what the basis has of it; where nothing is left, directions drawn at random."""
        largest = block.abs().amax((1, 2), keepdim=True)
        noise = torch.randn(block.shape[1:], generator=self.generator, dtype=block.dtype, device="cpu").to(block.device)
        new = block / torch.where(largest > 0, largest, 1) + 10 * torch.finfo(block.dtype).eps * noise
        known = self.basis[:, : self.size]
        for _ in range(2):
            new = torch.linalg.qr((new - (new @ known.mT) @ known).mT).Q.mT
        return new
