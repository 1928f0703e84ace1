"""The outlier detector: rows that are unlike the others."""

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from sklearn.base import OutlierMixin
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted, validate_data
from torch import nn

from contractive.core.errors import InvalidValue, first_line
from contractive.estimators._base import ROWS, ContractiveEstimator, dense
from contractive.estimators._bounds import row_bounds
from contractive.estimators._crossfit import CrossFit
from contractive.estimators._detector_parameters import INNER_SHARE, MOST_ROWS, PARTS, DetectorParameters
from contractive.estimators._drift import Drift, drift
from contractive.estimators._folds import FEWEST_ROWS, drawn_folds, held_first, inner_rows, train_folds
from contractive.estimators._reasons import Explainer, Explanation
from contractive.estimators._saving import DetectorState, weights_of, with_weights
from contractive.estimators._scaling import fills, learn, quantile, rows_that_count
from contractive.estimators._score_module import ScoreModule
from contractive.estimators._surprise import Ranks, discoveries, promised_limit
from contractive.models import StorageError


@dataclass(kw_only=True, eq=False, repr=False)
class ContractiveOutlierDetector(OutlierMixin, DetectorParameters, ContractiveEstimator):
    """Find rows that are unlike the training rows, at a false-alarm rate that holds, and say why.

    Five contractive autoencoders are trained, each without a fifth of the rows. A row is judged by its distance to the
    nearest training row, by how much sparser its surroundings are than those of its neighbours, by the part of the
    way from its neighbours that leaves the learned manifold, by the distance to its neighbours in the contractive code,
    and by the distance to the inner rows: the 70 % that a first, short training reconstructs best, to which few
    outliers among the training rows belong. Each number becomes -log of its rank among the training rows (the last one
    among the inner rows), every one judged by the network and the neighbours of the folds without it; the score is
    their mean plus their largest. Where many features repeat each other, as in images, spectra and curves, the distance
    in the code alone is used, the weight of the penalty is chosen, and all features have one scale (`score_by`). The
    residual alone flags a row for which it is ten times rarer than the limit, which `guaranteed_bounds` rests on.

    Args:
        false_alarm_rate: Share of new normal rows that may be called outliers. A row is flagged if its p-value is at
            most this.
        false_discovery_rate: Where given, share of the rows flagged by one call of `predict` that may be normal rows
            (Benjamini and Hochberg, 1995). What `predict` says of a row then depends on the others.
        contamination: Where given, the share of the training rows to call outliers, above 0 and at most 0.5, in the
            place of a false-alarm rate.
        calibration: `cross` judges every training row by the networks without it: no row is lost, and experiments met
            the rate, but no theorem guarantees it. `split` holds rows out for calibration only, a fifth or as many as
            the rate needs: for exchangeable rows a theorem then guarantees the rate (Vovk et al., 2005).
        support_fraction: Share of the training rows to learn from, above 0 and at most 1. 1 says that all are normal.
            Below 1 it is those that a first, short training reconstructs best, for rows that hold outliers and that
            nobody has sorted; it takes away rare kinds of normal. None for all rows, some of which may be outliers, and
            for 0.7 with `contamination`. As in scikit-learn's `EllipticEnvelope`.
        score_by: `table`; `novelty` (the same without the distance to the inner rows, for training rows that are all
            normal); `structured` (the distance in the code); `trimmed` (residual and distances to neighbours, for
            training rows that hold outliers); `reconstruction` (the error alone); or `auto`: `structured` for at least
            50 features whose largest absolute correlation with another one is 0.75 in the mean or more, else by
            `support_fraction`: `novelty` for 1, `trimmed` below, `table` for None.
        impute: `mean` or `median` puts those of the training rows where a value is NaN; None refuses NaN.
        n_components: Numbers per code; `auto` as in `ContractiveAutoencoder`.
        weight: Factor of the penalty; None for 0.03 with `table` and `novelty`, 0.1 with `trimmed` and
            `reconstruction`, and with `structured` for the first of 3, 0.3, 0.03 and 0.003 of which the next does not
            reconstruct the rows of the first fold better.
        scale: As in `ContractiveAutoencoder`, or `auto`: `log` with `table` and `novelty`, `common` with
            `structured`, else `standard`.

    All other parameters are those of `ContractiveAutoencoder`, but `warm_start`.

    Attributes:
        offset_: Score at or above which a row is no outlier.
        smallest_false_alarm_rate_: That so many calibration rows can promise.
        score_by_: What was chosen.
        support_: True for each training row that was learned from, per row of X; not saved.
        autoencoder_: The network of the first fold; so are `history_`, `weight_`, `n_iter_`.
        reconstruction_error_: Mean squared error of training rows by the networks without them, summed over features.

    Examples:
        >>> from sklearn.datasets import load_iris
        >>> table = load_iris().data
        >>> detector = ContractiveOutlierDetector(max_epochs=40, random_state=0).fit(table[:100])
        >>> new = table[100:101].copy()
        >>> new[0, 1] = 9.0
        >>> print(detector.predict(new), detector.explain(new)[0].ranking[0].feature)
        [-1] x1
    """

    def fit(self, X: Any, y: Any = None, sample_weight: Any = None, *, calibrates: Any = None) -> Self:
        """Learn scaling, networks and limits from the rows of X (rows, features); y is ignored.

        At most 20,000 of the rows, drawn at random, are neighbours and calibrate; the networks learn from all.

        Args:
            X: The table.
            y: Ignored.
            sample_weight: How much each row counts, in scaling, training and limits; 0 leaves it out.
            calibrates: Which rows calibrate and are not learned from, a mask (rows,), for rows that resemble those
                around them, such as windows of a series: folds are consecutive rows, and rates approximate.

        Raises:
            ValueError: A parameter or weight out of range, or rows that are not finite numbers.
            TrainingDiverged: The loss became NaN or infinite.
        """
        self._check_parameters()
        self.__dict__.pop("autoencoder_", None)  # should training fail, nothing half-trained looks fitted
        given = self._table(X, reset=True)
        x, weights = rows_that_count(given, sample_weight)
        counts = np.ones(len(given), bool) & (True if sample_weight is None else np.asarray(sample_weight) > 0)
        if calibrates is not None and np.shape(calibrates) != counts.shape:
            rule = f"be a mask of shape ({len(counts)},)"
            raise InvalidValue("calibrates", rule, np.shape(calibrates), "Give True or False for each row.")
        if len(x) < FEWEST_ROWS:
            rule = f"be above 0 for at least {FEWEST_ROWS} rows"
            raise InvalidValue("sample_weight", rule, len(x), "Weigh more rows.")
        self._fill: np.ndarray | None = fills(x, self.impute)
        x = self._filled(x)
        seed = int(check_random_state(self.random_state).randint(2**31 - 1))
        named = None if calibrates is None else np.asarray(calibrates, bool)[counts]
        order, held = held_first(len(x), seed, self.num_held_out(len(x)), named)
        learned = np.setdiff1d(np.arange(len(x)), held)
        own = None if weights is None else weights[learned]
        trusted = inner_rows(self, x[learned], own, self.learned_share, seed)
        self.support_: np.ndarray = counts.copy()
        self.support_[counts] = np.isin(np.arange(len(x)), learned[trusted])
        self._learn(x[learned[trusted]], None if own is None else own[trusted], seed, named is not None)
        whole = trusted.all() and not len(held)
        some = self._kept if whole else np.sort(order[:MOST_ROWS])
        scores = self._fit.training_scores() if whole else self._strangeness(x[some])
        of_some = None if weights is None else weights[some]
        calibrate = np.isin(some, held) if len(held) else np.ones(len(some), bool)
        self._ranks: Ranks = Ranks.of(scores[calibrate], None if of_some is None else of_some[calibrate])
        self._set_offset(scores, of_some)
        return self

    def score_samples(self, X: Any) -> np.ndarray:
        """Return how usual each row is, (rows,): higher is more normal, about log of a p-value.

        Beyond the strangest training row it goes on by a Pareto tail, so that stranger rows still have lower numbers. A
        row that equals a training row is judged by the networks and neighbours without it.
        """
        return -self._strangeness(self._new_rows(X))

    def decision_function(self, X: Any) -> np.ndarray:
        """Return `score_samples` minus `offset_`, shape (rows,): below 0 for outliers."""
        return self.score_samples(X) - self.offset_

    def predict(self, X: Any) -> np.ndarray:
        """Return +1 for inliers and -1 for outliers, shape (rows,).

        By `offset_`, or with `false_discovery_rate` by the p-values of these rows together.
        """
        strangeness = -self.score_samples(X)
        return np.where(strangeness > self.flagging_limit(strangeness), -1, 1)

    def p_values(self, X: Any) -> np.ndarray:
        """Return (1 + calibration rows at least as strange) / (1 + calibration rows) of each row, (rows,).

        Small for strange rows; for new normal rows at most a with probability a, or a little less.
        """
        return self.p_values_of(self._strangeness(self._new_rows(X)))

    def p_values_of(self, scores: Any) -> np.ndarray:
        """Return the p-values of rows with these scores, the negative of what `score_samples` returned, (rows,)."""
        check_is_fitted(self, "autoencoder_")
        return self._ranks.p_values(np.asarray(scores, np.float64))

    def flagging_limit(self, scores: Any) -> float:
        """Return the score above which rows of a batch are flagged: `-offset_`, or that of the false-discovery rate.

        Args:
            scores: Of all rows of the batch, the negative of what `score_samples` returned. They matter with
                `false_discovery_rate` only, for which the limit is infinite where no row is flagged.
        """
        if self.false_discovery_rate is None:
            check_is_fitted(self, "autoencoder_")
            return -self.offset_
        p_values = self.p_values_of(scores)
        found = p_values[discoveries(p_values, float(self.false_discovery_rate))]
        return self._ranks.limit(float(found.max())) if len(found) else np.inf

    def scaled(self, X: Any) -> np.ndarray:
        """Return rows in the units of the networks, (rows, features)."""
        return self._scaling.apply(self._new_rows(X))

    def unscaled(self, Z: Any) -> np.ndarray:
        """Return rows in the user's units from those of the networks, (rows, features)."""
        check_is_fitted(self, "autoencoder_")
        return self._scaling.invert(np.asarray(Z, np.float64))

    def reconstruct(self, X: Any) -> np.ndarray:
        """Return the mean reconstruction of rows by the networks, in the user's units, (rows, features)."""
        return self._scaling.invert(self._fit.reconstruct(self.scaled(X)))

    def feature_errors(self, X: Any) -> np.ndarray:
        """Return the squared error of each feature in scaled units, mean over the networks, (rows, features)."""
        return self._fit.errors(self.scaled(X))

    def explain(self, X: Any, *, groups: Any = None, num_repairs: int = 3) -> list[Explanation]:
        """Explain the score of each row: which features made it strange, and which values would be usual.

        A feature counts by how far the evidence falls if it alone is set to its best value among 15 quantiles of the
        training rows, the values of the five training rows nearest in the other features, and their mean; of features
        with at most 15 values, among these. The evidence is the mean of -log p over the parts of the score, of which
        the distance to the inner rows counts a tenth, plus half that of the residual. Repairs are made one after the
        other until half of the training rows are as strange. Of more than 64 features the 64 that are reconstructed
        worst are tried.

        Args:
            X: Rows, for instance those that `predict` flagged.
            groups: Lists of column numbers that count as one feature, such as the columns of a one-hot code; a mapping
                gives them names.
            num_repairs: Most repairs of one row.

        Raises:
            InvalidValue: Groups that are not disjoint columns; `num_repairs` below 1.
        """
        rows = self._new_rows(X)
        errors = lambda row: self._fit.errors(self._scaling.apply(row))  # noqa: E731
        judge = lambda row: self._fit.judge(self._scaling.apply(row))  # noqa: E731
        explainer = Explainer(judge, errors, self._rows, self._scaling, self._names, groups)
        return explainer.explain(rows, self._ranks, num_repairs)

    def guaranteed_bounds(self) -> np.ndarray:
        """Return for each feature the values below and above which every row is flagged, (features, 2), in its unit.

        Whatever the other features are: with a bounded code each output lies in an interval, and the residual of a row
        beyond it by more than the limit of the residual alone exceeds that limit (interval arithmetic through the
        decoder; Moore, 1966). They hold for `offset_`, not for `false_discovery_rate`.

        Raises:
            InvalidValue: An encoder that does not bound the code, or a decoder without known bounds.
        """
        check_is_fitted(self, "autoencoder_")
        with np.errstate(over="ignore"):
            return self._scaling.invert(row_bounds(self._fit, -self.offset_)).T

    def parts(self) -> dict[str, nn.Module]:
        """Return what can be exported: `detector`, from scaled rows to their scores and whether each is flagged.

        Rows that equal training rows are judged by all networks there, as new ones are.

        Raises:
            InvalidValue: A score that needs the training rows, or flags that depend on the other rows of a batch.
        """
        check_is_fitted(self, "autoencoder_")
        if self.false_discovery_rate is not None:
            rule, got = "be None to be exported", f"{self.false_discovery_rate}: flags depend on the other rows"
            raise InvalidValue("false_discovery_rate", rule, got, "Set it to None to flag by `false_alarm_rate`.")
        return {"detector": ScoreModule(self._fit, -self.offset_, self.score_by_)}

    def drift(self, X: Any) -> Drift:
        """Test whether rows come from another distribution than the training rows, and in which features.

        Raises:
            InvalidValue: Fewer than 2 rows.
        """
        rows = self._new_rows(X)
        return drift(self._fit, self._rows, rows, self._scaling.apply(rows), self._names)

    @property
    def _names(self) -> tuple[str, ...]:
        return tuple(getattr(self, "feature_names_in_", (f"x{column}" for column in range(self.n_features_in_))))

    def _learn(self, x: np.ndarray, weights: np.ndarray | None, seed: int, in_order: bool) -> None:
        """Train one network per fold on rows without missing values, and measure every row by the one without it."""
        self.score_by_: str = self.chosen_score(x)
        self._scaling = learn(self.chosen_scale(self.score_by_), x, weights)
        z = self._scaling.apply(x)
        self._mean = self._scaling.mean(x, weights)
        random = np.random.RandomState(seed)
        folds = drawn_folds(len(x), random, in_order)
        self._kept: np.ndarray = np.sort(random.permutation(len(x))[:MOST_ROWS])
        workers = train_folds(self, self.score_by_, z, folds, weights, seed)
        first = workers[0]
        self.autoencoder_, self.weight_, self.error_increase_ = first.autoencoder_, first.weight_, first.error_increase_
        self._history, self.n_iter_ = first._history, first.n_iter_
        self._rows: np.ndarray = x[self._kept]
        kept_weights = None if weights is None else weights[self._kept]
        networks, parts = [worker.autoencoder_ for worker in workers], PARTS[self.score_by_]
        inner = inner_rows(self, x, weights, INNER_SHARE, seed)[self._kept] if "inner" in parts else None
        self._fit: CrossFit = CrossFit.of(networks, z[self._kept], folds[self._kept], parts, kept_weights, inner)
        self.reconstruction_error_ = float(np.average(self._fit.numbers["residual"] ** 2, weights=self._fit.weights))

    def _strangeness(self, x: np.ndarray) -> np.ndarray:
        """Return the score of rows without missing values, higher for stranger ones."""
        return self._fit.score(self._scaling.apply(x))

    def _scores(self, z: np.ndarray) -> np.ndarray:
        return -self._fit.errors(z).sum(1)

    def _set_offset(self, scores: np.ndarray, weights: np.ndarray | None) -> None:
        """Set the limit: by the share of the training rows, which have these scores, or by the false-alarm rate."""
        self.smallest_false_alarm_rate_: float = self._ranks.smallest_rate
        if self.contamination is None:
            self.offset_: float = -promised_limit(self._ranks, float(self.false_alarm_rate))
        else:
            self.offset_ = quantile(-scores, float(self.contamination), weights)

    def _table(self, X: Any, *, reset: bool) -> np.ndarray:
        finite: Any = True if self.impute is None else "allow-nan"
        checks = {"ensure_all_finite": finite, "ensure_min_samples": FEWEST_ROWS if reset else 1}
        return dense(validate_data(self, X, **ROWS, **checks, reset=reset), X).astype(np.float64)

    def _new_rows(self, X: Any) -> np.ndarray:
        check_is_fitted(self, "autoencoder_")
        return self._filled(self._table(X, reset=False))

    def _filled(self, x: np.ndarray) -> np.ndarray:
        return x if self._fill is None else np.where(np.isnan(x), self._fill, x)

    @property
    def _detector(self) -> DetectorState:
        """What is saved beside the first network."""
        fit = self._fit
        networks = tuple(weights_of(member.network) for member in fit.members)
        numbers: Any = {**fit.numbers}
        learned = self._rows, fit.folds, fit.weights, fit.inner, numbers
        return DetectorState(self.score_by_, *learned, networks, self._ranks, self._fill)

    @_detector.setter
    def _detector(self, saved: DetectorState) -> None:
        self.score_by_, self._rows, self._fill, self._ranks = saved.score_by, saved.rows, saved.fill, saved.ranks
        self.smallest_false_alarm_rate_ = saved.ranks.smallest_rate
        try:
            networks = [with_weights(self.autoencoder_, weights) for weights in saved.networks]
            rows, parts = self._scaling.apply(saved.rows), PARTS[saved.score_by]
            if ("inner" in parts) != (saved.inner is not None and saved.inner.dtype == bool):
                raise ValueError("the inner rows must be marked by true or false where the score uses them")
            self._fit = CrossFit.of(networks, rows, saved.folds, parts, saved.weights, saved.inner, saved.numbers)
        except (KeyError, ValueError, RuntimeError, IndexError) as error:
            raise StorageError(
                f"{first_line(error)}: networks and rows must fit. estimator.npz was changed."
            ) from error

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = self.impute is not None
        return tags
