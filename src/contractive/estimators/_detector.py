"""The outlier detector: rows that are unlike the others."""

from dataclasses import dataclass
from numbers import Real
from typing import Any, Literal, Self

import numpy as np
from sklearn.base import OutlierMixin, clone

from contractive.core.errors import InvalidValue
from contractive.estimators._base import ContractiveEstimator
from contractive.estimators._scaling import Scale, quantile

_FIRST_WEIGHT = 0.1  # of the first training, where the weight is to be found by its error increase in the second


@dataclass(kw_only=True, eq=False, repr=False)
class ContractiveOutlierDetector(OutlierMixin, ContractiveEstimator):
    """Find rows that a contractive autoencoder of the table reconstructs badly.

    The network, its training and the parameters are those of `ContractiveAutoencoder`; the defaults are one wide
    layer of saturating units, which cannot follow a row far from the others. Train it on normal rows where they are
    known, else on all. Features in one unit, such as pixels, want `scale="common"`.

    A network learns the outliers among its rows too, and so does the scaling. Where the training rows hold many, give
    `support_fraction=0.7`: a first, short training finds the rows that fit worst, and scaling and network are learned
    from the others: a concentration step of robust statistics (Rousseeuw and Van Driessen, 1999), with the autoencoder
    in the place of mean and covariance. Where most rows are normal it takes away rare kinds of normal.

    Args:
        contamination: Share of the training rows to call outliers, above 0 and at most 0.5. Where only normal rows
            are given: the share of false alarms you accept.
        support_fraction: Share of the training rows to learn from, above 0; 1 for all, below it those that a first
            training, a third as long, reconstructs best (with `warm_start`, the present network). Name and meaning as
            in scikit-learn's `EllipticEnvelope`.
        n_components: Numbers per code.

    All other parameters are those of `ContractiveAutoencoder`.

    Attributes:
        offset_: Score below which a row is an outlier: the `contamination` quantile over all training rows.
        support_: True for each training row that was learned from (or held out), per row of X; not saved.
        autoencoder_: As in `ContractiveAutoencoder`; so are `history_`, `weight_`, `n_iter_`,
            `n_components_`, `reconstruction_error_`, `n_features_in_` and `feature_names_in_`.

    Examples:
        >>> from sklearn.datasets import load_iris
        >>> table = load_iris().data
        >>> labels = ContractiveOutlierDetector(contamination=0.1, random_state=0).fit_predict(table)
        >>> int((labels == -1).sum())
        15
    """

    contamination: float = 0.1
    support_fraction: float = 1.0
    n_components: int | None = 128
    objective: Any = "contractive"
    weight: float | Literal["auto"] | None = None
    start: Literal["auto", "pca", "random"] = "random"
    scale: Scale | None = "standard"

    def fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> Self:
        """Learn scaling, network and `offset_`, in which `sample_weight` counts too; all else as the autoencoder's."""
        x, weights = self._train(X, sample_weight, keep=self.warm_start)
        self.offset_: float = quantile(self._scores(self._scaling.apply(x)), float(self.contamination), weights)
        counts = np.asarray(sample_weight if sample_weight is not None else 1) > 0
        if counts.ndim:  # rows of weight 0 were left out before, and have no share in it
            counts[counts] = self.support_
            self.support_ = counts
        return self

    def decision_function(self, X: Any) -> np.ndarray:
        """Return `score_samples` minus `offset_`, shape (rows,): below 0 for outliers."""
        return self.score_samples(X) - self.offset_

    def predict(self, X: Any) -> np.ndarray:
        """Return +1 for inliers and -1 for outliers, shape (rows,)."""
        return np.where(self.decision_function(X) < 0, -1, 1)

    def _trusted(self, x: np.ndarray, weights: np.ndarray | None, keep: bool) -> np.ndarray:
        self.support_: np.ndarray = np.ones(len(x), bool)
        if self.support_fraction < 1:
            judge = self if keep else self._first(x, weights)
            errors = -judge._scores(judge._scaling.apply(x))
            limit = quantile(errors, float(self.support_fraction), weights)
            # where all but a row or two weigh next to nothing, two are still needed
            self.support_ = errors <= max(limit, np.partition(errors, 1)[1])
        return self.support_

    def _first(self, x: np.ndarray, weights: np.ndarray | None) -> Self:
        """Return a detector like this one, trained on all rows for a third of the time."""
        third = -(-(self._training(len(x)).max_epochs or 1) // 3)
        weight = _FIRST_WEIGHT if self._has_auto_weight else self.weight
        first: Any = clone(self)
        first.set_params(support_fraction=1.0, max_epochs=third, early_stopping=False, weight=weight)
        first._train(x, weights, keep=False)
        return first

    def _check_parameters(self) -> None:
        for name, most, remedy in ("contamination", 0.5, "Try 0.1."), ("support_fraction", 1, "1 learns from all."):
            share: Any = getattr(self, name)
            if isinstance(share, bool) or not isinstance(share, Real) or not 0 < float(share) <= most:
                raise InvalidValue(name, f"be above 0 and at most {most}", repr(share), remedy)
        super()._check_parameters()
