"""Features from a table: the transformer."""

import copy
import warnings
from typing import Any, Self

import numpy as np
import torch
from sklearn.base import ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils.validation import check_array, check_is_fitted

from contractive.analysis import local_dimension
from contractive.core.errors import InvalidValue
from contractive.estimators._base import FLOATS, ContractiveEstimator
from contractive.training import CollapseWarning, principal_components, shortcomings

_JUDGED = 2048  # rows


class ContractiveAutoencoder(ClassNamePrefixFeaturesOutMixin, TransformerMixin, ContractiveEstimator):
    """Learn features of a numeric table that change little when the row changes little.

    By default a network that begins as principal components (`start`), learns what they leave unexplained, and stays
    them where held-out rows say that nothing is gained. With a `weight` it has a penalty on its sensitivity that does
    not depend on the scale of the code; with `objective="contractive"` it is the network of Rifai et al. (ICML 2011)
    from random weights. Rows are scaled first, by a scaling learned in `fit`; `inverse_transform` gives the user's
    units again. Trained in single precision; on double-precision rows it is run in double precision.

    Args:
        n_components: Numbers per code; None for half of the features, at most 64; `auto` for as many as principal
            components that hold 95 % of the variance, beside which `dimension` says how many the data need. The paper's
            network may have more than features: the penalty keeps it from copying.
        hidden_layer_sizes: Widths between input and code, mirrored in the decoder; `auto` for none, with `pca` 64
            units beside the linear map.
        objective: A name of `objectives.OBJECTIVES`, such as `gain_weighted`, `contractive`, `sparse`, `denoising`
            (noise only) or `standard`; a penalty function `(encode, x) -> (code, values)`; or an `Objective`, which
            then decides alone.
        weight: Factor of the penalty, against a squared error summed over the scaled features; None for that of the
            record in `OBJECTIVES`, such as 0 with `gain_weighted` and 0.1 with `contractive`, and 0.1 with a function;
            `auto` finds the one whose error increase is allowed. From principal components on, the weight found gives
            the same network when it is given.
        max_error_increase: With `auto`, the share of held-out reconstruction error allowed above that without penalty;
            with `pca` learned rows count, too, as far as they agree with held-out ones, and errors below a millionth of
            the variance count as that.
        start: `pca`, a network that begins as principal components (`training.fit_from_components`), with a linear code
            and, far outside the rows, no saturation; `random`; or `auto`: `pca` where no penalty is on the encoder
            alone and no other network, solver, schedule or loss and no `early_stopping` is asked for.
        activation: Activation of the encoder, code included: a name of `contractive.mlp`, or scikit-learn's; `auto` for
            the sigmoid, with `pca` none.
        decoder_activation: Activation of the decoder's inner layers, `auto` for the ReLU; with `tied` that of the
            encoder.
        tied: True if the decoder uses the encoder's weights transposed.
        center: True to subtract the mean of the scaled training rows inside the encoder, with random start; `auto` for
            True with the cross-entropy, for features in [0, 1]. All scalings but `minmax` and `none` have taken it off.
        noise: Sigma of Gaussian noise on the scaled inputs in training, or a corruption; None for the objective's own.
        loss: `squared_error`, `cross_entropy` (features in [0, 1]), or `auto`: cross-entropy with `minmax`.
        solver: `adam`, or `sgd` with momentum 0.9.
        learning_rate: Schedule of the learning rate: `cosine`, `exponential`, `constant`.
        learning_rate_init: The learning rate at first; `auto` for 0.003, with `pca` 0.01.
        alpha: Factor of the sum of squared weights.
        max_epochs: Passes over the rows; `auto` for about 600 steps, within 5 to 300 passes (`budget`).
        batch_size: Rows per step; `auto` for 128, from 25,600 rows on a 200th of them, at most 1024.
        early_stopping: Hold rows out, stop when they stop improving, and keep the best weights.
        validation_fraction: Share of the rows held out for that, and to judge the error increase with `auto`. With
            `pca` they decide when to stop, and are learned, too, in a shorter training that follows.
        n_iter_no_change: Epochs without improvement after which to stop.
        scale: `standard` (mean 0, variance 1), `common` (one scale for all: features in one unit), `robust` (median,
            quartiles), `minmax` ([0, 1]), `none`; `auto` for `common` where the columns are one signal or image (16 or
            more, neighbours correlated), else `standard`.
        device: `cpu`, `cuda`, `mps` or `auto`; small networks are fastest on the CPU.
        random_state: Seed of weights, order, noise and probe vectors: the same seed gives the same weights on the CPU.
        verbose: Show a progress bar.
        warm_start: Let `fit` train on from the present weights and scaling.

    Attributes:
        autoencoder_: The trained `contractive.Autoencoder`; it takes scaled rows.
        history_: pandas frame, one row per epoch of the last training, with `pca` that on all rows: none where the
            components were kept. With weight `auto` from random weights it has columns `weight` and `error_increase`.
        weight_: Factor of the (first) penalty: the one found, or the one given; 0 without a penalty.
        error_increase_: With weight `auto`, the share of reconstruction error that it costs by that measure; else None.
        n_iter_: Epochs trained.
        n_components_: Numbers per code.
        reconstruction_error_: Mean squared error per training row (of at most 10,000), summed over scaled features.
        n_features_in_: Features seen in `fit`.
        feature_names_in_: Their names, if all are strings.

    Examples:
        >>> from sklearn.datasets import load_iris
        >>> table = load_iris().data
        >>> features = ContractiveAutoencoder(random_state=0).fit(table)
        >>> features.transform(table).shape
        (150, 2)
        >>> features.score(table) > 0.95
        True
    """

    def fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> Self:
        """Learn scaling and network from the rows of X (rows, features); y is ignored.

        `sample_weight` says how much each row counts, in scaling and training; 0 leaves it out. Rows held out count
        alike.

        Raises:
            ValueError: A parameter or weight out of range, or rows that are not finite numbers.
            TrainingDiverged: The loss became NaN or infinite.
        """
        x, _ = self._train(X, sample_weight, keep=self.warm_start)
        few = torch.from_numpy(self._scaling.single(x[:: -(-len(x) // _JUDGED)]))
        linear = principal_components(few, self.n_components_).autoencoder(self.n_components_)
        for sentence in shortcomings(self.autoencoder_, few, linear):
            warnings.warn(sentence, CollapseWarning, stacklevel=2)
        return self

    def partial_fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> Self:
        """Train one more pass over these rows at the full rate; the first call learns the scaling, later ones keep it.

        Adam's moments start afresh with every call: give it a few thousand rows at a time, not a few. Weights count
        among the rows of one call.

        Raises:
            ValueError: As in `fit`; `weight="auto"`, for which one pass is too short.
        """
        if self._has_auto_weight:
            remedy = "Find it with fit on typical rows: weight_."
            raise InvalidValue("weight", "be a number in partial_fit", "'auto'", remedy)
        self._train(X, sample_weight, keep=True, epochs=1)
        return self

    def transform(self, X: Any) -> np.ndarray:
        """Return the codes, shape (rows, n_components), in the precision of X."""
        x = self._new_rows(X)
        return self._run("encode", self._scaling.apply(x).astype(x.dtype))

    def inverse_transform(self, X: Any) -> np.ndarray:
        """Decode codes (rows, n_components) into rows in the user's units, in the precision of the codes.

        Raises:
            ValueError: Codes of another width.
        """
        check_is_fitted(self, "autoencoder_")
        code = check_array(X, dtype=FLOATS)
        if code.shape[1] != self.n_components_:
            rule = f"have {self.n_components_} columns"
            raise InvalidValue("codes", rule, code.shape[1], "Pass what transform returned.")
        return self._scaling.invert(self._run("decode", code)).astype(code.dtype)

    def dimension(self, X: Any) -> float:
        """Return the dimension of the surface on which the rows of X lie: the mean trace of the Jacobian of r = g o f.

        Of up to 500 rows, by `analysis.local_dimension`. On a curved surface it is less than the number of principal
        components; a code needs at least as many numbers. Most exact with `noise` of about the data's own: without it,
        and without a penalty, noise is reproduced and counts.
        """
        z = torch.from_numpy(self._scaled(X))
        net = copy.deepcopy(self.autoencoder_).double()
        return local_dimension(net.encoder, net.decoder, z).mean

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags
