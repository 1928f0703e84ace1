"""The parameters of the estimators by scikit-learn's names, and the settings of network, objective and training."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from numbers import Integral
from typing import Any, Literal, TypeVar

import numpy as np
import torch
from sklearn.base import BaseEstimator
from torch import nn

from contractive import training
from contractive.core.errors import InvalidValue
from contractive.core.settings import check_settings, checked, setting
from contractive.estimators._scaling import Scale
from contractive.models import Autoencoder, NetworkSettings, half_of
from contractive.objectives import DEFAULT_OBJECTIVE, LOSSES, OBJECTIVES, Gaussian, Objective, ObjectiveSettings, Term
from contractive.training import (
    Device,
    ScheduleName,
    Start,
    TrainingSettings,
    WarmCosine,
    against_components,
    chosen_start,
    from_components,
    principal_components,
)

S = TypeVar("S", NetworkSettings, TrainingSettings)
SOLVERS: dict[str, Callable[[Iterable[nn.Parameter], float], torch.optim.Optimizer]] = {
    "adam": lambda parameters, rate: torch.optim.Adam(parameters, rate, fused=True),
    "sgd": lambda parameters, rate: torch.optim.SGD(parameters, rate, momentum=0.9),
}
_SKLEARN_ACTIVATIONS = {"logistic": "sigmoid", "identity": "linear"}
# of the settings; scikit-learn calls them otherwise
_NAMES = {
    "code": "n_components",
    "hidden": "hidden_layer_sizes",
    "learning_rate": "learning_rate_init",
    "schedule": "learning_rate",
    "patience": "n_iter_no_change",
}
_RATE = 3e-3
_WEIGHT_OF_FUNCTION = 0.1  # of a penalty that is a function, where none is given
_MOST_EPOCHS = 300


def budget(rows: int, batch_size: int | None = None, max_epochs: int | None = None) -> TrainingSettings:
    """Return batch size and epochs of an estimator for a table of so many rows, the rest of the settings as default.

    Args:
        rows: Training rows.
        batch_size: As in `training.budget`.
        max_epochs: Passes over the rows; None for about 600 steps, within 5 to 300 passes.
    """
    size, epochs = training.budget(rows, batch_size, most_epochs=_MOST_EPOCHS)
    return TrainingSettings(batch_size=size, max_epochs=max_epochs or epochs)


@dataclass(kw_only=True, eq=False, repr=False)
class Parameters(BaseEstimator):
    """The parameters of `ContractiveAutoencoder`, described there, and the settings that they stand for."""

    n_components: int | Literal["auto"] | None = None
    hidden_layer_sizes: Any = "auto"
    objective: Any = DEFAULT_OBJECTIVE
    weight: float | Literal["auto"] | None = None
    max_error_increase: float = setting(0.1, "Allowed relative increase of the reconstruction error.", positive=True)
    start: Start = "auto"
    activation: str = "auto"
    decoder_activation: str = "auto"
    tied: bool = False
    center: Any = "auto"
    noise: Any = None
    loss: Literal["auto", "squared_error", "cross_entropy"] = "auto"
    solver: Literal["adam", "sgd"] = "adam"
    learning_rate: ScheduleName = "cosine"
    learning_rate_init: float | Literal["auto"] = "auto"
    alpha: float = setting(0.0, "Factor of the sum of squared weights.", least=0)
    max_epochs: int | Literal["auto"] = "auto"
    batch_size: int | Literal["auto"] = "auto"
    early_stopping: bool = False
    validation_fraction: float = 0.1
    n_iter_no_change: int = 10
    scale: Scale | None = "auto"
    device: Device = "cpu"
    random_state: Any = None
    verbose: Any = False
    warm_start: bool = False

    @property
    def _has_auto_weight(self) -> bool:
        """True if the weight is found in training."""
        return isinstance(self.weight, str) and self.weight == "auto"

    @property
    def _number(self) -> float:
        """The weight that is given; None is that of the objective's record."""
        if self.weight is not None:
            return float(self.weight)
        return OBJECTIVES[self.objective].weight if isinstance(self.objective, str) else _WEIGHT_OF_FUNCTION

    @property
    def _loss_name(self) -> str:
        """The loss; `auto` is the cross-entropy for features scaled to [0, 1], else the squared error."""
        return {"minmax": "cross_entropy"}.get(str(self.scale), "squared_error") if self.loss == "auto" else self.loss

    @property
    def _begins_as_components(self) -> bool:
        """True for a residual network that begins as principal components."""
        if self.start != "auto":
            return self.start == "pca"
        return self.solver == "adam" and chosen_start("auto", *self._asked()) == "pca"

    def _asked(self) -> tuple[NetworkSettings, Objective, TrainingSettings]:
        """What is asked for, without what follows from the start."""
        patience = self.n_iter_no_change if self.early_stopping else None
        asked = _made(TrainingSettings, schedule=self.learning_rate, patience=patience)
        return self._network(), self._made_objective(), asked

    def _against_components(self) -> str:
        """Name the parameter that asks for another network, or another training, than one from components on."""
        if self.solver != "adam":
            return "solver"
        found = against_components(*self._asked())
        if found == "objective" and (self.alpha or self.noise is not None):
            return "alpha" if self.alpha else "noise"
        return {"model": "tied", "patience": "early_stopping"}.get(found, _NAMES.get(found, found))

    def _components(self, rows: torch.Tensor) -> int:
        """Numbers per code for scaled rows (rows, features)."""
        if self.n_components == "auto":
            return principal_components(rows, 1).number()
        return self.n_components or half_of(rows.shape[1])

    def _build(self, rows: torch.Tensor) -> Autoencoder:
        """Build the network for scaled rows (rows, features) with fresh weights."""
        features = rows.shape[1]
        settings = self._network(self._components(rows))
        if self._begins_as_components:
            settings, _ = from_components(settings, TrainingSettings(), 1)
        elif settings.hidden is None:
            settings = replace(settings, hidden=())
        return settings.completed(features=features, unit_range=self._loss_name == "cross_entropy").build(features)

    def _network(self, code: int = 1) -> NetworkSettings:
        """The choices of the network; None is for what suits the start."""

        def given(name: str) -> Any:
            value = getattr(self, name)
            return None if isinstance(value, str) and value == "auto" else _SKLEARN_ACTIVATIONS.get(str(value), value)

        sizes = self.hidden_layer_sizes
        return _made(
            NetworkSettings,
            model="tied" if self.tied else "mlp",
            hidden=None if isinstance(sizes, str) and sizes == "auto" else widths_of(sizes),
            code=code,
            activation=given("activation"),
            decoder_activation=given("decoder_activation"),
            center=given("center"),
        )

    def _training(self, rows: int, epochs: int | None = None) -> TrainingSettings:
        """Settings for so many rows; with a number of epochs these, at a constant rate."""
        given = _made(
            TrainingSettings,
            batch_size=None if self.batch_size == "auto" else self.batch_size,
            max_epochs=epochs or (None if self.max_epochs == "auto" else self.max_epochs),
            learning_rate=self._rate,
            schedule="constant" if epochs else self.learning_rate,
            patience=self.n_iter_no_change,
            device=self.device,
        )
        done = budget(rows, given.batch_size, given.max_epochs)
        return replace(given, batch_size=done.batch_size, max_epochs=done.max_epochs)

    @property
    def _rate(self) -> float:
        """The learning rate from random weights on."""
        return _RATE if self.learning_rate_init == "auto" else self.learning_rate_init

    def _warm_cosine(self, rows: int) -> WarmCosine:
        """How a network is trained from its principal components on."""
        self._training(rows)  # refuses what is out of range
        given: tuple[Any, Any, Any] = self.batch_size, self.max_epochs, self.learning_rate_init
        return WarmCosine.of(rows, *(None if value == "auto" else value for value in given))

    def _made_objective(self) -> Objective:
        """The objective; a weight that is to be found is 1."""
        given: Any = self.objective
        if isinstance(given, Objective):
            return given
        weight = 1.0 if self._has_auto_weight else self._number
        if isinstance(given, str):
            number = weight if OBJECTIVES[given].weight_name == "weight" else None  # `noise` below
            made = ObjectiveSettings(given, number, self._loss_name).make()  # pyright: ignore[reportArgumentType]
        else:
            made = Objective("custom", LOSSES[self._loss_name], terms=(Term("custom", weight, given),))
        if self.noise is not None:
            corruption = self.noise if callable(self.noise) else Gaussian(float(self.noise)) if self.noise > 0 else None
            made = replace(made, corruption=corruption)
        return replace(made, weight_decay=made.weight_decay + float(self.alpha))

    def _decides_instead(self) -> str:
        """Say what decides where a given weight would have no effect; nothing where it is the factor of a penalty."""
        if isinstance(self.objective, Objective):
            return "It has its own weights."
        name = "weight" if callable(self.objective) else OBJECTIVES[self.objective].weight_name
        return {"weight": "", "noise": "Set `noise`, its sigma.", "": "It has no penalty."}[name]

    def _given_weight(self) -> float:
        """The factor of the (first) penalty, where it is given; 0 without a penalty."""
        given: Any = self.objective
        if isinstance(given, Objective):
            return given.terms[0].weight if given.terms else given.weight_decay
        return self._number if callable(given) or OBJECTIVES[given].weight_name == "weight" else 0.0

    def _check_parameters(self) -> None:
        """Refuse what cannot be trained with, before any work is done."""
        given: Any = self.objective
        if not callable(given) and given not in OBJECTIVES:
            rule = f"be one of {', '.join(OBJECTIVES)}, a penalty function or an Objective"
            raise InvalidValue("objective", rule, repr(given), "Choose one of them.")
        check_settings(replace(self))  # a copy: numbers of numpy stay what they are in the parameters
        if self.n_components not in (None, "auto"):
            checked("n_components", self.n_components, int, least=1)
        if not self._has_auto_weight and self.weight is not None:
            checked("weight", self.weight, float, least=0)
            if remedy := self._decides_instead():
                name = given.name if isinstance(given, Objective) else given
                raise InvalidValue("weight", f"be None with the objective {name}", self.weight, remedy)
        if self.noise is not None and not callable(self.noise):
            checked("noise", self.noise, float, least=0)
        if not 0 < self.validation_fraction < 1:
            rule = "lie strictly between 0 and 1"
            raise InvalidValue("validation_fraction", rule, self.validation_fraction, "Try 0.1.")
        if self._loss_name == "cross_entropy" and self.scale not in ("minmax", "none", None):
            rule = f"be squared_error with scale={self.scale!r}"
            raise InvalidValue("loss", rule, "cross_entropy", "Or take scale='minmax', for features in [0, 1].")
        self._network()
        self._training(1)
        against = self._against_components() if self.start == "pca" else ""
        if against:
            got = f"start='pca' and {against}={getattr(self, against)!r}"
            rule = "be random, or all else suit principal components"
            raise InvalidValue("start", rule, got, "Leave one of them out.")
        if not self._has_auto_weight:
            return
        for name, reason in (
            ("early_stopping", "its totals under changing weights cannot be compared"),
            ("warm_start", "the search begins with a fresh network"),
        ):
            if getattr(self, name):
                raise InvalidValue(name, "be False with weight='auto'", f"True: {reason}", "Set a weight instead.")
        whole = isinstance(given, Objective)
        if not (given.terms if whole else callable(given) or OBJECTIVES[given].searched):
            got = repr(given.name if whole else given)
            raise InvalidValue("objective", "have a weight to find with weight='auto'", got, "Set weight=0.1.")


def widths_of(sizes: Any) -> tuple[int, ...]:
    """Return `hidden_layer_sizes`, which may also be one number, a list or an array, as a tuple."""
    given = (sizes,) if isinstance(sizes, Integral) else tuple(sizes) if isinstance(sizes, np.ndarray) else sizes
    return checked("hidden_layer_sizes", given, tuple[int, ...], least=1)


def _made(kind: type[S], **given: Any) -> S:
    """Make settings whose errors name the parameters of the estimators."""
    try:
        return kind(**given)
    except InvalidValue as error:
        name = _NAMES.get(error.field, error.field)
        raise type(error)(name, error.rule, error.got, error.remedy) from None
