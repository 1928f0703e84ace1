"""What the classifiers share: check and scale the table, pretrain, fine-tune, predict."""

import warnings
from typing import Any, Self

import numpy as np
import torch
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import MinMaxScaler, StandardScaler
from sklearn.utils import check_random_state
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data
from torch import Tensor, nn

from contractive.analysis import apply
from contractive.models import Classifier, encoder, stack
from contractive.objectives import LOSSES, Objective
from contractive.training import CollapseWarning, FineTuning, History, Regularisation, fine_tune, pretrain

_FLOATS: Any = [np.float64, np.float32]
SCALES = {"minmax": "sigmoid", "standard": "linear", "none": "linear"}  # and the lowest decoder's output


class LayeredClassifier(ClassifierMixin, BaseEstimator):
    """Base of the classifiers; their parameters are told there."""

    classes_: np.ndarray
    network_: Classifier
    history_: FineTuning
    pretraining_: tuple[History, ...]
    n_features_in_: int

    hidden_layer_sizes: Any
    pretraining_epochs: int
    pretraining_rate: float
    loss: str
    scale: str
    output: str
    max_epochs: int
    batch_size: int
    learning_rate_init: float
    output_rate: float | None
    decay: float
    early_stopping: bool
    validation_fraction: float
    n_iter_no_change: int
    device: str
    random_state: Any

    def _objective(self) -> Objective:
        raise NotImplementedError

    def _regularisation(self, network: nn.Module, x: Tensor) -> Regularisation:
        raise NotImplementedError

    def fit(self, X: Any, y: Any, unlabelled: Any = None) -> Self:
        """Pretrain on the rows of X, fine-tune on their classes y.

        Args:
            X: (rows, features).
            y: Class of each row.
            unlabelled: More rows, of the same features, for the unsupervised stage.

        Raises:
            ValueError: A parameter out of range, fewer than two classes, rows that are not finite numbers.
            TrainingDiverged: The loss became NaN or infinite.
        """
        self.__dict__.pop("network_", None)  # should this fail, no older network answers with new classes
        checked: Any = validate_data(self, X, y, dtype=_FLOATS)
        rows, labels = checked
        check_classification_targets(labels)
        self.classes_, numbers = np.unique(labels, return_inverse=True)
        if len(self.classes_) < 2:
            raise ValueError("y must have at least two classes, got one class. There is nothing to tell apart.")
        if self.scale not in SCALES or self.loss not in LOSSES:
            got = f"{self.scale!r} and {self.loss!r}"
            raise ValueError(
                f"scale must be one of {', '.join(SCALES)} and loss of {', '.join(LOSSES)}, got {got}. Pick of these."
            )
        seed = int(check_random_state(self.random_state).randint(2**31 - 1))
        everything = rows if unlabelled is None else np.concatenate([rows, self._checked(unlabelled)])
        makers = {"minmax": lambda: MinMaxScaler(clip=True), "standard": StandardScaler, "none": lambda: None}
        scaler = makers[self.scale]()
        self._scaler = None if scaler is None else scaler.fit(everything)
        train, held_out = self._split(rows, numbers, seed)
        return self._train(self._scaled(everything), train, held_out, seed)

    def _split(self, rows: np.ndarray, numbers: np.ndarray, seed: int) -> tuple[Any, Any]:
        if not self.early_stopping:
            return (self._scaled(rows), numbers), None
        even = numbers if np.bincount(numbers).min() > 1 else None
        parts = train_test_split(
            self._scaled(rows), numbers, test_size=self.validation_fraction, stratify=even, random_state=seed
        )
        return (parts[0], parts[2]), (parts[1], parts[3])

    def _train(self, everything: Tensor, train: Any, held_out: Any, seed: int) -> Self:
        widths = tuple(np.atleast_1d(self.hidden_layer_sizes).tolist())
        layers = stack(everything.shape[1], widths, output=SCALES[self.scale], seed=seed)
        self.pretraining_ = ()
        if self.pretraining_epochs:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", CollapseWarning)  # the labels may still teach it something
                self.pretraining_ = pretrain(
                    layers,
                    everything,
                    self._objective(),
                    seed=seed,
                    max_epochs=self.pretraining_epochs,
                    learning_rate=self.pretraining_rate,
                    schedule="cosine",
                    device=self.device,
                    progress=False,
                )
        network = Classifier(encoder(layers), widths[-1], len(self.classes_), output=self.output, seed=seed)
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
            regularisation=self._regularisation(network.encoder, train[0]),
            seed=seed,
            device=self.device,
        )
        self.network_, self.n_iter_ = network, len(self.history_.rows)
        return self

    def _checked(self, X: Any) -> np.ndarray:
        """New rows with the features that `fit` saw."""
        rows: Any = validate_data(self, X, reset=False, dtype=_FLOATS)
        return rows

    def _scaled(self, rows: np.ndarray) -> Tensor:
        scaled = rows if self._scaler is None else self._scaler.transform(rows)
        return torch.as_tensor(np.ascontiguousarray(scaled, dtype=np.float32))

    def predict_proba(self, X: Any) -> np.ndarray:
        """Probabilities of the classes, (rows, classes), in the order of `classes_`."""
        check_is_fitted(self, "network_")
        logits = apply(self.network_, self._scaled(self._checked(X))).double()
        return self.network_.probabilities(logits).numpy()

    def predict(self, X: Any) -> np.ndarray:
        """The most probable class of each row, (rows,)."""
        probabilities = self.predict_proba(X)
        return self.classes_[probabilities.argmax(1)]
