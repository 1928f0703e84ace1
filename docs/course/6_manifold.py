# ruff: noqa: RUF003  Greek letters and minus signs are meant
"""The manifold view: contraction is local, few directions survive, and they are tangents of the data."""

# %% [markdown]
# # 6. The manifold
#
# *Six minutes.* A thick or thin stroke, a slant, a shift: a handful of changes turn one 3 into another. The digits
# lie near a surface of few dimensions in the space of 64. A contractive encoder should respond along that surface
# and not off it. Does it?

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

objectives = {
    "standard": ct.objectives.standard(),
    "contractive": ct.objectives.contractive(0.1),
}
models = {}
for name, objective in objectives.items():
    torch.manual_seed(0)
    models[name] = ct.tied(64, 32)
    ct.fit(models[name], train, objective, **settings)

# %% [markdown]
# ## Contraction is local
#
# The penalty is paid at the training digits and nowhere else.
#
# !!! question "What do you expect?"
#     Order by ‖J‖ of the contractive encoder: at training digits, at test digits, half-way between two digits, at
#     places as far from the mean digit as digits are, but in random directions.

# %%
where = {}
for name, model in models.items():
    seed = torch.Generator().manual_seed(0)
    norms = analysis.evaluation_points(model.encoder, train, test, generator=seed).norms
    where[name] = {place: float(found.frobenius.median()) for place, found in norms.items()}

print("median of ‖J‖    standard   contractive   ratio")
for place in ("training", "test", "midpoints", "same distance"):
    plain, calm = where["standard"][place], where["contractive"][place]
    print(f"{place:14}{plain:11.2f}{calm:14.2f}{calm / plain:8.2f}")

# %% [markdown]
# The encoder is least sensitive at digits, seen or unseen, and more sensitive between them and away from them. The
# differences are modest. Part of them is in the standard network too, as the column of ratios shows: at digits the
# penalty has halved the norm, away from them it has done a little less.
#
# Rifai et al. (2011, Figure 1) draw it as a curve. Start at a digit, go a distance r in a random direction, and
# divide the movement of the code by r.
#
# !!! question "What do you expect?"
#     Far out the sigmoids run into their limits, so the ratio must fall in the end. Must it fall all the way?

# %%
curves = {}
for name, model in models.items():
    seed = torch.Generator().manual_seed(0)
    curve = curves[name] = analysis.contraction_curve(model.encoder, test, generator=seed)
    peak = int(curve.mean.argmax())
    print(f"{name:12} nearby {curve.mean[0]:.3f}, ", end="")
    print(f"highest {curve.mean[peak]:.3f} at r = {curve.radii[peak]:.1f}")
plots.contraction_curves(curves)

# %% [markdown]
# It need not, and it does not: the curve **rises, then falls**. The penalty has flattened the map near each digit.
# Farther out it is steeper, and only then do the sigmoids reach their limits. Rifai et al. know their networks by
# this rise and fall. Here it is slight; on MNIST theirs goes from about 0.27 up to 0.40 (read off [the
# plot](../papers.md)).
#
# ## Few directions survive
#
# The singular values of J say how far the code moves along 32 orthogonal directions, strongest first.
#
# !!! question "What do you expect?"
#     The penalty is their sum of squares. Will all shrink by the same factor?

# %%
spectra = {name: analysis.spectra(model.encoder, test) for name, model in models.items()}
for name, found in spectra.items():
    first, fifth, twentieth = (found.mean[at] for at in (0, 4, 19))
    print(f"{name:12} 1st {first:.2f}, 5th {fifth:.2f}, 20th {twentieth:.2f}; ", end="")
    print(f"effective rank {found.entropy_rank.median():.1f}")
plots.spectra(spectra)

# %% [markdown]
# No. The first falls by less than a half, the twentieth to less than a fifth. Weak directions go first: in each
# direction the penalty costs the same, but reconstruction gains only as much as the data vary there. For a linear
# encoder that can be worked out ([Illustrations](../illustrations.md), principal directions). The *effective rank*,
# how many directions count, falls to about half.
#
# ## Tangents
#
# The surviving directions are the leading right singular vectors of J. If the picture is right, they are
# **tangents**: the changes that turn a digit into its neighbours (Rifai et al., The Manifold Tangent Classifier,
# 2011).
#
# !!! question "What do you expect?"
#     Below are two digits' leading directions, orange where they add ink and blue where they take it away. What would
#     a tangent look like? And a direction that is none?

# %%
labels = torch.from_numpy(split.labels[2])
examples, digits = analysis.one_per_class(test, labels)
chosen = examples[[0, 3]]
headings = [f"digit {int(digits[at])}" for at in (0, 3)]
encoder = models["contractive"].encoder
tangents = analysis.tangents(encoder, chosen, num_tangents=4)
plots.tangents(tangents, headings, image=(8, 8))

# %% [markdown]
# Orange beside blue: ink is taken away here and put down there. A stroke moves. A direction that is no tangent would
# be spread over all pixels like noise. With 8 × 8 pixels that is as much as one can see.
#
# Is that more than an impression? Take the steps from each digit to its nearest neighbours and ask which share of
# them (squared) lies within five tangents.
#
# !!! question "What do you expect?"
#     Five random directions of 64 hold 5 / 64 of a step. What else must be beaten before tangents may be called good?

# %%
agreement = {}
for name, model in models.items():
    seed = torch.Generator().manual_seed(0)
    found = analysis.tangent_agreement(model.encoder, test, num_tangents=5, generator=seed)
    agreement[name] = found
    print(f"{name:22} {found.mean_share:.0%}")
print(f"five random directions {found.expected_random:.0%}")
print(f"five main directions   {found.principal_shares.mean():.0%} (of all digits together)")

# %% [markdown]
# The tangents of the contractive network hold more than twice as much of a step as those of the standard one, which
# are hardly better than chance. The last line is the baseline: five directions from principal components, the same
# for *all* digits, do nearly as well. On so small a data set curvature buys little. A picture without that line
# would have looked better and said less.
#
# ## Walk
#
# Now go along the first tangent, x + t v, and look at what is reconstructed.
#
# !!! question "What do you expect?"
#     The input above is a straight line and soon no digit any more. What will the output below be?

# %%
steps = (-3, -2, -1, 0, 1, 2, 3)
walks = analysis.walks(models["contractive"], chosen, tangents.basis[:, 0], steps)
plots.walks(walks, headings, image=(8, 8))

# %% [markdown]
# The walk changes what is drawn, smoothly: the hole of the 0 fills, the foot of the 3 shifts. And the output stays
# tamer than the input. Numbers, for all test digits: how far the output moves along the first tangent and along a
# random direction, and how far a walker of length 3 is from the nearest training digit, before and after going
# through the network.

# %%
model = models["contractive"]
tangent = analysis.tangents(model.encoder, test, num_tangents=1).basis[:, 0]
random = torch.randn(test.shape, generator=torch.Generator().manual_seed(0))
moves = {}
for name, direction in {"tangent": tangent, "random": random}.items():
    walk = analysis.walks(model, test, direction, (0, 1, 3))
    start, one, far = walk.reconstructions.unbind(1)
    moved = float((one - start).norm(dim=1).mean())
    ends = (walk.inputs[:, 2], far)
    before, after = (float(torch.cdist(x, train).amin(1).mean()) for x in ends)
    moves[name] = moved, before, after
    print(f"{name:8} output moves {moved:.2f}   distance to data {before:.2f}, after {after:.2f}")

# %% [markdown]
# Along the tangent the output moves more than twice as far as along a random direction: that is what a tangent is.
# And after a walk that has left the digits far behind, the network brings the walker back to about half the distance
# or less. It lets you move along the surface and pulls you back to it. What this has to do with the density of the
# data is at the end of the next page.
#
# **Keep three things.**
#
# - J is a local statement. The encoder is insensitive near the data, not everywhere.
# - The penalty takes the weak directions first. What survives is a low-dimensional set of tangents.
# - Check pictures with numbers, and numbers with a baseline.
#
# Next: [exercises](7_exercises.md).
#
# ??? abstract "Sources"
#     - Rifai, Vincent, Muller, Glorot and Bengio (2011): Contractive auto-encoders: explicit invariance during
#       feature extraction. ICML. Figures 1 and 2.
#     - Rifai, Dauphin, Vincent, Bengio and Muller (2011): The manifold tangent classifier. NIPS.
#     - Effective rank: Roy and Vetterli (2007): The effective rank: a measure of effective dimensionality. EUSIPCO;
#       here with squared singular values ([Analysis](../analysis.md)).
