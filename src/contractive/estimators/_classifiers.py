"""Classifiers over stacked autoencoders: those of Rifai et al. (ICML 2011) and (NIPS 2011)."""

import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Self, get_args

import numpy as np
import torch
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import FunctionTransformer, MinMaxScaler, StandardScaler
from sklearn.utils import check_random_state
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data
from torch import Tensor

from contractive import objectives, training
from contractive.analysis import TangentsOf, apply
from contractive.core.errors import InvalidValue, check_at_least, check_choice
from contractive.core.settings import checked
from contractive.estimators._base import ROWS, dense
from contractive.estimators._parameters import widths_of
from contractive.models import Autoencoder, Classifier, Output, encoder, stack, unroll
from contractive.objectives import LOSSES, LossName, Objective
from contractive.training import CollapseWarning, Device, Regularisation, fine_tune, tangent_files

_OUTPUTS = {"minmax": "sigmoid", "standard": "linear", "none": "linear"}  # of the lowest decoder, by scale


@dataclass(kw_only=True, eq=False, repr=False)
class LayeredClassifier(ClassifierMixin, BaseEstimator):
    """Shared implementation; see the subclasses for parameters and attributes."""

    hidden_layer_sizes: Any = (256,)
    weight: Any = 0.1
    loss: LossName = "squared_error"
    scale: Literal["minmax", "standard", "none"] = "minmax"
    center: bool = False
    pretraining_epochs: int = 20
    pretraining_rate: float = 3e-3
    output: Output = "softmax"
    max_epochs: int = 50
    batch_size: int = 20
    learning_rate_init: float = 0.5
    output_rate: float | None = None
    decay: float = 0.97
    early_stopping: bool = False
    validation_fraction: float = 0.1
    n_iter_no_change: int = 10
    device: Device = "cpu"
    random_state: Any = None

    def fit(self, X: Any, y: Any, unlabelled: Any = None) -> Self:
        """Pretrain on the rows of X (rows, features) and those `unlabelled`, fine-tune on the classes y of X.

        Raises:
            ValueError: A parameter out of range, fewer than two classes, rows that are not finite numbers.
            TrainingDiverged: The loss became NaN or infinite.
        """
        self.__dict__.pop("network_", None)  # should this fail, no older network answers with new classes
        valid: Any = validate_data(self, X, y, **ROWS)
        rows, labels = dense(valid[0], X), valid[1]
        if labels.dtype == object and any(label is None for label in labels):
            raise InvalidValue("y", "have a class for each row", "None", "Give rows without one as `unlabelled`.")
        check_classification_targets(labels)
        self.classes_, numbers = np.unique(labels, return_inverse=True)
        if len(self.classes_) < 2:
            raise InvalidValue("y", "have at least two classes", "one class", "One class leaves nothing to learn.")
        check_choice("scale", self.scale, _OUTPUTS)
        check_choice("loss", self.loss, LOSSES)
        seed = int(check_random_state(self.random_state).randint(2**31 - 1))
        everything = rows if unlabelled is None else np.concatenate([rows, self._checked(unlabelled)])
        scalers = {"minmax": MinMaxScaler(clip=True), "standard": StandardScaler(), "none": FunctionTransformer()}
        self._scaler = scalers[self.scale].fit(everything)
        scaled = self._scaled(everything)
        x, unlabelled_rows = scaled[: len(rows)], scaled[len(rows) :]
        train: Any = (x, numbers)
        held_out: Any = None
        if self.early_stopping:
            even = numbers if np.bincount(numbers).min() > 1 else None
            split = train_test_split(x, numbers, test_size=self.validation_fraction, stratify=even, random_state=seed)
            train, held_out = (split[0], split[2]), (split[1], split[3])
        widths = widths_of(self.hidden_layer_sizes)
        training.check_center(checked("center", self.center, bool), bool(self.pretraining_epochs))
        made = stack(x.shape[1], widths, output=_OUTPUTS[self.scale], center=self.center, seed=seed)
        layers = [layer.float() for layer in made]
        self.pretraining_ = ()
        if self.pretraining_epochs:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", CollapseWarning)  # the labels may still teach it something
                self.pretraining_ = training.pretrain(
                    layers,
                    scaled,
                    self.weight if isinstance(self.weight, Objective) else self._objective(),
                    seed=seed,
                    max_epochs=self.pretraining_epochs,
                    learning_rate=self.pretraining_rate,
                    schedule="cosine",
                    device=self.device,
                    progress=False,
                )
        network = Classifier(encoder(layers), widths[-1], len(self.classes_), output=self.output, seed=seed).float()
        beside = self._beside(unlabelled_rows)
        self.history_ = fine_tune(
            network,
            *train,
            validation=held_out,
            max_epochs=self.max_epochs,
            batch_size=self.batch_size,
            learning_rate=self.learning_rate_init,
            output_rate=self.output_rate,
            decay=self.decay,
            patience=self.n_iter_no_change if self.early_stopping else None,
            regularisation=self._regularisation(unroll(layers), torch.cat([train[0], beside])),
            unlabelled=beside if len(beside) else None,
            seed=seed,
            device=self.device,
        )
        self.network_, self.n_iter_ = network, len(self.history_.rows)
        return self

    def _beside(self, unlabelled: Tensor) -> Tensor:
        """Return the rows without labels at which fine-tuning is regularised, too."""
        return unlabelled[:0]

    def _objective(self) -> Objective:
        raise NotImplementedError

    def _regularisation(self, layers: Autoencoder, x: Tensor) -> Regularisation:
        raise NotImplementedError

    def _checked(self, X: Any) -> np.ndarray:
        """Return new rows with the features that `fit` saw."""
        return dense(validate_data(self, X, **ROWS, reset=False), X)

    def __sklearn_tags__(self) -> Any:
        tags: Any = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags

    def _scaled(self, rows: np.ndarray) -> Tensor:
        return torch.as_tensor(np.ascontiguousarray(self._scaler.transform(rows), dtype=np.float32))

    def predict_proba(self, X: Any) -> np.ndarray:
        """Return the probabilities of the classes, (rows, classes), in the order of `classes_`."""
        check_is_fitted(self, "network_")
        logits = apply(self.network_, self._scaled(self._checked(X))).double()
        return self.network_.probabilities(logits).numpy()

    def predict(self, X: Any) -> np.ndarray:
        """Return the most probable class of each row, (rows,)."""
        probabilities = self.predict_proba(X)
        return self.classes_[probabilities.argmax(1)]


@dataclass(kw_only=True, eq=False, repr=False)
class StackedContractiveClassifier(LayeredClassifier):
    """Pretrain sigmoid layers as contractive autoencoders, one on the other, then train the whole on the labels.

    Rifai et al. (ICML 2011, section 5). Deviation: pretraining takes Adam, the paper plain gradient descent.

    Args:
        jacobian_weight: Factor of ||J_f||_F^2 in fine-tuning.
        hidden_layer_sizes: Units of each layer.
        weight: Factor of the penalty in pretraining, against a reconstruction error summed over the scaled features;
            one for all layers. An `Objective` in its place decides alone.
        loss: Reconstruction loss, `squared_error` or (features in [0, 1]) `cross_entropy`.
        scale: `minmax` ([0, 1], what is beyond in new rows is clipped), `standard` or `none`.
        center: Subtract, inside each layer, the mean of its inputs in pretraining.
        pretraining_epochs: Passes of each layer; 0 for none.
        pretraining_rate: Learning rate of Adam in pretraining.
        output: `softmax`, or `sigmoid` for one output per class.
        max_epochs: Passes of fine-tuning.
        batch_size: Rows per step of fine-tuning.
        learning_rate_init: Learning rate of the layers in fine-tuning, which is plain gradient descent.
        output_rate: Learning rate of the output layer; that of the layers if None.
        decay: Factor of both rates after every epoch.
        early_stopping: Hold rows out, stop when their error stops falling, and keep the best weights.
        validation_fraction: Share of the labelled rows held out for that.
        n_iter_no_change: Epochs without a lower error (or as low a one with less loss) after which to stop.
        device: `cpu`, `cuda`, `mps` or `auto`.
        random_state: Seed of weights, order and split.

    Attributes:
        network_: The trained `models.Classifier`; it takes scaled rows.
        pretraining_: A `History` per layer.
        history_: `FineTuning`.
        classes_: Class labels.
        n_iter_: Epochs of fine-tuning.
        n_features_in_: Features seen in `fit`.

    Examples:
        >>> from sklearn.datasets import load_digits
        >>> x, y = load_digits(return_X_y=True)
        >>> model = StackedContractiveClassifier(hidden_layer_sizes=(100,), max_epochs=15, random_state=0)
        >>> model.fit(x[:1200], y[:1200]).score(x[1200:], y[1200:]) > 0.9
        True
    """

    jacobian_weight: float = 0.0

    def _objective(self) -> Objective:
        return objectives.contractive(self.weight, loss=LOSSES[self.loss])

    def _regularisation(self, layers: Autoencoder, x: Tensor) -> Regularisation:
        return Regularisation(self.jacobian_weight)


@dataclass(kw_only=True, eq=False, repr=False)
class ManifoldTangentClassifier(LayeredClassifier):
    """Pretrain CAE+H layers, then train the whole so that its outputs hardly change along the data's own directions.

    Rifai, Dauphin, Vincent, Bengio and Muller (NIPS 2011): fine-tuning adds tangent_weight * sum_u ||(do/dx) u||^2.
    Deviations: the directions u are leading left singular vectors of the Jacobian of the reconstruction by all layers
    (the authors' are right ones of the encoder's Jacobian: `tangents_of="encoder"`); pretraining takes Adam.

    Args:
        ratio: Factor of the second-order term of the penalty in pretraining, in units of the first (see
            `objectives.higher_order`).
        sigma: Standard deviation of its noise, in scaled units.
        n_tangents: Directions per row; fewer where the Jacobian has fewer.
        tangents_of: `reconstruction` or `encoder`, see `analysis.tangents`.
        tangent_rows: `labelled`, or `all`: outputs should not change along tangents at the rows `unlabelled`, either.
        tangent_weight: Factor of the tangent propagation term.
        tangents_per_step: Number of them drawn anew for every batch, which is cheaper and noisier; all if None.
        tangent_file: Path of a .npy file for the directions, which need not fit in memory then; written anew.
        output: `sigmoid`, which the authors prefer, or `softmax`.

    All other parameters but `jacobian_weight`, and all attributes, are those of `StackedContractiveClassifier`.
    """

    ratio: float = 1.0
    sigma: float = 0.1
    n_tangents: int = 15
    tangents_of: TangentsOf = "reconstruction"
    tangent_rows: Literal["labelled", "all"] = "labelled"
    tangent_weight: float = 0.1
    tangents_per_step: int | None = None
    tangent_file: str | Path | None = None
    output: Output = "sigmoid"

    def _objective(self) -> Objective:
        return objectives.higher_order(self.weight, ratio=self.ratio, sigma=self.sigma, loss=LOSSES[self.loss])

    def _beside(self, unlabelled: Tensor) -> Tensor:
        check_choice("tangent_rows", self.tangent_rows, ("labelled", "all"))
        return unlabelled if self.tangent_rows == "all" else unlabelled[:0]

    def _regularisation(self, layers: Autoencoder, x: Tensor) -> Regularisation:
        check_at_least("n_tangents", self.n_tangents, 1, "The paper takes 15 on MNIST.")
        check_choice("tangents_of", self.tangents_of, get_args(TangentsOf))
        num = min(self.n_tangents, x.shape[1], *widths_of(self.hidden_layer_sizes))  # the rank of J
        if self.tangent_file is None:
            tangents = tangent_files.compute(layers, x, num, of=self.tangents_of)
        else:
            tangents = tangent_files.write(self.tangent_file, layers, x, num, of=self.tangents_of)
        return Regularisation(0.0, self.tangent_weight, tangents, self.tangents_per_step)
