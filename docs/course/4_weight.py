"""The weight: what a contraction costs, how to choose it, and two ways to fool yourself."""

# %% [markdown]
# # 4. How large a weight?
#
# *Seven minutes.* The weight is an exchange rate: how much reconstruction you give for one unit less of ‖J‖². There
# is no good number to copy, since it depends on the scale of the data, on the widths and on the loss. There is a good
# *question*.

# %%
import torch

import contractive as ct
from contractive import analysis, plots
from contractive.data import load

split = load("digits")
parts = (split.train, split.validation, split.test)
train, validation, test = (torch.from_numpy(part) for part in parts)
settings = {
    "max_epochs": 20,
    "batch_size": 64,
    "learning_rate": 0.02,
    "schedule": "cosine",
    "progress": False,
}


def trained(objective, build=lambda: ct.tied(64, 32)):
    """A network from the same start, and its history."""
    torch.manual_seed(0)
    model = build()
    return model, ct.fit(model, train, objective, **settings)


def figures(model):
    """Error, ‖J‖², scale-free sensitivity to noise of 0.1, on test digits."""
    noise, seed = ct.objectives.Gaussian(0.1), torch.Generator().manual_seed(0)
    moved = analysis.sensitivity(model.encoder, test, noise, generator=seed)
    norm = ct.squared_norm(model.encoder, test, method="exact").detach().mean()
    return analysis.reconstruction(model, test).mean, float(norm), moved.scale_free


# %% [markdown]
# ## A sweep
#
# !!! question "What do you expect?"
#     Seven weights, from 0 to 1. Error and ‖J‖² are easy to guess: one up, one down. Does the scale-free sensitivity
#     always fall along with ‖J‖²?

# %%
weights = (0, 0.001, 0.003, 0.01, 0.03, 0.1, 1)
models, histories, table = {}, {}, {}
for weight in weights:
    models[weight], histories[weight] = trained(ct.objectives.contractive(weight))
    table[weight] = figures(models[weight])

print("weight    error    ‖J‖²   scale-free")
for weight, (error, norm, free) in table.items():
    print(f"{weight:<6}{error:9.2f}{norm:8.2f}{free:13.2f}")

# %% [markdown]
# Read the table from top to bottom. Small weights remove sensitivity almost without cost in reconstruction. Larger
# weights become expensive. You have seen the row of 0.03 in chapter 1.
#
# And the last row: the smallest ‖J‖² of all, and the *largest* scale-free sensitivity. What happened?

# %%
constant = float((test - train.mean(0)).square().sum(1).mean())
print(f"error of the mean digit: {constant:.2f}")
stuck = analysis.codes(models[1].encoder, test).saturation
print(f"activations below 0.05 or above 0.95: {stuck:.0%}")
print(*histories[1].warnings[0].split(". "), sep=".\n")

# %% [markdown]
# ## Collapse
#
# The network gave up. Its error is worse than that of a constant. Nearly all units are stuck at 0 or 1, the code
# hardly varies, and what little still moves is noise as much as signal. Hence the scale-free figure: little movement,
# divided by even less spread.
#
# Had you looked at the raw norm alone, you would have called it the best row. `fit` warns of a collapse, in a
# `CollapseWarning` and in `history.warnings`. The remedy: a tenth of the weight.

# %%
inside = [weight for weight in weights if 0 < weight < 1]
measures = {"Reconstruction error": 0, "Scale-free sensitivity": 2}
lines = {name: [table[weight][at] for weight in inside] for name, at in measures.items()}
plots.weight_curves(inside, lines, without={name: table[0][at] for name, at in measures.items()})

# %% [markdown]
# ## Choose an error increase
#
# So choose the *error increase*, not the weight: how much worse than without penalty may reconstruction become? Ten
# per cent is a good start. The library finds the weight while it trains, on validation data.
#
# !!! question "What do you expect?"
#     Between which two rows of the table will the weight for an error increase of 10 % lie?

# %%
torch.manual_seed(0)
penalised = ct.tied(64, 32)
history = ct.fit_with_max_error_increase(
    penalised,
    train,
    ct.objectives.contractive(),
    validation=validation,
    max_error_increase=0.1,
    **settings | {"max_epochs": 40},  # the penalty acts on the second half
)
found_weight, paid = history["weight"][-1], history["error_increase"][-1]
print(f"weight {found_weight:.3f}, error increase on validation data {paid:.1%}")

rule = 0.1 * table[0][0] / table[0][1]
print(f"rule of thumb, error increase · error / ‖J‖²: {rule:.4f}")

# %% [markdown]
# It lies where the error column says it should. The search costs a little more than two plain runs. The limit is
# met nearly, not exactly; the longer the training, the nearer. The rule of thumb below it starts a search by hand;
# it comes out far too small, because the first part of ‖J‖² can be removed at almost no cost. The scikit-learn
# estimator and the command line say `weight="auto"` and `--weight auto`; several runs side by side are [a
# sweep](../sweep.md).
#
# Never choose the weight by the reconstruction error. It always prefers 0. If you have labels, search over the error
# increase ([Choosing the weight](../choosing-the-weight.md)).
#
# ## Tied or untied?
#
# Until now the decoder was the encoder's transpose. Why? Let it go, with a linear code to make it plain.
#
# !!! question "What do you expect?"
#     Divide the encoder's weights by ten and multiply the decoder's by ten. What becomes of the reconstruction, of
#     ‖J‖², of the scale-free sensitivity?

# %%
linear = {"activation": "linear", "output": "linear"}
untied, _ = trained(ct.objectives.standard(), lambda: ct.mlp(64, code=32, **linear))
before = figures(untied)
with torch.no_grad():
    for parameter in untied.encoder.parameters():
        parameter.div_(10)
    untied.decoder[0].weight.mul_(10)
after = figures(untied)
for name, (error, norm, free) in {"before": before, "after": after}.items():
    print(f"{name:7} error {error:.3f}   ‖J‖² {norm:7.3f}   scale-free {free:.3f}")

# %% [markdown]
# A hundredth of the penalty, for nothing. *Nothing was learned.* Training finds this by itself:

# %%
kept, _ = trained(ct.objectives.contractive(0.1), lambda: ct.tied(64, 32, **linear))
escaped, _ = trained(ct.objectives.contractive(1), lambda: ct.mlp(64, code=32, **linear))
pair = {"tied, weight 0.1": figures(kept), "untied, weight 1": figures(escaped)}
for name, (error, norm, free) in pair.items():
    print(f"{name:17} error {error:.2f}   ‖J‖² {norm:6.2f}   scale-free {free:.3f}")

# %% [markdown]
# Both filter noise equally well. The raw norms differ by more than a factor of ten. Rifai et al. (2011, footnote 2)
# tied the weights for just this reason: tying precludes "a mere global contracting scaling in the encoder and
# expansion in the decoder".
#
# Untied decoders are allowed. But then the raw norm is no measure of success: compare scale-free figures.
#
# **Keep three things.**
#
# - The first part of the contraction is nearly free, the last part destroys the code. Look for the knee.
# - Choose an error increase, let the weight be found.
# - A small raw norm can mean contraction, collapse or a rescaled code. The scale-free figure tells them apart.
#
# Next: [relatives of contraction](5_relatives.md).
#
# ??? abstract "Sources"
#     - Rifai, Vincent, Muller, Glorot and Bengio (2011): Contractive auto-encoders: explicit invariance during
#       feature extraction. ICML.
#     - The search for a weight by its error increase follows Rezende and Viola (2018): Taming VAEs. arXiv 1810.00597.
