"""What the autoencoder and the detector share: check and scale the table, train, run the network on new rows."""

import copy
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import torch
from scipy.sparse import issparse
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import train_test_split
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted, validate_data
from torch import nn

from contractive import training
from contractive.analysis import apply, reconstruction, spread_rows
from contractive.core.errors import LARGEST_NUMBER, InvalidValue
from contractive.core.randomness import global_randomness
from contractive.estimators import _saving
from contractive.estimators._parameters import SOLVERS, Parameters
from contractive.estimators._scaling import Scaling, learn, rows_that_count
from contractive.models import Autoencoder, StorageError
from contractive.objectives import Objective, cross_entropy

if TYPE_CHECKING:
    from pandas import DataFrame

FLOATS: Any = [np.float64, np.float32]
ROWS: Any = {"dtype": FLOATS, "accept_sparse": "csr"}  # of `validate_data`
_JUDGED_ROWS = 10_000


def dense(rows: Any, given: Any) -> np.ndarray:
    """Return a sparse matrix as an array: scaling moves its zeros, and the network takes all features of a row.

    Args:
        rows: As `validate_data` returns them.
        given: What they were made from; it may have a mask, which scikit-learn drops.

    Raises:
        InvalidValue: Masked values, or numbers whose squares would be infinite.
    """
    if np.ma.is_masked(given):
        got = f"{np.ma.count_masked(given)} of them"
        raise InvalidValue("X", "hold no masked values", got, "Leave these rows out, or fill them, X.filled(0).")
    rows = rows.toarray() if issparse(rows) else rows
    if rows.size and (largest := max(float(rows.max()), -float(rows.min()))) > LARGEST_NUMBER:
        raise InvalidValue("X", f"hold numbers of at most {LARGEST_NUMBER:.0e}", f"{largest:.3g}", "Change their unit.")
    return rows


class ContractiveEstimator(Parameters):
    """Shared implementation; see the subclasses for parameters and attributes."""

    autoencoder_: Autoencoder
    n_features_in_: int
    n_iter_: int
    reconstruction_error_: float
    weight_: float
    error_increase_: float | None
    _scaling: Scaling
    _mean: np.ndarray
    _history: tuple[dict[str, int | float], ...]

    @property
    def n_components_(self) -> int:
        """Numbers per code."""
        check_is_fitted(self, "autoencoder_")
        recipe: Any = self.autoencoder_.recipe  # made by a builder
        return recipe.arguments["code"]

    @property
    def history_(self) -> "DataFrame":
        """One row per epoch of training, as `contractive.History` has them."""
        if not hasattr(self, "_history"):
            raise NotFittedError(f"{type(self).__name__} must be fitted first, got no history. Call fit.")
        from pandas import DataFrame

        return DataFrame([*self._history])

    def score_samples(self, X: Any) -> np.ndarray:
        """Return the negative reconstruction error per row, shape (rows,): higher is more normal.

        -||r(z) - z||^2, summed over features, z the row scaled as in training: no feature dominates by its unit.
        """
        return self._scores(self._scaled(X))

    def score(self, X: Any, y: Any = None) -> float:
        """Return the share of the variance that is reconstructed: 1 is perfect, 0 no better than the training mean.

        Both in the scaled units of training, so that every feature counts. Reconstruction alone: more codes and less
        penalty always look better; to choose the weight, score what the codes are for (see the guide).
        """
        z = self._scaled(X)
        error = -self._scores(z).sum()
        variance = np.square(z - self._mean).sum()
        return float(1 - error / variance) if variance > 0 else 0.0

    def save(self, folder: str | Path) -> None:
        """Save the fitted estimator into a folder, from which `contractive.load` reads the autoencoder alone.

        Raises:
            StorageError: A parameter that JSON cannot hold: an objective, noise or random state that is an object.
        """
        check_is_fitted(self, "autoencoder_")
        _saving.write(folder, self)

    @classmethod
    def load(cls, folder: str | Path) -> Self:
        """Load an estimator saved by `save`; running it on the same rows gives the same numbers.

        `ContractiveEstimator.load` takes an autoencoder as well as a detector.

        Raises:
            StorageError: A missing, broken or changed file, another class, another version of the format.
        """
        found = _saving.read(folder, [cls, *cls.__subclasses__()])
        try:
            check_random_state(found.random_state)
            found._check_parameters()
        except ValueError as error:
            raise StorageError(f"parameters in {folder} must be valid, got: {error}") from error
        return found

    @property
    def scaling_(self) -> Scaling:
        """From the user's units to those of the network and back."""
        check_is_fitted(self, "autoencoder_")
        return self._scaling

    def parts(self) -> dict[str, nn.Module]:
        """Return what can be exported, by name: `encoder`, `decoder` and `autoencoder`, on scaled rows."""
        check_is_fitted(self, "autoencoder_")
        net = self.autoencoder_
        return {"encoder": net.encoder, "decoder": net.decoder, "autoencoder": net}

    def __sklearn_tags__(self) -> Any:
        tags: Any = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags

    @property
    def _n_features_out(self) -> int:
        return self.n_components_

    def _train(
        self, X: Any, sample_weight: Any, *, keep: bool, epochs: int | None = None
    ) -> tuple[np.ndarray, np.ndarray | None]:
        """Fit scaling and network, or with `keep` train on from the present ones; return rows that count and weights.

        With a number of epochs so many are trained, at a constant rate and on all rows.
        """
        self._check_parameters()
        keep = keep and hasattr(self, "autoencoder_")
        x = dense(validate_data(self, X, **ROWS, ensure_min_samples=2, reset=not keep), X)
        x, weights = rows_that_count(x, sample_weight)
        seed = int(check_random_state(self.random_state).randint(2**31 - 1))
        chosen: Any = slice(None)
        held_out = None
        from_components = self._begins_as_components
        if epochs is None and not from_components and (self.early_stopping or self._has_auto_weight):
            every = np.arange(len(x))[chosen]
            chosen, held = train_test_split(every, test_size=self.validation_fraction, random_state=seed)
            held_out = x[held]
        rows, row_weights = x[chosen], None if weights is None else weights[chosen]
        net = self.autoencoder_ if keep else self._begin(rows, row_weights, seed)
        z, objective = self._scaling.single(rows), self._made_objective()
        if self.n_iter_ and objective.loss is cross_entropy and (z.min() < 0 or z.max() > 1):
            rule = "lie within the range of the rows the scaling was learned from for the cross-entropy"
            remedy = "Set loss='squared_error', or begin with rows that span it."
            raise InvalidValue("X", rule, f"scaled numbers from {z.min():.3g} to {z.max():.3g}", remedy)
        options: Any = {
            **self._training(len(z), epochs).options(),
            "seed": seed,
            "sample_weight": row_weights,
            "optimizer": lambda parameters: SOLVERS[self.solver](parameters, float(self._rate)),
            "progress": bool(self.verbose),
        }
        if held_out is None or self._has_auto_weight:
            options["patience"] = None
        if held_out is not None:
            held_out = self._scaling.single(held_out)
            # a held-out row may lie beyond the range of the training rows, where the cross-entropy has no value
            options["validation"] = held_out.clip(0, 1) if self._loss_name == "cross_entropy" else held_out
        train: Any = training.fit
        if self._has_auto_weight:
            train, options["max_error_increase"] = training.fit_with_max_error_increase, self.max_error_increase
        rows = torch.from_numpy(z)
        if from_components:
            found = self._fit_from_components(net, rows, row_weights, objective, seed, keep=keep, epochs=epochs)
        else:
            found = train(net, rows, objective, **options).rows
            self.weight_ = float(found[-1]["weight"] if self._has_auto_weight else self._given_weight())
            self.error_increase_ = found[-1].get("error_increase")
        self._history += tuple({**row, "epoch": self.n_iter_ + row["epoch"]} for row in found)
        self.n_iter_ += len(found)
        errors = reconstruction(net, spread_rows(rows, _JUDGED_ROWS)).errors
        judged = None if row_weights is None else spread_rows(torch.from_numpy(row_weights), _JUDGED_ROWS)
        self.reconstruction_error_ = float(errors.mean() if judged is None else np.average(errors, weights=judged))
        self.autoencoder_ = net
        return x, weights

    def _fit_from_components(
        self,
        net: Autoencoder,
        rows: torch.Tensor,
        weights: np.ndarray | None,
        objective: Objective,
        seed: int,
        *,
        keep: bool,
        epochs: int | None,
    ) -> tuple[Mapping[str, float], ...]:
        """Train a residual network and return the history's rows; sets `weight_` and `error_increase_`."""
        shared: Any = {"seed": seed, "device": self.device, "progress": bool(self.verbose)}
        shared["sample_weight"] = None if weights is None else torch.from_numpy(weights)
        schedule = self._warm_cosine(len(rows))
        self.weight_, self.error_increase_ = self._given_weight() if not self._has_auto_weight else 0.0, None
        if keep or epochs is not None:
            return training.continue_from_components(
                net, rows, objective, schedule, begin=not keep, epochs=epochs, **shared
            ).rows
        allowed = float(self.max_error_increase) if self._has_auto_weight else None
        share = float(self.validation_fraction)
        found = training.fit_from_components(
            net, rows, objective, schedule, max_error_increase=allowed, validation_fraction=share, **shared
        )
        if allowed is not None:
            self.weight_, self.error_increase_ = found.weight, found.error_increase
        return found.history.rows

    def _begin(self, x: np.ndarray, weights: np.ndarray | None, seed: int) -> Autoencoder:
        self.__dict__.pop("autoencoder_", None)  # should training fail, nothing half-trained is left that looks fitted
        self._scaling = learn(self.scale, x, weights)
        centred = self.scale in ("auto", "standard", "common")  # by the mean, which need not be taken again
        self._mean = np.zeros(x.shape[1]) if centred else self._scaling.mean(x, weights)
        self._history, self.n_iter_ = (), 0
        with global_randomness(seed, devices=[]):
            few = x[:: -(-len(x) // _JUDGED_ROWS)]
            return self._build(torch.from_numpy(self._scaling.single(few))).float()  # whatever torch's default is

    def _scores(self, z: np.ndarray) -> np.ndarray:
        return -np.square(self._run("forward", z) - z).sum(1)

    def _new_rows(self, X: Any) -> np.ndarray:
        check_is_fitted(self, "autoencoder_")
        return dense(validate_data(self, X, **ROWS, reset=False), X)

    def _scaled(self, X: Any) -> np.ndarray:
        rows = self._new_rows(X)  # refuses before `fit`
        return self._scaling.apply(rows)

    def _run(self, method: str, rows: np.ndarray) -> np.ndarray:
        """Run one map in the precision of the rows: mixed precision would break ties between equal rows."""
        x = torch.from_numpy(np.require(rows, requirements=["C", "W"]))  # torch warns of an array it could not write
        net = self.autoencoder_
        if x.dtype != torch.float32:
            net = copy.deepcopy(net).to(x.dtype)
        return apply(getattr(net, method), x).numpy()
