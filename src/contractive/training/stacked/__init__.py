"""Stacked autoencoders: greedy pretraining of one layer after another, then supervised fine-tuning of the whole.

The use that Rifai et al. (ICML, ECML and NIPS 2011) put contractive autoencoders to.
"""

from contractive.models import Classifier
from contractive.training.stacked._fine_tuning import FineTuning, fine_tune
from contractive.training.stacked._pretraining import encoder, pretrain, stack, start_at_mean, unroll
from contractive.training.stacked._regularisation import Regularisation

__all__ = [
    # without labels
    "stack",
    "start_at_mean",
    "pretrain",
    "encoder",
    "unroll",
    # with labels
    "Classifier",
    "fine_tune",
    "FineTuning",
    "Regularisation",
]
