"""What both estimators share: check the table, scale it, hand it to `training.fit`, run the network on new rows."""

import copy
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import torch
from sklearn.base import BaseEstimator
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import train_test_split
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted, validate_data

from contractive.analysis import apply, reconstruction, spread_rows
from contractive.estimators import _saving, _settings
from contractive.estimators._scaling import Scaling, learn
from contractive.estimators._weights import rows_that_count
from contractive.models import Autoencoder
from contractive.objectives import cross_entropy
from contractive.training import History, fit, fit_with_max_error_increase

if TYPE_CHECKING:
    from pandas import DataFrame

_FLOATS = [np.float64, np.float32]
_JUDGED_ROWS = 10_000


class ContractiveEstimator(BaseEstimator):
    """Base of the estimators; their parameters are told there."""

    autoencoder_: Autoencoder
    n_features_in_: int
    n_iter_: int
    reconstruction_error_: float
    weight_: float
    _scaling: Scaling
    _mean: np.ndarray
    _history: tuple[dict[str, float], ...]

    @property
    def n_components_(self) -> int:
        """Numbers per code."""
        check_is_fitted(self, "autoencoder_")
        return self._n_features_out

    @property
    def history_(self) -> "DataFrame":
        """One row per epoch of training, as `contractive.History` has them.

        Raises:
            NotFittedError: Before `fit`.
        """
        if not hasattr(self, "_history"):
            raise NotFittedError(f"{type(self).__name__} must be fitted first, got no history. Call fit.")
        from pandas import DataFrame

        return DataFrame([*self._history])

    def score_samples(self, X: Any) -> np.ndarray:
        """Negative reconstruction error per row, shape (rows,): higher is more normal.

        -||r(z) - z||^2, summed over features, z the row scaled as in training: no feature dominates by its unit.
        """
        return self._scores(self._scaled(X))

    def score(self, X: Any, y: Any = None) -> float:
        """Share of the variance that is reconstructed: 1 is perfect, 0 no better than the mean of the training rows.

        Both in the scaled units of training, so that every feature counts. Reconstruction alone: more codes and less
        penalty always look better; to choose the weight, score what the codes are for (see the guide).
        """
        z = self._scaled(X)
        error = -self._scores(z).sum()
        variance = np.square(z - self._mean).sum()
        return float(1 - error / variance) if variance > 0 else 0.0

    def save(self, folder: str | Path) -> None:
        """Save the fitted estimator into a folder: safetensors and JSON, nothing pickled.

        `contractive.load` reads the autoencoder alone from the same folder.

        Raises:
            NotFittedError: Before `fit`.
            StorageError: A parameter that JSON cannot hold: a penalty, noise or random state that is an object.
        """
        check_is_fitted(self, "autoencoder_")
        _saving.save(self, folder)

    @classmethod
    def load(cls, folder: str | Path) -> Self:
        """Load an estimator saved by `save`; running it on the same rows gives the same numbers.

        Raises:
            StorageError: A missing, broken or changed file, another kind of estimator, a newer format.
        """
        return _saving.load(cls, folder)

    @property
    def _n_features_out(self) -> int:
        recipe = self.autoencoder_.recipe
        assert recipe is not None  # built by `_settings.network`
        return recipe.arguments["code"]

    def _check_parameters(self) -> None:
        _settings.check(self.get_params(deep=False))

    def _train(
        self, X: Any, sample_weight: Any, *, keep: bool, epochs: int | None = None
    ) -> tuple[np.ndarray, np.ndarray | None]:
        """Fit network and scaling, or with `keep` train on from the present ones; rows that count, their weights."""
        self._check_parameters()
        settings: dict[str, Any] = self.get_params(deep=False)
        keep = keep and hasattr(self, "autoencoder_")
        x: Any = validate_data(self, X, dtype=_FLOATS, ensure_min_samples=2, reset=not keep)
        x, weights = rows_that_count(x, sample_weight)
        seed = int(check_random_state(settings["random_state"]).randint(2**31 - 1))
        trusted = self._trusted(x, weights, keep)
        kept, kept_weights, held_out = _held_out(
            x[trusted], None if weights is None else weights[trusted], settings, seed, epochs
        )
        net = self.autoencoder_ if keep else self._begin(kept, kept_weights, settings, seed)
        self._fit_network(net, self._scaling.single(kept), kept_weights, held_out, settings, seed, epochs)
        self.autoencoder_ = net
        return x, weights

    def _trusted(self, x: np.ndarray, weights: np.ndarray | None, keep: bool) -> Any:
        """Which rows of x to train on: an index into them."""
        return slice(None)

    def _begin(self, x: np.ndarray, weights: np.ndarray | None, settings: dict[str, Any], seed: int) -> Autoencoder:
        self.__dict__.pop("autoencoder_", None)  # should training fail, nothing half-trained is left that looks fitted
        self._scaling = learn(settings["scale"], x, weights)
        centred = settings["scale"] in ("standard", "common")  # by the mean, which need not be taken again
        self._mean = np.zeros(x.shape[1]) if centred else self._scaling.mean(x, weights)
        self._history, self.n_iter_ = (), 0
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            return _settings.network(settings, x.shape[1])

    def _fit_network(
        self,
        net: Autoencoder,
        z: np.ndarray,
        weights: np.ndarray | None,
        held_out: np.ndarray | None,
        settings: dict[str, Any],
        seed: int,
        epochs: int | None,
    ) -> None:
        budget = _settings.budget(len(z), settings["batch_size"], epochs or settings["max_epochs"])
        rows = torch.from_numpy(z)
        objective = _settings.objective(settings)
        if self.n_iter_ and objective.loss is cross_entropy:
            _check_range(z)
        auto = _settings.finds_weight(settings)
        ends: dict[str, Any] = {"max_error_increase": settings["max_error_increase"]} if auto else {}
        if held_out is not None and not auto:
            ends["patience"] = settings["n_iter_no_change"]
        train: Callable[..., History] = fit_with_max_error_increase if auto else fit
        history = train(
            net,
            rows,
            objective,
            validation=None if held_out is None else self._validation(held_out, settings),
            sample_weight=weights,
            max_epochs=budget.max_epochs,
            batch_size=budget.batch_size,
            optimizer=_settings.optimizer(settings),
            schedule=None if epochs else _settings.schedule(settings),
            seed=seed,
            device=settings["device"],
            progress=bool(settings["verbose"]),
            **ends,
        )
        past = self.n_iter_
        self._history += tuple({**row, "epoch": past + row["epoch"]} for row in history.rows)
        self.n_iter_ = past + len(history.rows)
        given = objective.terms[0].weight if objective.terms else 0.0
        self.weight_ = float(history.rows[-1]["weight"]) if auto else given
        self.reconstruction_error_ = _error(net, rows, weights)

    def _validation(self, x: np.ndarray, settings: dict[str, Any]) -> np.ndarray:
        z = self._scaling.single(x)
        # a held-out row may lie beyond the range of the training rows, where the cross-entropy has no value
        return z.clip(0, 1) if _settings.loss_name(settings) == "cross_entropy" else z

    def _scores(self, z: np.ndarray) -> np.ndarray:
        return -np.square(self._run("forward", z) - z).sum(1)

    def _new_rows(self, X: Any) -> np.ndarray:
        check_is_fitted(self, "autoencoder_")
        rows: Any = validate_data(self, X, dtype=_FLOATS, reset=False)
        return rows

    def _scaled(self, X: Any) -> np.ndarray:
        rows = self._new_rows(X)
        return self._scaling.apply(rows)

    def _run(self, method: str, rows: np.ndarray) -> np.ndarray:
        """One of the autoencoder's maps in the precision of the rows: single after double would tell rows apart."""
        x = torch.from_numpy(np.require(rows, requirements=["C", "W"]))  # torch warns of an array it could not write
        net = self.autoencoder_
        if x.dtype != torch.float32:
            net = copy.deepcopy(net).to(x.dtype)
        return apply(getattr(net, method), x).numpy()


def _check_range(z: np.ndarray) -> None:
    """Refuse further rows on which the cross-entropy has no value: the scaling is that of the first ones."""
    if z.min() < 0 or z.max() > 1:
        raise ValueError(
            "X must lie within the range of the rows the scaling was learned from for the cross-entropy, got scaled"
            f" numbers from {z.min():.3g} to {z.max():.3g}. Set loss='squared_error', or begin with rows that span it."
        )


def _held_out(
    x: np.ndarray, weights: np.ndarray | None, settings: dict[str, Any], seed: int, epochs: int | None
) -> tuple[np.ndarray, np.ndarray | None, np.ndarray | None]:
    """Rows to train on, their weights, and the rows held out where something is judged on them."""
    if epochs is not None or not (settings["early_stopping"] or _settings.finds_weight(settings)):
        return x, weights, None
    train, held = train_test_split(np.arange(len(x)), test_size=settings["validation_fraction"], random_state=seed)
    return x[train], None if weights is None else weights[train], x[held]


def _error(net: Autoencoder, rows: torch.Tensor, weights: np.ndarray | None) -> float:
    errors = reconstruction(net, spread_rows(rows, _JUDGED_ROWS)).errors
    if weights is None:
        return float(errors.mean())
    return float(np.average(errors.numpy(), weights=spread_rows(torch.from_numpy(weights), _JUDGED_ROWS).numpy()))
