"""The manifold tangent classifier of Rifai et al. (NIPS 2011)."""

from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor, nn

from contractive import objectives
from contractive.estimators._classifier_base import LayeredClassifier
from contractive.jacobian import leading
from contractive.objectives import LOSSES, Objective
from contractive.training import Regularisation, tangent_files


class ManifoldTangentClassifier(LayeredClassifier):
    """Pretrain CAE+H layers, then train the whole so that its outputs hardly move along the data's own directions.

    Rifai, Dauphin, Vincent, Bengio and Muller (NIPS 2011): the directions are the leading right singular vectors of the
    Jacobian of all layers; fine-tuning adds tangent_weight * sum_u ||(do/dx) u||^2. Deviation: pretraining takes Adam.

    Args:
        hidden_layer_sizes: Units of each layer.
        weight: Factor of the penalties of CAE+H in pretraining (see `objectives.higher_order`), against a
            reconstruction error summed over the scaled features. An `Objective` in its place decides alone.
        ratio: Factor of the second-order term in units of the first.
        sigma: Standard deviation of its noise, in scaled units.
        n_tangents: Directions per row; fewer where the Jacobian has fewer.
        tangent_weight: Factor of the tangent propagation term.
        tangents_per_step: So many of them drawn anew for every batch, which is cheaper and noisier; all if None.
        tangent_file: Path of a .npy file for the directions, which need not fit in memory then; written anew. Models
            that are fitted at the same time to the same path take turns in writing.
        loss: Reconstruction loss, `squared_error` or (features in [0, 1]) `cross_entropy`.
        scale: `minmax` ([0, 1], what is beyond in new rows is clipped), `standard` or `none`.
        pretraining_epochs: Passes of each layer; 0 for none.
        pretraining_rate: Learning rate of Adam in pretraining.
        output: `sigmoid`, which the authors prefer, or `softmax`.
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
    """

    def __init__(
        self,
        *,
        hidden_layer_sizes: Any = (256,),
        weight: Any = 0.1,
        ratio: float = 1.0,
        sigma: float = 0.1,
        n_tangents: int = 15,
        tangent_weight: float = 0.1,
        tangents_per_step: int | None = None,
        tangent_file: str | Path | None = None,
        loss: str = "squared_error",
        scale: str = "minmax",
        pretraining_epochs: int = 20,
        pretraining_rate: float = 3e-3,
        output: str = "sigmoid",
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
        self.ratio = ratio
        self.sigma = sigma
        self.n_tangents = n_tangents
        self.tangent_weight = tangent_weight
        self.tangents_per_step = tangents_per_step
        self.tangent_file = tangent_file
        self.loss = loss
        self.scale = scale
        self.pretraining_epochs = pretraining_epochs
        self.pretraining_rate = pretraining_rate
        self.output = output
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
        return objectives.higher_order(self.weight, ratio=self.ratio, sigma=self.sigma, loss=LOSSES[self.loss])

    def _regularisation(self, network: nn.Module, x: Tensor) -> Regularisation:
        if self.n_tangents < 1:
            raise ValueError(f"n_tangents must be at least 1, got {self.n_tangents}. The paper takes 15 on MNIST.")
        num = min(self.n_tangents, x.shape[1], *np.atleast_1d(self.hidden_layer_sizes).tolist())  # the rank of J
        if self.tangent_file is None:
            tangents = leading(network, x, num, tolerance=1e-2).vectors
        else:
            tangents = tangent_files.write(self.tangent_file, network, x, num)
        return Regularisation(0.0, self.tangent_weight, tangents, self.tangents_per_step)
