"""How long training takes by default, and the schedule of a network from its principal components on."""

import math
from dataclasses import dataclass
from typing import Any, Self

import torch

_WARM_UP = 20  # steps over which the rate rises
_BETAS, _EPSILON = (0.9, 0.99), 1e-12  # gradients are as small as what is left unexplained
_STEPS, _FEWEST_EPOCHS, _RATE = 600, 5, 1e-2  # of a whole run
_SMALL_BATCH, _LARGE_BATCH, _BATCHES = 128, 1024, 200


def budget(rows: int, batch_size: int | None = None, *, most_epochs: int | None = None) -> tuple[int, int]:
    """Return the rows per step and the passes over so many rows: about 600 steps, in at least 5 passes.

    Args:
        rows: Training rows.
        batch_size: Rows per step, at most all; None for 128, from 25,600 rows on a 200th of them, at most 1024.
        most_epochs: At most so many passes, and at most 600 steps where these are more than 5 passes; None for as many
            passes as make at least 600 steps.
    """
    size = min(batch_size or min(max(_SMALL_BATCH, rows // _BATCHES), _LARGE_BATCH), rows)
    batches = -(-rows // size)
    if most_epochs is None:
        return size, max(-(-_STEPS // batches), _FEWEST_EPOCHS)
    return size, min(max(_STEPS // batches, _FEWEST_EPOCHS), most_epochs)


@dataclass(frozen=True)
class WarmCosine:
    """How long, in which steps and at which rate: a warm-up of 20 steps, then a cosine to zero.

    Attributes:
        max_epochs: Passes over the rows in the whole budget.
        batch_size: Rows per step.
        learning_rate: The highest.
        constant: Keep that one, instead.
    """

    max_epochs: int
    batch_size: int
    learning_rate: float
    constant: bool = False

    @classmethod
    def of(
        cls,
        rows: int,
        batch_size: int | None = None,
        max_epochs: int | None = None,
        learning_rate: float | None = None,
    ) -> Self:
        """Make the schedule for so many rows: that of `budget` at a rate of 0.01, where nothing else is given."""
        size, epochs = budget(rows, batch_size)
        return cls(max_epochs or epochs, size, learning_rate or _RATE)

    def optimizer(self, parameters: Any, *, steps: int) -> torch.optim.Optimizer:
        """Make Adam, whose rate follows the schedule over so many steps."""
        made = torch.optim.Adam(parameters, self.learning_rate, betas=_BETAS, eps=_EPSILON, fused=True)

        def adjust(optimizer: torch.optim.Optimizer, *_: Any) -> None:
            done = optimizer.param_groups[0].get("done", 0)  # kept in checkpoints, as all of a group is
            rate = min(1.0, (done + 1) / _WARM_UP) * (1 + math.cos(math.pi * min(done / steps, 1))) / 2
            rate = 1.0 if self.constant else rate
            for group in optimizer.param_groups:
                group["lr"], group["done"] = self.learning_rate * rate, done + 1

        made.register_step_pre_hook(adjust)
        return made
