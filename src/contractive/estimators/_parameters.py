"""The parameters of the estimators by scikit-learn's names, and the settings of network, objective and training."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from numbers import Integral
from typing import Any, Literal, TypeVar

import numpy as np
import torch
from sklearn.base import BaseEstimator
from torch import nn

from contractive.core.errors import InvalidValue
from contractive.core.settings import check_settings, checked, setting
from contractive.estimators._scaling import Scale
from contractive.models import Autoencoder, NetworkSettings, half_of, residual
from contractive.objectives import LOSSES, OBJECTIVES, Gaussian, Objective, ObjectiveSettings, Term, squared_error
from contractive.training import Device, ScheduleName, TrainingSettings, WarmCosine

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
_AUTO = {"hidden_layer_sizes": (), "activation": "sigmoid", "decoder_activation": "relu", "learning_rate_init": 3e-3}
_FROM_COMPONENTS = {"hidden_layer_sizes": (64,), "learning_rate_init": 1e-2}
_WEIGHTS = {"gain_weighted": 0.0}  # where none is given; of all others 0.1
_STEPS, _FEWEST_EPOCHS, _MOST_EPOCHS = 600, 5, 300
_SMALL_BATCH, _LARGE_BATCH, _BATCHES = 128, 1024, 200


def budget(rows: int, batch_size: int | None = None, max_epochs: int | None = None) -> TrainingSettings:
    """Return batch size and epochs of an estimator for a table of so many rows, the rest of the settings as default.

    Args:
        rows: Training rows.
        batch_size: Rows per step, at most all; None for 128, from 25,600 rows on a 200th of them, at most 1024.
        max_epochs: Passes over the rows; None for about 600 steps, within 5 to 300 passes.
    """
    batch_size = min(batch_size or min(max(_SMALL_BATCH, rows // _BATCHES), _LARGE_BATCH), rows)
    epochs = min(max(_STEPS // -(-rows // batch_size), _FEWEST_EPOCHS), _MOST_EPOCHS)
    return TrainingSettings(batch_size=batch_size, max_epochs=max_epochs or epochs)


@dataclass(kw_only=True, eq=False, repr=False)
class Parameters(BaseEstimator):
    """The parameters of `ContractiveAutoencoder`, described there, and the settings that they stand for."""

    n_components: int | None = setting(None, "Numbers per code.", least=1)
    hidden_layer_sizes: Any = "auto"
    objective: Any = "gain_weighted"
    weight: float | Literal["auto"] | None = None
    max_error_increase: float = setting(0.1, "Allowed relative increase of the reconstruction error.", positive=True)
    start: Literal["auto", "pca", "random"] = "auto"
    activation: str = "auto"
    decoder_activation: str = "auto"
    tied: bool = False
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
        """The weight that is given; None is the default of the objective."""
        return _WEIGHTS.get(str(self.objective), 0.1) if self.weight is None else float(self.weight)

    @property
    def _loss_name(self) -> str:
        """The loss; `auto` is the cross-entropy for features scaled to [0, 1], else the squared error."""
        return {"minmax": "cross_entropy"}.get(str(self.scale), "squared_error") if self.loss == "auto" else self.loss

    def _value(self, name: str) -> Any:
        """The value of a parameter; `auto` is what suits the start."""
        value = getattr(self, name)
        if not isinstance(value, str) or value != "auto":
            return value
        return _FROM_COMPONENTS.get(name, _AUTO[name]) if self._begins_as_components else _AUTO[name]

    @property
    def _begins_as_components(self) -> bool:
        """True for a residual network that begins as principal components."""
        if self.start != "auto":
            return self.start == "pca"
        # a penalty on the encoder alone is evaded by an unbounded code: its network is the paper's
        alone = any(term.of == "encoder" for term in self._made_objective().terms)
        return not alone and not self._against_components()

    def _against_components(self) -> str:
        """Name the parameter that asks for another network, or another training, than one from components on."""
        wanted = {"activation": "auto", "decoder_activation": "auto", "tied": False, "solver": "adam", "alpha": 0}
        wanted |= {"learning_rate": "cosine", "early_stopping": False}
        for name, value in wanted.items():
            if getattr(self, name) != value:
                return name
        sizes: Any = self.hidden_layer_sizes
        if not isinstance(sizes, str) and len(widths_of(sizes)) != 1:
            return "hidden_layer_sizes"
        made = self._made_objective()
        if made.loss is not squared_error:
            return "loss"
        plain = made.corruption is None or isinstance(made.corruption, Gaussian)
        return "objective" if made.weight_decay else "" if plain else "noise"

    def _components(self, features: int) -> int:
        """Numbers per code for so many features."""
        return self.n_components or half_of(features)

    def _build(self, features: int) -> Autoencoder:
        """Build the network with fresh weights."""
        settings = self._network(features)
        if not self._begins_as_components:
            return settings.build(features)
        (hidden,) = widths_of(self._value("hidden_layer_sizes"))
        return residual(features, code=self._components(features), hidden=hidden)

    def _network(self, features: int = 1) -> NetworkSettings:
        activation, decoder_activation = (
            _SKLEARN_ACTIVATIONS.get(str(value), value)
            for value in map(self._value, ("activation", "decoder_activation"))
        )
        return _made(
            NetworkSettings,
            model="tied" if self.tied else "mlp",
            hidden=widths_of(self._value("hidden_layer_sizes")),
            code=self._components(features),
            activation=activation,
            decoder_activation=decoder_activation,
            output="sigmoid" if self._loss_name == "cross_entropy" else "linear",
        )

    def _training(self, rows: int, epochs: int | None = None) -> TrainingSettings:
        """Settings for so many rows; with a number of epochs these, at a constant rate."""
        given = _made(
            TrainingSettings,
            batch_size=None if self.batch_size == "auto" else self.batch_size,
            max_epochs=epochs or (None if self.max_epochs == "auto" else self.max_epochs),
            learning_rate=self._value("learning_rate_init"),
            schedule="constant" if epochs else self.learning_rate,
            patience=self.n_iter_no_change,
            device=self.device,
        )
        done = budget(rows, given.batch_size, given.max_epochs)
        return replace(given, batch_size=done.batch_size, max_epochs=done.max_epochs)

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
            number = None if OBJECTIVES[given].weight_name == "noise" else weight  # `noise` below
            made = ObjectiveSettings(given, number, self._loss_name).make()  # pyright: ignore[reportArgumentType]
        else:
            made = Objective("custom", LOSSES[self._loss_name], terms=(Term("custom", weight, given),))
        if self.noise is not None:
            corruption = self.noise if callable(self.noise) else Gaussian(float(self.noise)) if self.noise > 0 else None
            made = replace(made, corruption=corruption)
        return replace(made, weight_decay=made.weight_decay + float(self.alpha))

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
        if not self._has_auto_weight and self.weight is not None:
            checked("weight", self.weight, float, least=0)
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
