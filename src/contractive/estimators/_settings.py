"""From the parameters of an estimator to the arguments of `mlp`, `Objective` and `fit`; and what is refused."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from numbers import Integral, Real
from typing import Any

import torch
from torch import nn

from contractive.estimators._scaling import SCALES
from contractive.models import ACTIVATIONS, Autoencoder, mlp, tied
from contractive.objectives import LOSSES, OBJECTIVES, Gaussian, Objective, Term
from contractive.training import DEVICES, SCHEDULES

SOLVERS: dict[str, Callable[[Iterable[nn.Parameter], float], torch.optim.Optimizer]] = {
    "adam": lambda parameters, rate: torch.optim.Adam(parameters, rate, fused=True),
    "sgd": lambda parameters, rate: torch.optim.SGD(parameters, rate, momentum=0.9),
}
_STEPS, _FEWEST_EPOCHS, _MOST_EPOCHS = 600, 5, 300
_SMALL_BATCH, _LARGE_BATCH, _BATCHES = 128, 1024, 200


@dataclass(frozen=True)
class Budget:
    """How long to train.

    Attributes:
        batch_size: Rows per step.
        max_epochs: Passes over the rows.
    """

    batch_size: int
    max_epochs: int


def budget(rows: int, batch_size: int | str, max_epochs: int | str) -> Budget:
    """Resolve `auto`: 128 rows a step, more from 25,600 rows on; about 600 steps, within 5 to 300 passes."""
    if isinstance(batch_size, str):
        batch_size = min(max(_SMALL_BATCH, rows // _BATCHES), _LARGE_BATCH)
    batch_size = min(int(batch_size), rows)
    if isinstance(max_epochs, str):
        max_epochs = min(max(_STEPS // -(-rows // batch_size), _FEWEST_EPOCHS), _MOST_EPOCHS)
    return Budget(batch_size, int(max_epochs))


def network(parameters: dict[str, Any], features: int) -> Autoencoder:
    """The autoencoder for tables of this many features, its weights from torch's global generator."""
    shared = {
        "code": int(parameters["n_components"]),
        "hidden": _widths(parameters["hidden_layer_sizes"]),
        "activation": _torch_name(parameters["activation"]),
        "output": "sigmoid" if loss_name(parameters) == "cross_entropy" else "linear",
    }
    if parameters["tied"]:
        return tied(features, **shared)
    return mlp(features, decoder_activation=_torch_name(parameters["decoder_activation"]), **shared)


def objective(parameters: dict[str, Any]) -> Objective:
    """What is minimised."""
    given: Any = parameters["objective"]
    # where the weight is found, any first one does
    weight, alpha = 1.0 if finds_weight(parameters) else parameters["weight"], float(parameters["alpha"])
    if isinstance(given, Objective):
        return given
    loss = LOSSES[loss_name(parameters)]
    if isinstance(given, str):
        record = OBJECTIVES[given]
        made = record.make(float(record.default or 0.0) if record.weight_name == "noise" else float(weight), loss=loss)
    else:
        made = Objective("custom", loss, terms=(Term("custom", float(weight), given),))
    noise = parameters["noise"]
    if noise is not None:
        made = replace(made, corruption=noise if callable(noise) else Gaussian(float(noise)) if noise > 0 else None)
    return replace(made, weight_decay=made.weight_decay + alpha)


def optimizer(parameters: dict[str, Any]) -> Callable[[Iterable[nn.Parameter]], torch.optim.Optimizer]:
    """Makes the optimiser from the parameters of a network."""
    make, rate = SOLVERS[parameters["solver"]], float(parameters["learning_rate_init"])
    return lambda weights: make(weights, rate)


def schedule(parameters: dict[str, Any]) -> str | None:
    """The learning-rate schedule as `fit` takes it."""
    return None if parameters["learning_rate"] == "constant" else parameters["learning_rate"]


def loss_name(parameters: dict[str, Any]) -> str:
    """Resolve `auto`: the cross-entropy for features scaled to [0, 1], else the squared error."""
    name = parameters["loss"]
    if name == "auto":
        return "cross_entropy" if parameters["scale"] == "minmax" else "squared_error"
    return name


def finds_weight(parameters: dict[str, Any]) -> bool:
    """Whether the weight is found in training by its error increase."""
    return isinstance(parameters["weight"], str) and parameters["weight"] == "auto"


def check(parameters: dict[str, Any]) -> None:
    """Refuse what cannot be trained with, before any work is done.

    Raises:
        ValueError: A value out of its range or not among the names known.
        TypeError: A value of the wrong kind.
    """
    _check_choices(parameters)
    _check_numbers(parameters)
    given = parameters["objective"]
    if not callable(given) and not isinstance(given, Objective) and given not in OBJECTIVES:
        raise ValueError(
            f"objective must be one of {', '.join(OBJECTIVES)}, a penalty function or an Objective, got {given!r}."
            " Choose one of them."
        )
    if loss_name(parameters) == "cross_entropy" and parameters["scale"] not in ("minmax", "none", None):
        raise ValueError(
            f"loss must be squared_error with scale={parameters['scale']!r}, got cross_entropy."
            " Take scale='minmax', which puts the features into [0, 1]."
        )
    if finds_weight(parameters):
        _check_auto(parameters)
    noise = parameters["noise"]
    if not (noise is None or callable(noise) or (_is_real(noise) and noise >= 0)):
        raise ValueError(f"noise must be a sigma of at least 0, a corruption or None, got {noise!r}. Leave it out.")


def _check_auto(parameters: dict[str, Any]) -> None:
    for name, reason in (
        ("early_stopping", "its totals under changing weights cannot be compared"),
        ("warm_start", "the search begins with a fresh network"),
    ):
        if parameters[name]:
            raise ValueError(f"{name} must be False with weight='auto', got True: {reason}. Set a weight instead.")
    given = parameters["objective"]
    if isinstance(given, Objective):
        name, searched = given.name, bool(given.terms)
    else:
        name, searched = given, not isinstance(given, str) or OBJECTIVES[given].searched
    if not searched:
        raise ValueError(f"objective must have a weight to find with weight='auto', got {name!r}. Set weight=0.1.")


def _check_choices(parameters: dict[str, Any]) -> None:
    choices = {
        "activation": [*ACTIVATIONS, "logistic", "identity"],
        "decoder_activation": [*ACTIVATIONS, "logistic", "identity"],
        "loss": ["auto", *LOSSES],
        "solver": [*SOLVERS],
        "learning_rate": [*SCHEDULES],
        "scale": [*SCALES, None],
        "device": [*DEVICES],
        "tied": [True, False],
        "early_stopping": [True, False],
        "warm_start": [True, False],
    }
    for name, known in choices.items():
        value = parameters[name]
        if not any(value is choice or (isinstance(choice, str | bool) and value == choice) for choice in known):
            listed = ", ".join(str(choice) for choice in known)
            raise ValueError(f"{name} must be one of {listed}, got {value!r}. Choose one of them.")


def _check_numbers(parameters: dict[str, Any]) -> None:
    for name in ("n_components", "n_iter_no_change", "max_epochs", "batch_size"):
        _check_count(name, parameters[name], auto=name in ("max_epochs", "batch_size"))
    for size in _widths(parameters["hidden_layer_sizes"]):
        _check_count("hidden_layer_sizes", size)
    for name in ("weight", "alpha"):
        value = parameters[name]
        if not (_is_real(value) and 0 <= value < float("inf")) and not (name == "weight" and finds_weight(parameters)):
            rule = "'auto' or a finite number" if name == "weight" else "a finite number"
            raise ValueError(f"{name} must be {rule} of at least 0, got {value!r}. 0 turns it off.")
    allowed = parameters["max_error_increase"]
    if not _is_real(allowed) or not 0 < allowed < float("inf"):
        raise ValueError(f"max_error_increase must be above 0 and finite, got {allowed!r}. 0.1 allows 10 % more error.")
    rate, fraction = parameters["learning_rate_init"], parameters["validation_fraction"]
    if not _is_real(rate) or not 0 < rate < float("inf"):
        raise ValueError(f"learning_rate_init must be above 0 and finite, got {rate!r}. Try 3e-3.")
    if not _is_real(fraction) or not 0 < fraction < 1:
        raise ValueError(f"validation_fraction must lie strictly between 0 and 1, got {fraction!r}. Try 0.1.")


def _check_count(name: str, value: Any, *, auto: bool = False) -> None:
    if auto and isinstance(value, str) and value == "auto":
        return
    if not isinstance(value, Integral) or isinstance(value, bool) or value < 1:
        rule = "'auto' or a whole number above 0" if auto else "a whole number above 0"
        raise ValueError(f"{name} must be {rule}, got {value!r}. Leave it out for the default.")


def _widths(sizes: Any) -> list[int]:
    if isinstance(sizes, Integral):
        sizes = [sizes]
    if isinstance(sizes, str) or not isinstance(sizes, Iterable):
        raise TypeError(f"hidden_layer_sizes must be a tuple of whole numbers, got {sizes!r}. For instance (128, 64).")
    return [int(size) if isinstance(size, Integral) else size for size in sizes]


def _torch_name(activation: str) -> str:
    """scikit-learn calls two activations by other names."""
    return {"logistic": "sigmoid", "identity": "linear"}.get(activation, activation)


def _is_real(value: Any) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool)
