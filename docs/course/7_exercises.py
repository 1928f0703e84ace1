# ruff: noqa: RUF003  Greek letters and minus signs are meant
"""Exercises with solutions, and what comes after contractive autoencoders."""

# %% [markdown]
# # 7. Exercises, and what comes after
#
# *One minute to read, half an hour to do.* Each exercise asks for a guess first. Write it down: a guess that was
# wrong is what you learn from. Solutions open with a click.

# %%
import torch
from sklearn.linear_model import LogisticRegression
from torch import nn

import contractive as ct
from contractive import analysis, plots
from contractive.data import load

split = load("digits")
train, test = torch.from_numpy(split.train), torch.from_numpy(split.test)
labels, test_labels = (torch.from_numpy(split.labels[part]) for part in (0, 2))
settings = {
    "max_epochs": 20,
    "batch_size": 64,
    "learning_rate": 0.015,
    "schedule": "cosine",
    "progress": False,
}


def trained(objective, build=lambda: ct.tied(64, 32)):
    """A network from the same start."""
    torch.manual_seed(0)
    model = build()
    ct.fit(model, train, objective, **settings)
    return model


def scale_free(model):
    """Scale-free sensitivity of the code to noise of 0.1."""
    noise, seed = ct.objectives.Gaussian(0.1), torch.Generator().manual_seed(0)
    return analysis.sensitivity(model.encoder, test, noise, generator=seed).scale_free


# %% [markdown]
# ## 1. Four weights
#
# Train `ct.mlp(64, hidden=(64,), code=32)`, a deeper network with an untied decoder, with the weights 0.001, 0.01,
# 0.1 and 1.
#
# !!! question "Guess first"
#     Which weights are nearly free? Which collapses? By what factors do ‖J‖² and the scale-free sensitivity fall from
#     the first to the last, and why do these differ?

# %% answer
four = {}
print("weight   error    ‖J‖²   scale-free")
for weight in (0.001, 0.01, 0.1, 1.0):
    objective = ct.objectives.contractive(weight)
    model = trained(objective, lambda: ct.mlp(64, hidden=(64,), code=32))
    error = analysis.reconstruction(model, test).mean
    norm = float(ct.squared_norm(model.encoder, test).detach().mean())
    four[weight] = error, norm, scale_free(model)
    print("{:<6}{:8.2f}{:8.2f}{:13.2f}".format(weight, *four[weight]))

# %% [markdown] answer
# The first two are nearly free. None collapses: even the last error is below that of the mean digit, 4.74 in chapter
# 1. ‖J‖² falls more than fifty-fold, the scale-free figure about fivefold. Most of the fall of the raw norm is a code
# that became smaller, which an untied decoder allows (chapter 4).

# %% [markdown]
# ## 2. Against denoising
#
# Train a denoising autoencoder with Gaussian noise of σ = 0.3, and contractive ones with weights from 0.01 to 0.1.
# Compare them at about the same reconstruction error.
#
# !!! question "Guess first"
#     Which rebuilds the clean digit better from an input with noise of 0.3? Whose code is less sensitive to noise
#     of 0.1? A linear classifier is fitted to clean codes: which does better on clean digits, and on noisy ones?

# %% answer
objectives = {"standard": ct.objectives.standard(), "denoising 0.3": ct.objectives.denoising(0.3)}
for weight in (0.01, 0.03, 0.05, 0.1):
    objectives[f"contractive {weight}"] = ct.objectives.contractive(weight)
noisy = ct.objectives.Gaussian(0.3)(test, torch.Generator().manual_seed(1))
duel = {}
print(f"{'':18}error  from noise  scale-free  accuracy  with noise")
for name, objective in objectives.items():
    model = trained(objective)
    with torch.no_grad():
        rebuilt = float((model(noisy) - test).square().sum(1).mean())
        classifier = LogisticRegression(max_iter=2000).fit(model.encode(train), labels)
        right = [classifier.score(model.encode(x), test_labels) for x in (test, noisy)]
    error = analysis.reconstruction(model, test).mean
    duel[name] = error, rebuilt, scale_free(model), *right
    print("{:17}{:6.2f}{:12.2f}{:12.2f}{:10.1%}{:12.1%}".format(name, *duel[name]))
noisy_share = duel["denoising 0.3"][-1]
uncertain = (noisy_share * (1 - noisy_share) / len(test)) ** 0.5
print(f"standard error of an accuracy with noise: {uncertain:.1%}")

# %% [markdown] answer
# Take weight 0.05, whose error is nearest. Denoising is a little better at what it was trained for, rebuilding from
# noise of 0.3. The contractive code is about as sensitive. On clean digits all classifiers do alike; on noisy ones both
# penalised networks beat the standard one. Which of the two is better cannot be decided with these rows: their
# difference is about one standard error, and it is one seed. `contractive compare` asks the question properly, at one
# error increase for all and with several seeds.

# %% [markdown]
# ## 3. Jacobians as pictures
#
# Draw the Jacobian of a contractive encoder at a 0, a 1, a 4 and an 8: where each pixel moves the code, which
# directions move it most, which least.

# %%
examples, digits = analysis.one_per_class(test, test_labels)
chosen = [0, 1, 4, 8]
# the model is the last of the exercise above, contractive with weight 0.1
measured = analysis.example_jacobians(model.encoder, examples[chosen])
names = [str(int(digits[at])) for at in chosen]
plots.jacobian_pictures(examples[chosen].numpy(), measured, names, (8, 8))

# %% [markdown]
# !!! question "Guess first"
#     Is the code sensitive where the ink is? Which pixels does it hardly feel, and why? What do the most felt
#     directions avoid?

# %% answer
still = train.std(0) < 0.02  # pixels that hardly vary
ink, felt = examples[chosen], measured.feature_norms
for name, per_pixel in zip(names, felt, strict=True):
    others = per_pixel[~still].mean()
    print(f"digit {name}: still pixels {per_pixel[still].mean():.2f}, all others {others:.2f}")
least = measured.most_contracted(3).square()[:, :, still].sum(2).mean()
most = measured.least_contracted(3).square()[:, :, still].sum(2).mean()
print(f"share of the most felt directions on still pixels {most:.0%}, ", end="")
print(f"of the least felt {least:.0%}; by chance {still.float().mean():.0%}")
both = torch.stack([train.std(0).expand_as(felt).flatten(), felt.flatten()])
alike = float(torch.corrcoef(both)[0, 1])
with_ink = float(torch.corrcoef(torch.stack([ink.flatten(), felt.flatten()]))[0, 1])
print(f"correlation with ink {with_ink:.2f}, with the pixels' deviation {alike:.2f}")

# %% [markdown] answer
# Only in part. Sensitivity goes less with the ink of *this* digit than with how much a pixel varies over *all*
# digits. The still pixels lie in the outermost columns: they are blank nearly always, reconstruction has no use for
# them, and the penalty wins. The most felt directions avoid them. The least felt ones do not: they have their share
# there.

# %% [markdown]
# ## 4. Your own closed form
#
# Write the penalty of one **softplus** layer, z = log(1 + e^a), without autograd. `check_penalty` reports whether
# it is right.
#
# !!! question "Hint"
#     The derivative of softplus is a sigmoid. Can you write it in terms of z alone?


# %% answer
def softplus_layer(encoder, x):
    """‖J‖² of one softplus layer, whose slope is sigmoid(a) = 1 - exp(-z)."""
    z = encoder(x)
    return (1 - torch.exp(-z)).square() @ encoder[0].weight.square().sum(1)


layer = nn.Sequential(nn.Linear(64, 32), nn.Softplus()).double()
own = ct.check_penalty(softplus_layer, layer, test[:20].double())
print(own)

# %% [markdown]
# ## What comes after
#
# **Generating.** A contractive autoencoder is no model of the data's density. It can still be walked: move along the
# tangents, project back, repeat (Rifai et al. 2012; `ct.analysis.sampling`). **Variational autoencoders** make the
# encoder a distribution and give the code a prior, so that one can draw from it (Kingma and Welling 2014).
#
# **Regularised autoencoders** turn that around: keep the encoder deterministic, regularise the decoder, by its
# gradient for instance, and fit a density to the codes afterwards (Ghosh et al. 2020). The decoder's Jacobian plays
# the part that the encoder's has played here.
#
# **Scores.** Let r be the best denoiser (chapter 5). For small σ, (r(x) − x) / σ² is the gradient of the log-density
# of the data, its *score* (Alain and Bengio 2014; Vincent 2011). Estimate it at many noise levels and follow it: that
# is the core of score-based generation (Song and Ermon 2019). `analysis.vector_field` measures the score of your own
# autoencoder.
#
# **Tangents at work.** A classifier may be trained not to change along the tangents an encoder has found: the manifold
# tangent classifier (Rifai et al. 2011; `ct.ManifoldTangentClassifier`).
#
# In this library: [your own data](../data.md), the [scikit-learn estimators](../scikit-learn.md), every
# [measure](../analysis.md), eight [phenomena](../illustrations.md) with a page each, and how our figures compare with
# the [papers'](../papers.md).
#
# ??? abstract "Sources"
#     - Alain and Bengio (2014): What regularized auto-encoders learn from the data-generating distribution. JMLR 15.
#     - Ghosh, Sajjadi, Vergari, Black and Schölkopf (2020): From variational to deterministic autoencoders. ICLR.
#     - Kingma and Welling (2014): Auto-encoding variational Bayes. ICLR.
#     - Rifai, Dauphin, Vincent, Bengio and Muller (2011): The manifold tangent classifier. NIPS.
#     - Rifai, Bengio, Dauphin and Vincent (2012): A generative process for sampling contractive auto-encoders. ICML.
#     - Song and Ermon (2019): Generative modeling by estimating gradients of the data distribution. NeurIPS.
#     - Vincent (2011): A connection between score matching and denoising autoencoders. Neural Computation 23(7).
