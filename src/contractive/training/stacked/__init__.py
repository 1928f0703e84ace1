"""Stacked autoencoders: greedy pretraining of one layer after another, then supervised fine-tuning of the whole.

The use that Rifai et al. (ICML, ECML and NIPS 2011) put contractive autoencoders to.
"""

from contractive.training.stacked._fine_tuning import FineTuning, fine_tune
from contractive.training.stacked._pretraining import pretrain, start_at_mean
from contractive.training.stacked._regularisation import Regularisation

__all__ = [
    # without labels
    "start_at_mean",
    "pretrain",
    # with labels
    "fine_tune",
    "FineTuning",
    "Regularisation",
]
