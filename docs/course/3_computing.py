# ruff: noqa: RUF003  Greek letters and minus signs are meant
"""Computing the penalty: four ways that look right and are not, and what the right ones cost."""

# %% [markdown]
# # 3. Computing it, and four wrong ways
#
# *Seven minutes.* Much public code for contractive autoencoders computes something else. The loss falls all the same,
# so nobody notices. Each of the four mistakes below was found in code that people copy. They are worth knowing
# because each teaches something about the penalty.
#
# `ct.check_penalty` runs your function on small encoders of several kinds. It compares value *and* gradient with the
# whole Jacobian by autograd.

# %%
from itertools import pairwise

import torch
from torch import nn

import contractive as ct
from contractive.data import load

digits = torch.from_numpy(load("digits").test)


def verdict(penalty):
    """The check, one line for each encoder."""
    for one in ct.check_penalty(penalty).encoders:
        print(f"{one.encoder:20} {'right' if one else ', '.join(one.mistakes)}")


# %% [markdown]
# ## 1. Sum the units, then differentiate
#
# `code.backward(torch.ones_like(code))`, then square the gradient at x. It looks like "the gradient of the code".
#
# !!! question "What do you expect?"
#     Autograd differentiates one number at a time. Given ones, which number is it?


# %%
def summed_units(encoder, x):
    """Wrong."""
    x = x.clone().requires_grad_()
    code = encoder(x)
    (gradient,) = torch.autograd.grad(code, x, torch.ones_like(code), create_graph=True)
    return gradient.square().sum(1)


verdict(summed_units)

# %% [markdown]
# It is the sum of all units. So this is ‖Jᵀ1‖²: the rows of J are added up, *then* squared. Rows that point in
# opposite directions cancel. A code that moves a lot can get a penalty of zero:

# %%
opposed = nn.Linear(1, 2, bias=False)
with torch.no_grad():
    opposed.weight.copy_(torch.tensor([[5.0], [-5.0]]))  # z = (5x, −5x)
point = torch.ones(1, 1)
cancelled, steep = (norm(opposed, point).item() for norm in (summed_units, ct.squared_norm))
print(f"summed units: {cancelled:.0f}, ‖J‖²: {steep:.0f}")

# %% [markdown]
# Why does nobody notice? Weights start at random with mean zero, and then the cross terms nearly cancel: on a fresh
# network the wrong value is near the right one. Training then finds the hole.
#
# !!! question "What do you expect?"
#     We train one encoder with each penalty, same weight. How do the two *true* norms compare in the end?

# %%
settings = {
    "max_epochs": 20,
    "batch_size": 64,
    "learning_rate": 0.02,
    "schedule": "cosine",
    "progress": False,
}
train = torch.from_numpy(load("digits").train)


def as_term(penalty):
    """A penalty of (encoder, x) as an objective with weight 0.1."""
    term = ct.Term("wrong", 0.1, lambda encode, x: (encode(x), penalty(encode, x)))
    return ct.Objective("wrong", terms=(term,))


true_norms = {}
for name, objective in {
    "no penalty": ct.objectives.standard(),
    "summed units": as_term(summed_units),
    "right": ct.objectives.contractive(0.1),
}.items():
    torch.manual_seed(0)
    model = ct.tied(64, 32)
    fresh = [norm(model.encoder, digits).mean().item() for norm in (ct.squared_norm, summed_units)]
    ct.fit(model, train, objective, **settings)
    true_norms[name] = ct.squared_norm(model.encoder, digits).mean().item()
    wrong = summed_units(model.encoder, digits).mean().item()
    print(f"{name:13} true ‖J‖² {true_norms[name]:6.2f}   as the mistake sees it {wrong:6.2f}")
print(f"before training the two were {fresh[0]:.3f} and {fresh[1]:.3f}")

# %% [markdown]
# The middle row is the trap. The number that it minimises fell even below the last row's. The true norm fell by
# about a third, where the right penalty divides it by four: rows have learned to cancel.
#
# ## 2. The last layer only
#
# The closed form of chapter 2, taken for a deep encoder.
#
# !!! question "What do you expect?"
#     The check has five small encoders: one layer of sigmoid, ReLU or tanh units, two sigmoid layers, three mixed ones.
#     (A penalty that is right for all of them is tried on a sixth, which is larger.) For which is it right?


# %%
def last_layer_only(encoder, x):
    """Right for one sigmoid layer."""
    z = encoder(x)
    last = [module for module in encoder.modules() if isinstance(module, nn.Linear)][-1]
    return (z * (1 - z)).square() @ last.weight.square().sum(1)


verdict(last_layer_only)

# %% [markdown]
# Right for one layer of sigmoids, wrong for all others. It is the Jacobian with respect to the *hidden layer*, and
# nothing penalises the first layers.
#
# !!! question "What do you expect?"
#     By what factor is it wrong on a fresh deep network? Each further layer of sigmoids has slopes of at most a
#     quarter.

# %%
torch.manual_seed(0)
factors = {}
for hidden in ((), (32,), (48, 32), (48, 32, 24)):
    encoder = ct.mlp(64, hidden=hidden, code=16).encoder
    wrong, right = (norm(encoder, digits).mean() for norm in (last_layer_only, ct.squared_norm))
    factors[hidden] = float(wrong.detach() / right.detach())
    print(f"{' - '.join(map(str, (64, *hidden, 16))):22} {factors[hidden]:4.1f} times ‖J‖²")

# %% [markdown]
# A weight chosen for the right penalty would be wrong by that factor, and nothing holds the factor while weights
# change.
#
# ## 3. A copy of the weights
#
# `state_dict()["0.weight"]`, `.data`, a NumPy copy, or a constant made when the loss was built. The formula is right.
# But W is cut from the graph.
#
# !!! question "What do you expect?"
#     How wrong is the value? How wrong is the gradient? Chapter 2 has half of the answer.


# %%
def detached_weight(encoder, x):
    """Wrong in the gradient."""
    z = encoder(x)
    return (z * (1 - z)).square() @ encoder.state_dict()["0.weight"].square().sum(1)


one_layer = nn.Sequential(nn.Linear(64, 32), nn.Sigmoid()).double()
found = ct.check_penalty(detached_weight, one_layer, digits[:20].double()).encoders[0]
print(f"{', '.join(found.mistakes)}: relative error of the value {found.value_error:.0e},")
print(f"of the gradient {found.gradient_error:.2f}")

# %% [markdown]
# Look at the two errors. No test of the *value* will ever find this one. A test of the gradient finds it at once: on
# a fresh network, where every sigmoid is at its steepest, nearly all of the gradient is missing. A copy made only
# once, when the loss was built, goes stale as well: soon the value is wrong too.
#
# ## 4. A sigmoid's slope for another activation
#
# z (1 − z) is the slope of a sigmoid. For tanh it is 1 − z². For ReLU it is 1 or 0.
#
# !!! question "What do you expect?"
#     For a ReLU unit with z = 3, what does z (1 − z) say, and what is true? What will training make of it?


# %%
def sigmoid_slope(encoder, x):
    """Right for a sigmoid."""
    z = encoder(x)
    return (z * (1 - z)).square() @ encoder[0].weight.square().sum(1)


for activation in (nn.Sigmoid(), nn.Tanh(), nn.ReLU()):
    encoder = nn.Sequential(nn.Linear(64, 32), activation).double()
    found = ct.check_penalty(sigmoid_slope, encoder, digits[:20].double()).encoders[0]
    print(f"{type(activation).__name__:8} {'right' if found else ', '.join(found.mistakes)}")

# %% [markdown]
# At z = 3 it takes −6 for the slope, 36 times ‖W_j‖² for the penalty, and the truth is 1. At z = 1 it sees nothing at
# all. It punishes large codes, not steep ones.
#
# Two more, in a line each. **Whole-number division**: `penalty // batch_size` rounds down, and a staircase has
# gradient zero. The Theano tutorial has had it since 2016. **A factor 2**: the gradient written out by hand in the
# code that authors of the paper released is half that of the penalty it reports. Another package returns ‖J‖² / 2.
# A constant factor does no harm if you know it: the weight absorbs it. The check names both:


# %%
def divided(encoder, x):
    """Wrong."""
    return ct.squared_norm(encoder, x, method="exact").sum() // len(x)


def halved(encoder, x):
    """Half the penalty."""
    return ct.squared_norm(encoder, x, method="exact") / 2


for penalty in (divided, halved):
    found = ct.check_penalty(penalty, one_layer, digits[:20].double()).encoders[0]
    print(f"{penalty.__name__:8} {', '.join(found.mistakes)} {found.factor}")

# %% [markdown]
# [Choosing the weight](../choosing-the-weight.md) lists which software has which convention, and what to multiply a
# weight by.
#
# ## What it costs
#
# The whole Jacobian by autograd takes a backward pass for each code unit, at each step. `ct.plan` counts the
# multiplications of every way to ‖J‖² and its gradient, and says which way is taken.
#
# !!! question "What do you expect?"
#     A plain training step, without any penalty, costs about five passes through the encoder. How many such steps
#     does the exact norm cost for one wide layer? For three layers?

# %%
batch = torch.rand(128, 784)
costs = {}
for widths in ((784, 1000), (784, 256, 128, 64)):
    encoder = ct.mlp(784, hidden=widths[1:-1], code=widths[-1]).encoder
    plain_step = 5 * len(batch) * sum(a * b for a, b in pairwise(widths))
    for path, count in ct.plan(encoder, batch).multiplications.items():
        costs[widths, path] = count / plain_step
    print(f"{'-'.join(map(str, widths))}:")
    for path in ("closed form", "exact rows", "code probes"):
        if (widths, path) in costs:
            print(f"    {path:12} {costs[widths, path]:8.3f} plain steps")

# %% [markdown]
# One layer: the closed form is free. Three layers: exact costs many plain steps even when done cleverly, the estimate
# less than one. These are counts; [Performance](../performance.md) has times.
#
# The estimate, `code probes`, takes *one* random row vᵀJ in place of all 64. If E[v vᵀ] = I, then E‖vᵀJ‖² = ‖J‖²: it
# is **unbiased** (Hutchinson 1989; Hoffman, Roberts and Yaida 2019). Compare mistake 1: that was v = (1, …, 1), the
# same at every step. Random signs are the whole difference.
#
# !!! question "What do you expect?"
#     How far is one draw off for one digit? For the mean of a batch of 128?

# %%
generator = torch.Generator().manual_seed(0)
encoder = ct.mlp(64, hidden=(48,), code=32).encoder
rows = digits[:128]
exact = ct.squared_norm(encoder, rows, method="exact").detach()
settings = {"method": "probes", "generator": generator}
draws = torch.stack([ct.squared_norm(encoder, rows, **settings).detach() for _ in range(300)])
mean = exact.mean()
single = float((draws - exact).square().mean().sqrt() / mean)
batch_mean = float((draws.mean(1) - mean).square().mean().sqrt() / mean)
bias = float(draws.mean() / mean - 1)
print(f"typical error of one digit {single:.0%}, of a batch's mean {batch_mean:.1%}")
print(f"mean of all 300 draws: {bias:+.2%} off")

# %% [markdown]
# Noisy for one digit, good for a batch, right on average. Gradient descent needs no more. `method="auto"` chooses
# ([Choosing the penalty](../choosing-the-weight.md)); validation is always exact.
#
# **Keep three things.**
#
# - Square first, then sum: over units, over all layers, with the weights in the graph and the right slope.
# - A value that is right proves nothing about its gradient. Check both.
# - One layer: closed form. Deep: one random row of J, unbiased.
#
# Next: [how large a weight?](4_weight.md)
#
# ??? abstract "Sources"
#     - Summed units: [forum thread 12124](https://discuss.pytorch.org/t/deep-contractive-autoencoder/12124).
#       Whole-number division: [DeepLearningTutorials, issue
#       164](https://github.com/lisa-lab/DeepLearningTutorials/issues/164).
#     - Hutchinson (1989): A stochastic estimator of the trace of the influence matrix for Laplacian smoothing
#       splines. Communications in Statistics 18(3).
#     - Hoffman, Roberts and Yaida (2019): Robust learning with Jacobian regularization. arXiv 1908.02729.
#     - Rifai, Vincent, Muller, Glorot and Bengio (2011): Contractive auto-encoders. ICML.
