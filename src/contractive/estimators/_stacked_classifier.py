"""The classifier of Rifai et al. (ICML 2011)."""

from typing import Any

from torch import Tensor, nn

from contractive import objectives
from contractive.estimators._classifier_base import LayeredClassifier
from contractive.objectives import LOSSES, Objective
from contractive.training import Regularisation


class StackedContractiveClassifier(LayeredClassifier):
    """Pretrain sigmoid layers as contractive autoencoders, one on the other, then train the whole on the labels.

    Rifai et al. (ICML 2011, section 5). Deviation: pretraining takes Adam, the paper plain gradient descent.

    Args:
        hidden_layer_sizes: Units of each layer.
        weight: Factor of ||J_f||_F^2 in pretraining, against a reconstruction error summed over the scaled features;
            one for all layers. An `Objective` in its place decides alone.
        loss: Reconstruction loss, `squared_error` or (features in [0, 1]) `cross_entropy`.
        scale: `minmax` ([0, 1], what is beyond in new rows is clipped), `standard` or `none`.
        pretraining_epochs: Passes of each layer; 0 for none.
        pretraining_rate: Learning rate of Adam in pretraining.
        output: `softmax`, or `sigmoid` for one output per class.
        jacobian_weight: Factor of ||J_f||_F^2 in fine-tuning.
        max_epochs: Passes of fine-tuning.
        batch_size: Rows per step of fine-tuning.
        learning_rate_init: Of the layers in fine-tuning, which is plain gradient descent.
        output_rate: Of the output layer; as the layers' if None.
        decay: Factor of both rates after every epoch.
        early_stopping: Whether to hold rows out, stop when their error stops falling, and keep the best weights.
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

    Example:
        >>> from sklearn.datasets import load_digits
        >>> x, y = load_digits(return_X_y=True)
        >>> model = StackedContractiveClassifier(hidden_layer_sizes=(100,), max_epochs=15, random_state=0)
        >>> model.fit(x[:1200], y[:1200]).score(x[1200:], y[1200:]) > 0.9
        True
    """

    def __init__(
        self,
        *,
        hidden_layer_sizes: Any = (256,),
        weight: Any = 0.1,
        loss: str = "squared_error",
        scale: str = "minmax",
        pretraining_epochs: int = 20,
        pretraining_rate: float = 3e-3,
        output: str = "softmax",
        jacobian_weight: float = 0.0,
        max_epochs: int = 50,
        batch_size: int = 20,
        learning_rate_init: float = 0.5,
        output_rate: float | None = None,
        decay: float = 0.97,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        n_iter_no_change: int = 10,
        device: str = "cpu",
        random_state: Any = None,
    ) -> None:
        self.hidden_layer_sizes = hidden_layer_sizes
        self.weight = weight
        self.loss = loss
        self.scale = scale
        self.pretraining_epochs = pretraining_epochs
        self.pretraining_rate = pretraining_rate
        self.output = output
        self.jacobian_weight = jacobian_weight
        self.max_epochs = max_epochs
        self.batch_size = batch_size
        self.learning_rate_init = learning_rate_init
        self.output_rate = output_rate
        self.decay = decay
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.n_iter_no_change = n_iter_no_change
        self.device = device
        self.random_state = random_state

    def _objective(self) -> Objective:
        if isinstance(self.weight, Objective):
            return self.weight
        return objectives.contractive(self.weight, loss=LOSSES[self.loss])

    def _regularisation(self, network: nn.Module, x: Tensor) -> Regularisation:
        return Regularisation(self.jacobian_weight)
