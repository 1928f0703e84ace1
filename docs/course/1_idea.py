# ruff: noqa: RUF003  Greek letters and minus signs are meant
"""The idea: an autoencoder whose code moves little when its input moves a little."""

# %% [markdown]
# # 1. The idea
#
# *Five minutes.* You know how to train a network in PyTorch, what a derivative of a vector is, and what singular
# values are. Everything else is made here, on the 8 × 8 digits that come with scikit-learn.
#
# An **autoencoder** is two functions. The *encoder* f turns an input x into a code z = f(x). The *decoder* g turns
# the code back into an input. Both are trained together to get back what went in:
#
#     minimise the mean of  ‖x − g(f(x))‖²
#
# No labels are needed. The code is what you want in the end: features for a classifier, a map, an anomaly score.

# %%
import torch

import contractive as ct
from contractive import analysis, plots
from contractive.data import load

split = load("digits")
train, test = torch.from_numpy(split.train), torch.from_numpy(split.test)
print(f"{len(train)} training digits, {len(test)} test digits")
print(f"{train.shape[1]} pixels from {train.min():.0f} to {train.max():.0f}")

# %% [markdown]
# ## A plain autoencoder
#
# One layer: 64 pixels, 32 sigmoid units. The decoder uses the same weights, transposed; chapter 4 says why.

# %%
settings = {
    "max_epochs": 20,
    "batch_size": 64,
    "learning_rate": 0.02,
    "schedule": "cosine",
    "progress": False,
}

torch.manual_seed(0)
standard = ct.tied(64, 32)
ct.fit(standard, train, ct.objectives.standard(), **settings)

plain_error = analysis.reconstruction(standard, test).mean
mean_error = float((test - train.mean(0)).square().sum(1).mean())
print(f"error per test digit: {plain_error:.2f}")
print(f"of a network that always says the mean digit: {mean_error:.2f}")

# %% [markdown]
# It rebuilds digits it never saw. So the code holds what is in the picture.
#
# ## Now disturb the input
#
# Add faint noise to every pixel, with standard deviation 0.1. You still read every digit.
#
# !!! question "What do you expect?"
#     Nothing in the objective says a word about noise. Will the code move by more than the noise, by as much, or by
#     less? Remember that 64 numbers go in and 32 come out, and that a code may be on any scale.


# %%
def sensitivity(model):
    """How far noise moves the code: as it is, and scale-free."""
    noise, seed = ct.objectives.Gaussian(0.1), torch.Generator().manual_seed(0)
    return analysis.sensitivity(model.encoder, test, noise, generator=seed)


plain = sensitivity(standard)
print(f"‖Δz‖ / ‖Δx‖: {plain.mean:.2f}")
print(f"scale-free:  {plain.scale_free:.2f}")

# %% [markdown]
# The first number is the plain ratio of two lengths. It depends on the scale of the code: halve every unit and it
# halves.
#
# The second divides the (squared) movement of the code by the spread of the code, and the noise by the spread of
# the data. **1 means: noise shakes the code as much as it shakes the pixels.** No rescaling changes it. Always look
# at both ([conventions](../conventions.md)).
#
# So the plain code filters a little. Most of the noise comes through.
#
# ## Ask for it
#
# Say what you want, and put it into the objective: *a small change of the input should change the code little*. The
# derivative of f says how much it moves. For a function of many inputs and many outputs that is the Jacobian J, and
# its size is the sum of its squared entries, ‖J‖². A **contractive autoencoder** (Rifai et al. 2011) minimises
#
#     mean of  ‖x − g(f(x))‖² + weight · ‖J(x)‖²
#
# !!! question "What do you expect?"
#     The second term alone is easy to please: a constant code has J = 0. The first term alone wants to distinguish
#     every digit from every other. Which of them gives way, and where?

# %%
torch.manual_seed(0)
contractive = ct.tied(64, 32)
ct.fit(contractive, train, ct.objectives.contractive(0.03), **settings)

calm_error = analysis.reconstruction(contractive, test).mean
calm = sensitivity(contractive)
print(f"{'':14}error   ‖Δz‖ / ‖Δx‖   scale-free")
for name, error, found in (("standard", plain_error, plain), ("contractive", calm_error, calm)):
    print(f"{name:12}{error:7.2f}{found.mean:14.2f}{found.scale_free:13.2f}")

# %% [markdown]
# Noise now moves the code less, by both measures. Reconstruction became a little worse, and is still far from the
# mean digit.
#
# ## Where did it give way?
#
# Here is the point of the whole course. The penalty asks the code not to respond in *any* direction. Reconstruction
# opposes it only in directions in which digits really differ. Everywhere else the penalty wins.
#
# !!! question "What do you expect?"
#     Take the principal directions of the digits, from the one along which they vary most to the one along which they
#     vary least. Along which will the contractive code still move?

# %%
models = {"standard": standard, "contractive": contractive}
measured = {name: analysis.directions(model.encoder, test) for name, model in models.items()}
plots.directions(measured)

# %% [markdown]
# Each point on the left is one direction; 1 on the vertical axis is a random direction's sensitivity. Both networks
# respond more where the data vary more (ρ is the rank correlation). In the contractive one the difference is
# larger:

# %%
strong, weak = slice(0, 10), slice(30, 40)
for name, found in measured.items():
    moved = found.squared_sensitivities
    ratio = moved[strong].mean() / moved[weak].mean()
    print(f"{name:12} ten strongest directions over the 31st to 40th: {ratio:.1f}")

# %% [markdown]
# That is why less movement can be *better* features: what is lost is mostly what no digit needed. The picture behind
# it is that real data lie near a surface of few dimensions in the space of all inputs. Along the surface the code
# must change; off the surface it need not (Rifai et al. 2011; Bengio, Courville and Vincent 2013).
#
# **Keep three things.**
#
# - A contractive autoencoder adds the squared size of the encoder's Jacobian to the reconstruction error.
# - The two terms pull against each other. The compromise keeps the directions in which the data vary.
# - A raw ratio depends on the scale of the code. Look at the scale-free one as well.
#
# Next: [where the penalty comes from](2_penalty.md), and how to compute it by hand.
#
# ??? abstract "Sources"
#     - Rifai, Vincent, Muller, Glorot and Bengio (2011): Contractive auto-encoders: explicit invariance during
#       feature extraction. ICML.
#     - Bengio, Courville and Vincent (2013): Representation learning: a review and new perspectives. IEEE
#       Transactions on Pattern Analysis and Machine Intelligence 35(8).
