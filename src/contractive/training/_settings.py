"""Settings of training: their values, their help and their defaults by the data, for Python and the command line."""

import difflib
import inspect
import operator
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, fields, replace
from numbers import Real
from typing import Any, Literal, TypedDict, cast, get_args

import torch

from contractive.core.errors import InvalidType, InvalidValue, check_at_least, check_choice, check_positive

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


@dataclass(frozen=True)
class TrainingSettings:
    """How a network is trained. The `metadata` of each field hold its `help`, and its default in words where None.

    Raises:
        InvalidValue: A setting out of range.
        InvalidType: A setting of another type.
    """

    max_epochs: int | None = field(
        default=None,
        metadata={
            "help": "Passes over the training rows.",
            "default": "40, or 10 above 5000 rows of at least 256 features",
        },
    )
    batch_size: int | None = field(
        default=None, metadata={"help": "Rows per step and process.", "default": "32, or 128 above 5000 rows"}
    )
    learning_rate: float | None = field(
        default=None, metadata={"help": "Adam learning rate.", "default": "0.003, or 0.001 above 5000 rows"}
    )
    schedule: ScheduleName = field(
        default="cosine",
        metadata={"help": "Learning-rate schedule: constant, cosine or exponential (to 1 % of the rate)."},
    )
    patience: int | None = field(
        default=None,
        metadata={
            "help": "Stop after this many epochs without a lower validation objective, and keep the best weights.",
            "default": "train all epochs",
        },
    )
    gradient_clip: float | None = field(
        default=None, metadata={"help": "Largest norm of the gradient.", "default": "no clipping"}
    )
    seed: int = field(
        default=0, metadata={"help": "Random seed of weights, row order, noise, probe vectors and dropout."}
    )
    device: Device = field(default="auto", metadata={"help": "auto, cpu, cuda or mps."})
    precision: Precision = field(default="32", metadata={"help": "32, or bf16 for mixed precision."})
    devices: int = field(default=1, metadata={"help": "Processes on this machine, one per device."})
    num_nodes: int = field(default=1, metadata={"help": "Number of machines."})
    strategy: str = field(default="auto", metadata={"help": "Lightning strategy, for instance ddp."})

    def __post_init__(self) -> None:
        for name in ("max_epochs", "batch_size", "patience", "devices", "num_nodes"):
            self._convert(name, check_count)
        for name in ("learning_rate", "gradient_clip"):
            self._convert(name, _positive)
        object.__setattr__(self, "seed", check_seed(self.seed))
        check_choice("schedule", self.schedule, SCHEDULES)
        check_choice("device", self.device, DEVICES, "Leave it out to use the GPU if there is one.")
        check_choice("precision", self.precision, PRECISIONS, "Leave it out for 32.")
        if not isinstance(self.strategy, str):
            raise InvalidType("strategy", "be a text", repr(self.strategy), "Leave it out for auto.")

    def _convert(self, name: str, to: Callable[[str, Any], Any]) -> None:
        """Replace a field by a checked plain number: checkpoints hold none of numpy's."""
        value = getattr(self, name)
        if value is not None:
            object.__setattr__(self, name, to(name, value))

    def completed(self, rows: int, features: int) -> "TrainingSettings":
        """Return the settings with defaults in place of None, by the numbers of training rows and of features.

        Many rows give many steps per epoch, each on more rows and with a smaller rate; where a step is also expensive,
        fewer epochs have to do.
        """
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


def settings_of(options: Mapping[str, Any], defaults: TrainingSettings) -> tuple[TrainingSettings, Schedule | None]:
    """Return the settings among keyword arguments, and the schedule where it is a function.

    Args:
        options: Keyword arguments; the fields of `TrainingSettings` are taken, where a schedule may also be a function,
            or None for a constant rate.
        defaults: Settings that are not given.
    """
    given = {entry.name: options[entry.name] for entry in fields(defaults) if entry.name in options}
    schedule = given.get("schedule", defaults.schedule)
    make = schedule if callable(schedule) else None
    name = "constant" if schedule is None or make else schedule
    return replace(defaults, **{**given, "schedule": name}), make or MAKE_SCHEDULE.get(name)


def check_names(function: Callable[..., Any], given: Collection[str], options: Collection[str]) -> None:
    """Refuse keyword arguments of a function that are not among its options, as Python would with parameters.

    Raises:
        TypeError: There is one; the message suggests the nearest name.
    """
    known = [*options, *list(inspect.signature(function).parameters)[:-1]]  # the last stands for the options
    for name in given:
        if name not in options:
            near = difflib.get_close_matches(name, known, 1, 0.0)[0]
            raise TypeError(f"{function.__name__} takes no argument {name!r}. Did you mean {near!r}?")


def check_count(name: str, value: Any) -> int:
    """Return the value as a plain integer.

    Raises:
        InvalidType: It is not a whole number.
        InvalidValue: It is below 1.
    """
    count = whole(name, value)
    check_at_least(name, count, 1)
    return count


def whole(
    name: str, value: Any, rule: str = "be a whole number", remedy: str = "Round it, or leave it out for the default."
) -> int:
    """Return the value as a plain integer; integers of numpy are taken, too.

    Raises:
        InvalidType: It is not a whole number.
    """
    try:
        if isinstance(value, bool):
            raise TypeError
        return operator.index(value)
    except TypeError:
        raise InvalidType(name, rule, repr(value), remedy) from None


def check_seed(seed: Any) -> int:
    """Return the seed as a plain integer that all random generators take.

    Raises:
        InvalidValue: They do not.
    """
    rule = f"be a whole number from 0 to {_NUM_SEEDS - 1}"
    number = whole("seed", seed, rule, "For instance 0.")
    if not 0 <= number < _NUM_SEEDS:
        raise InvalidValue("seed", rule, number, "For instance 0.")
    return number


def check_seconds(checkpoint_seconds: float) -> None:
    """Refuse a negative time between checkpoints."""
    check_at_least("checkpoint_seconds", checkpoint_seconds, 0, "Leave it out for the default of 10.")


def _positive(name: str, value: Any) -> float:
    if not isinstance(value, Real) or isinstance(value, bool):
        raise InvalidType(name, "be a number", repr(value), "Leave it out for the default.")
    check_positive(name, float(value))
    return float(value)


def check_device(device: str) -> None:
    """Refuse a device that is unknown, or that this machine does not have."""
    check_choice("device", device, DEVICES, "Leave it out to use the GPU if there is one.")
    available = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if not available.get(device, True):
        raise InvalidValue("device", "be available to torch", repr(device), "Leave it out, or give cpu.")


def place_of(device: str) -> str:
    """Return the device that `auto` stands for; any other is returned as it is."""
    return ("cuda" if torch.cuda.is_available() else "cpu") if device == "auto" else device


def check_strategy(strategy: str) -> None:
    """Refuse a strategy that Lightning does not have."""
    from lightning.pytorch.strategies import StrategyRegistry

    known = ("auto", *sorted(StrategyRegistry.available_strategies()))
    check_choice("strategy", strategy, known, "Leave it out for auto.")


def check_machine(settings: TrainingSettings) -> None:
    """Refuse a device, a strategy or a number of devices that this machine does not have."""
    check_device(settings.device)
    check_strategy(settings.strategy)
    if settings.device == "cuda" and settings.devices > torch.cuda.device_count():
        raise InvalidValue("devices", f"be at most {torch.cuda.device_count()} here", settings.devices, "Take fewer.")
