"""Learning-rate schedules by name."""

from collections.abc import Callable

import torch

Schedule = Callable[[torch.optim.Optimizer, int], torch.optim.lr_scheduler.LRScheduler]

SCHEDULES: dict[str, Schedule] = {
    "cosine": lambda optimizer, epochs: torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, epochs),
    "exponential": lambda optimizer, epochs: torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.01 ** (1 / epochs)),
}
