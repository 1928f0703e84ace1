"""Leading singular vectors of J from products with J and J^T alone: a block Krylov space of J^T J for every row."""

import torch
from torch import Tensor

from contractive.jacobian._linearise import Linearisation

_ROOM = 8  # directions kept at most, for each one that is wanted


def block_size(num: int) -> int:
    """Directions added in a step: the fewer, the higher the degree; several find equal singular values."""
    return max(2, -(-num // 3))


def room(num: int, features: int) -> int:
    """Directions of a basis at most."""
    return min(_ROOM * max(num, 4), features)


def iterate(at: Linearisation, x: Tensor, num: int, tolerance: float, most: int, seed: int) -> tuple[Tensor, Tensor]:
    """Singular values (batch, num) and right singular vectors (batch, num, features flattened).

    Musco and Musco (2015), algorithm 2, with a restart from the best directions (Stewart 2001) where the room ends.
    """
    space = _Space(at, x, num, seed)
    before, noise = x.new_zeros(len(x), num), torch.finfo(x.dtype).eps
    drawn = False
    while not space.full and (space.size < num or space.steps < most):
        space.grow()
        if space.size < num:
            continue
        squares = space.squares()
        steady = bool((squares - before <= tolerance * squares + noise * squares[:, :1]).all())
        if steady and (drawn or space.full):
            break
        if steady:  # of equal singular values a block finds as many as it has directions: look for more
            space.draw()
        drawn, before = steady, squares
    return space.leading()


class _Space:
    """For every row an orthonormal basis of some input directions, and their images under J over the size of J.

    Attributes:
        size: Directions in the basis.
        steps: Blocks that were added.
    """

    def __init__(self, at: Linearisation, x: Tensor, num: int, seed: int):
        self.at, self.num, self.x = at, num, x
        self.generator = torch.Generator().manual_seed(seed)
        features, units = x.shape[1:].numel(), at.value.shape[1:].numel()
        self.block, most = min(block_size(num), features), room(num, features)
        self.basis, self.image = x.new_empty(len(x), most, features), x.new_empty(len(x), most, units)
        self.products = x.new_empty(len(x), most, most)  # of the images; the lower triangle
        self.size = self.steps = 0
        new = self._orthonormal(x.new_zeros(len(x), self.block, features))
        pushed = self._push(new)
        largest = pushed.abs().amax((1, 2), keepdim=True)
        self.scale = torch.where(largest > 0, largest, 1)  # squares might be beyond what numbers can hold
        self._add(new, pushed)

    @property
    def full(self) -> bool:
        """Whether the basis spans the whole input space."""
        return self.size == self.basis.shape[2]

    def grow(self) -> None:
        """Add what J^T J makes of the block that was added last."""
        last = self.image[:, self.size - self.block : self.size]
        pulled = self.at.pull(last.reshape(*last.shape[:2], *self.at.value.shape[1:])).flatten(2)
        self._extend(pulled)

    def draw(self) -> None:
        """Add directions drawn at random."""
        self._extend(self.x.new_zeros(len(self.x), self.block, self.basis.shape[2]))

    def squares(self) -> Tensor:
        """The largest squared singular values of J on the space, descending."""
        return torch.linalg.eigvalsh(self.products[:, : self.size, : self.size]).flip(1)[:, : self.num]

    def leading(self) -> tuple[Tensor, Tensor]:
        """The best directions in the space (Rayleigh-Ritz) and their singular values."""
        basis, image = self._best(self.num)
        turned, values, _ = torch.linalg.svd(image, full_matrices=False)
        return values * self.scale.flatten(1), turned.mT @ basis

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
        return self.at.push(directions.reshape(*directions.shape[:2], *self.x.shape[1:])).flatten(2)

    def _orthonormal(self, block: Tensor) -> Tensor:
        """The block without what the basis has of it; where nothing is left, directions drawn at random."""
        largest = block.abs().amax((1, 2), keepdim=True)
        noise = torch.randn(block.shape[1:], generator=self.generator, dtype=block.dtype).to(block.device)
        new = block / torch.where(largest > 0, largest, 1) + 10 * torch.finfo(block.dtype).eps * noise
        known = self.basis[:, : self.size]
        for _ in range(2):
            new = torch.linalg.qr((new - (new @ known.mT) @ known).mT).Q.mT
        return new
