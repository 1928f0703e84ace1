"""Settings of training: their values, their help and their defaults by the data, for Python and the command line."""

import difflib
import inspect
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, fields, replace
from numbers import Integral
from typing import Any, Literal, TypedDict, cast, get_args

import torch

from contractive.core.errors import InvalidValue, check_choice
from contractive.core.settings import check_settings, setting

Device = Literal["auto", "cpu", "cuda", "mps"]
Precision = Literal["32", "bf16"]
ScheduleName = Literal["constant", "cosine", "exponential"]
Schedule = Callable[[torch.optim.Optimizer, int], torch.optim.lr_scheduler.LRScheduler]

DEVICES: tuple[Device, ...] = get_args(Device)
PRECISIONS: tuple[Precision, ...] = get_args(Precision)
SCHEDULES: tuple[ScheduleName, ...] = get_args(ScheduleName)

MAKE_SCHEDULE: dict[ScheduleName, Schedule] = {
    "cosine": lambda optimizer, epochs: torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, epochs),
    "exponential": lambda optimizer, epochs: torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.01 ** (1 / epochs)),
}
_MANY_ROWS = 5000
_MANY_FEATURES = 256
_NUM_SEEDS = 2**32 - 1  # numpy takes no larger one


class TrainingOptions(TypedDict, total=False):
    """The fields of `TrainingSettings` as keyword arguments. A schedule may be a function, too."""

    max_epochs: int | None
    batch_size: int | None
    learning_rate: float | None
    schedule: ScheduleName | Schedule | None
    patience: int | None
    gradient_clip: float | None
    seed: int
    device: Device
    precision: Precision
    devices: int
    num_nodes: int
    strategy: str
    threads: int | None


FEWEST_SEARCH_EPOCHS = 2  # of training with `max_error_increase`: one is shared, one has the penalty


@dataclass(frozen=True)
class TrainingSettings:
    """How a network is trained; None stands for a default that depends on the data (`completed`).

    Raises:
        InvalidValue: A setting out of range, or a name that is not known.
        InvalidType: A setting of another type.
    """

    max_epochs: int | None = setting(
        None,
        "Passes over the training rows.",
        by_data="40, or 10 above 5000 rows of at least 256 features; from PCA on, enough for 600 steps",
        least=1,
    )
    batch_size: int | None = setting(
        None,
        "Rows per step and process; fewer rows, and a last batch of one row, are fine.",
        by_data="32, or 128 above 5000 rows; from PCA on, 128 to 1024",
        least=1,
    )
    learning_rate: float | None = setting(
        None, "Adam learning rate.", by_data="0.003, or 0.001 above 5000 rows; from PCA on, 0.01", positive=True
    )
    schedule: ScheduleName = setting("cosine", "Learning-rate schedule, by epochs; exponential falls to 1 %.")
    patience: int | None = setting(
        None,
        "Stop after this many epochs without a lower validation objective, and keep the best weights.",
        by_data="train all epochs",
        least=1,
    )
    gradient_clip: float | None = setting(None, "Largest norm of the gradient.", by_data="no clipping", positive=True)
    seed: int = setting(0, "Random seed of weights, row order, noise, probe vectors and dropout.")
    device: Device = setting("auto", "Where to compute; auto takes a GPU if there is one.", machine=True)
    precision: Precision = setting("32", "Number format; bf16 for mixed precision.", machine=True)
    devices: int = setting(1, "Processes on this machine, one per device.", least=1, machine=True)
    num_nodes: int = setting(1, "Number of machines.", least=1, machine=True)
    strategy: str = setting("auto", "Lightning strategy, for instance ddp.", machine=True)
    threads: int | None = setting(
        None,
        "Processor threads while training.",
        by_data="1 for small networks and batches, else torch's",
        least=1,
        machine=True,
    )

    def __post_init__(self) -> None:
        check_settings(self)
        check_seed(self.seed)

    def completed(self, rows: int, features: int) -> "TrainingSettings":
        """Return the settings with defaults in place of None, by the numbers of training rows and of features."""
        # many rows give many steps per epoch, with more rows and a smaller rate; expensive ones have to do with fewer
        many = rows > _MANY_ROWS
        defaults = {
            "max_epochs": 10 if many and features >= _MANY_FEATURES else 40,
            "batch_size": 128 if many else 32,
            "learning_rate": 1e-3 if many else 3e-3,
        }
        return replace(self, **{name: value for name, value in defaults.items() if getattr(self, name) is None})

    def options(self) -> TrainingOptions:
        """Return the settings as keyword arguments of `fit`."""
        return cast(TrainingOptions, {entry.name: getattr(self, entry.name) for entry in fields(self)})


# names of the settings that only the machine decides: what was begun with some may go on with others
MACHINE = frozenset(each.name for each in fields(TrainingSettings) if each.metadata["machine"])


def settings_of(
    function: Callable[..., Any], options: Mapping[str, Any], names: Collection[str], defaults: TrainingSettings
) -> tuple[TrainingSettings, Schedule | None]:
    """Return the settings among the keyword arguments of a function, which takes these names, and the schedule's maker.

    A schedule may also be a function, or None for a constant rate.

    Raises:
        TypeError: An argument that the function does not take; the message suggests the nearest name.
    """
    for unknown in options.keys() - names:
        known = [*names, *list(inspect.signature(function).parameters)[:-1]]  # the last stands for the options
        near = difflib.get_close_matches(unknown, known, 1, 0.0)[0]
        raise TypeError(f"{function.__name__} takes no argument {unknown!r}. Did you mean {near!r}?")
    given = {entry.name: options[entry.name] for entry in fields(defaults) if entry.name in options}
    schedule = given.pop("schedule", defaults.schedule)
    if callable(schedule):
        return replace(defaults, **given, schedule="constant"), cast(Schedule, schedule)
    settings = replace(defaults, **given, schedule="constant" if schedule is None else schedule)
    return settings, MAKE_SCHEDULE.get(settings.schedule)


def is_by_step(schedule: Callable[..., Any] | None) -> bool:
    """Return True for a schedule that takes the number of steps, too: it steps after each of them."""
    parameters = inspect.signature(schedule).parameters.values() if schedule is not None else ()
    return sum(each.default is each.empty and each.kind is not each.VAR_KEYWORD for each in parameters) > 2


def check_seed(seed: int) -> None:
    """Refuse a seed that not all random generators take."""
    if isinstance(seed, bool) or not isinstance(seed, Integral) or not 0 <= seed < _NUM_SEEDS:
        raise InvalidValue("seed", f"be a whole number from 0 to {_NUM_SEEDS - 1}", repr(seed), "For instance 0.")


def check_center(center: bool, pretrained: bool) -> None:
    """Raise unless layers that are to subtract the mean of their inputs are pretrained."""
    if center and not pretrained:
        raise InvalidValue("center", "come with pretraining, which sets the means", "none", "Leave it out.")


def is_first_process() -> bool:
    """Return True in the one process, of those that train together, that writes files and prints."""
    from lightning.pytorch.utilities import rank_zero_only

    return getattr(rank_zero_only, "rank", None) in (None, 0)


def check_device(device: str) -> None:
    """Refuse a device that is unknown, or that this machine does not have."""
    check_choice("device", device, DEVICES)
    available = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if not available.get(device, True):
        raise InvalidValue("device", "be available to torch", repr(device), "Leave it out, or give cpu.")


def place_of(device: str) -> str:
    """Return the device that `auto` stands for; any other is returned as it is."""
    return ("cuda" if torch.cuda.is_available() else "cpu") if device == "auto" else device


def check_machine(settings: TrainingSettings) -> None:
    """Refuse a device, a Lightning strategy or a number of devices that this machine does not have."""
    from lightning.pytorch.strategies import StrategyRegistry

    check_device(settings.device)
    check_choice("strategy", settings.strategy, ("auto", *sorted(StrategyRegistry.available_strategies())))
    if settings.device == "cuda" and settings.devices > torch.cuda.device_count():
        raise InvalidValue("devices", f"be at most {torch.cuda.device_count()} here", settings.devices, "Take fewer.")
