"""Samples from trained autoencoders and their quality. Needs torch and numpy only.

A contractive autoencoder walks along its own leading directions (Rifai et al., ICML 2012); a denoising or
reconstruction-contractive one is an estimate of the score, which Langevin and Metropolis-Hastings walks need (Alain and
Bengio 2014). Samples are judged by a Parzen window and looked at as a sheet. The conventions of `contractive.analysis`
hold here, too.
"""

from contractive.analysis.sampling._judge import Parzen, choose_bandwidth, log_densities, parzen, sheet
from contractive.analysis.sampling._walks import (
    Metropolis,
    energy_difference,
    langevin,
    metropolis,
    score,
    step,
    walk,
)

# the contractive autoencoder's walk
__all__ = ["walk", "step"]
# a reconstruction as a score
__all__ += ["score", "energy_difference", "langevin", "metropolis", "Metropolis"]
# the likelihood of other points under samples, and pictures of them
__all__ += ["parzen", "Parzen", "log_densities", "choose_bandwidth", "sheet"]
