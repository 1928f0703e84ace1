"""Samples from trained autoencoders and what they are worth. Needs torch and numpy only.

A contractive autoencoder walks along its own leading directions (Rifai et al., ICML 2012); a denoising or
reconstruction-contractive one is an estimate of the score, which Langevin and Metropolis-Hastings walks need (Alain and
Bengio 2014). Samples are judged by a Parzen window and looked at as a sheet.
"""

from contractive.analysis.sampling._parzen import Parzen, choose_bandwidth, log_densities, parzen
from contractive.analysis.sampling._score import Metropolis, energy_difference, langevin, metropolis, score
from contractive.analysis.sampling._sheet import sheet
from contractive.analysis.sampling._walk import step, walk

__all__ = [
    # the contractive autoencoder's walk
    "walk",
    "step",
    # a reconstruction as a score
    "score",
    "energy_difference",
    "langevin",
    "metropolis",
    "Metropolis",
    # what samples are worth
    "parzen",
    "Parzen",
    "log_densities",
    "choose_bandwidth",
    # what they look like
    "sheet",
]
