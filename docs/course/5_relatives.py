# ruff: noqa: RUF003  Greek letters and minus signs are meant
"""Relatives of contraction: denoising, sparse codes, binary codes, and codes larger than the input."""

# %% [markdown]
# # 5. Relatives
#
# *Seven minutes.* There are other ways to a good code: add noise, or keep most units silent. How are they related to
# contraction? Each link is often quoted and often quoted wrongly. We measure.

# %%
import torch

import contractive as ct
from contractive import analysis, plots
from contractive.data import load

split = load("digits")
train, test = torch.from_numpy(split.train), torch.from_numpy(split.test)
settings = {
    "max_epochs": 20,
    "batch_size": 64,
    "learning_rate": 0.02,
    "schedule": "cosine",
    "progress": False,
}


def trained(objective, code=32):
    """A tied network from the same start."""
    torch.manual_seed(0)
    model = ct.tied(64, code)
    ct.fit(model, train, objective, **settings)
    return model


def scale_free(model):
    """Scale-free sensitivity of the code to noise of 0.1."""
    noise, seed = ct.objectives.Gaussian(0.1), torch.Generator().manual_seed(0)
    return analysis.sensitivity(model.encoder, test, noise, generator=seed).scale_free


def norm(function, x=test):
    """Mean ‖J‖² of a function."""
    return float(ct.squared_norm(function, x, method="exact").detach().mean())


standard = trained(ct.objectives.standard())

# %% [markdown]
# ## Denoising
#
# A denoising autoencoder gets x + e and must give back x (Vincent et al. 2008). Write r = g ∘ f for the
# reconstruction, and expand for small σ:
#
#     E‖r(x + e) − x‖² = ‖r(x) − x‖² + σ² ( ‖J_r‖² + (r(x) − x) · Δr(x) ) + …
#
# The first term is plain reconstruction (Bishop 1995; Alain and Bengio 2014). Look at the second: it is the
# Jacobian of the whole reconstruction **r**, not of the encoder. The third is small only where reconstruction is
# good.
#
# !!! question "What do you expect?"
#     Measure (E‖r(x + e) − x‖² − ‖r(x) − x‖²) / σ² on a trained network. Which is nearer to it, ‖J_r‖² or ‖J_f‖²?
#     What about a network before training?


# %%
def effect_of_noise(r, x, sigma=0.02, draws=200):
    """What noise adds to the error, over σ²; each draw is taken with both signs, for accuracy."""
    generator = torch.Generator().manual_seed(0)
    total = 0.0
    with torch.no_grad():
        for _ in range(draws):
            e = sigma * torch.randn(x.shape, generator=generator, dtype=x.dtype)
            noisy = ((r(x + e) - x).square() + (r(x - e) - x).square()) / 2
            total += float((noisy - (r(x) - x).square()).sum(1).mean())
    return total / draws / sigma**2


torch.manual_seed(0)
fresh = ct.tied(64, 32)
link = {}
for name, model in {"before training": fresh.double(), "trained": standard.double()}.items():
    x = test.double()
    link[name] = effect_of_noise(model, x), norm(model, x), norm(model.encoder, x)
    print("{:16} measured {:5.2f}   ‖J_r‖² {:5.2f}   ‖J_f‖² {:5.2f}".format(name, *link[name]))
standard = standard.float()

# %% [markdown]
# After training it is ‖J_r‖²; ‖J_f‖² is a different number. Before training neither fits: the third term still
# counts.
#
# So: **denoising contracts the reconstruction, the contractive penalty the encoder.** The two are related, not the
# same. Since r contains f, one often brings the other:

# %%
cousins = {
    "standard": standard,
    "denoising": trained(ct.objectives.denoising(0.3)),
    "contractive": trained(ct.objectives.contractive(0.03)),
}
table = {}
print(f"{'':12}{'error':>7}{'‖J_f‖²':>9}{'‖J_r‖²':>9}{'scale-free':>13}")
for name, model in cousins.items():
    error = analysis.reconstruction(model, test).mean
    table[name] = error, norm(model.encoder), norm(model), scale_free(model)
    print("{:12}{:7.2f}{:9.2f}{:9.2f}{:13.2f}".format(name, *table[name]))

# %% [markdown]
# Noise of 0.3 is not small, so the expansion no longer holds to the letter. Still both have the same effect: a less
# sensitive code at some cost in reconstruction. What differs: denoising draws a random number for every pixel, the
# penalty is deterministic and tells you the derivative it has reached.
#
# ## Sparse codes
#
# Rifai et al. (2011) argue that a sparse code should contract too: a silent sigmoid is a flat sigmoid.
#
# !!! question "What do you expect?"
#     A penalty on activity, no Jacobian in the objective. Will ‖J‖² fall? Will the scale-free sensitivity?

# %%
sparse_table = {}
print("weight   mean activation    ‖J‖²   scale-free")
for weight in (0, 0.1, 0.3, 1):
    model = trained(ct.objectives.sparse(weight, target=0.05))
    activity = float(analysis.codes(model.encoder, test).mean.mean())
    sparse_table[weight] = activity, norm(model.encoder), scale_free(model)
    print("{:<6}{:18.2f}{:8.2f}{:13.2f}".format(weight, *sparse_table[weight]))

# %% [markdown]
# ‖J‖² falls, the scale-free sensitivity does not. The code moves less because there is *less code*: silent units
# neither move nor vary. So the argument holds for the raw norm only. [Illustrations](../illustrations.md) takes it
# apart.
#
# ## Saturation
#
# Chapter 2 found two ways for a sigmoid unit to be insensitive: small weights, or saturation. With tied weights the
# first is expensive, as the decoder needs those weights.
#
# !!! question "What do you expect?"
#     What will a histogram of the activations look like as the weight grows?

# %%
firm = trained(ct.objectives.contractive(0.1))
codes = {
    "standard": analysis.codes(standard.encoder, test),
    "contractive": analysis.codes(firm.encoder, test),
}
for name, found in codes.items():
    saturated, bit = found.saturation, found.bit_entropy
    print(f"{name:12} below 0.05 or above 0.95: {saturated:.0%};   a unit tells {bit:.2f} bit")
plots.code_histograms(codes)

# %% [markdown]
# Each row is a unit, the horizontal axis its activation. Mass moves to the two ends: the code becomes nearly
# **binary**. Rifai et al. (2011, Table 1) report the same of MNIST: 86 % saturated, against 50 % without.
#
# The bits show what it costs. Some units are at the *same* end for every digit and carry no information. Lower
# weights saturate fewer and keep them all in use.
#
# ## More units than pixels
#
# A code with 256 units for 64 pixels could just copy its input. No bottleneck is in the way. Only a penalty can be.
#
# !!! question "What do you expect?"
#     From 32 to 256 units: does noise come through more easily, with and without penalty?

# %%
wide = {}
narrow = {0: standard, 0.03: cousins["contractive"]}
for code in (32, 256):
    for weight in (0, 0.03):
        model = narrow[weight] if code == 32 else trained(ct.objectives.contractive(weight), code)
        error = analysis.reconstruction(model, test).mean
        wide[code, weight] = error, scale_free(model)
        print(f"{code:3} units, weight {weight:<4}", end="   ")
        print("error {:.2f}   scale-free {:.2f}".format(*wide[code, weight]))

# %% [markdown]
# Without a penalty, width lets nearly all noise through: 1 would be a copy. With it, the wide code filters about as
# well as the narrow one *and* reconstructs better than the narrow one without any penalty. The penalty, and no longer
# the width, decides what the code ignores.
#
# **Keep three things.**
#
# - Denoising penalises J of r = g ∘ f, and only for small noise and good reconstruction is that all it does.
# - Sparse codes have a small ‖J‖². That alone does not make a code robust to noise.
# - With tied sigmoids, contraction makes codes binary, and too much of it makes them constant.
#
# Next: [the manifold](6_manifold.md).
#
# ??? abstract "Sources"
#     - Vincent, Larochelle, Bengio and Manzagol (2008): Extracting and composing robust features with denoising
#       autoencoders. ICML.
#     - Bishop (1995): Training with noise is equivalent to Tikhonov regularization. Neural Computation 7(1).
#     - Alain and Bengio (2014): What regularized auto-encoders learn from the data-generating distribution. JMLR 15.
#     - Rifai, Vincent, Muller, Glorot and Bengio (2011): Contractive auto-encoders: explicit invariance during
#       feature extraction. ICML.
