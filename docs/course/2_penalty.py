# ruff: noqa: RUF003  Greek letters and minus signs are meant
"""The penalty: from the movement of the code to the squared Frobenius norm of the Jacobian, by hand."""

# %% [markdown]
# # 2. The penalty
#
# *Seven minutes.* Take a pencil. First we see why it is the Frobenius norm and no other. Then we compute it for one
# sigmoid layer by hand and let autograd check us. Then the encoder gets deeper.

# %%
import torch
from torch import nn

import contractive as ct
from contractive.data import load

# double precision: we want to see our own errors, not those of rounding
digits = torch.from_numpy(load("digits").test).double()

# %% [markdown]
# ## From movement to a norm
#
# Move the input by a small e. To first order the code moves by J e, where J has one row for each code unit and one
# column for each pixel. Now let e be noise: every pixel independent, standard deviation σ, so that E[e eᵀ] = σ² I.
# Then
#
#     E‖J e‖² = E[eᵀ Jᵀ J e] = trace(Jᵀ J E[e eᵀ]) = σ² trace(Jᵀ J) = σ² ‖J‖²
#
# The trace of JᵀJ is the sum of all squared entries of J: the squared **Frobenius norm**. So no norm has been chosen.
# Noise that treats all directions alike chose it.
#
# !!! question "What do you expect?"
#     Below, E‖f(x + e) − f(x)‖² / σ² is measured for smaller and smaller σ and divided by ‖J‖². Where does it go? And
#     for large σ, with sigmoid units: above or below?

# %%
torch.manual_seed(0)
encoder = nn.Sequential(nn.Linear(64, 32), nn.Sigmoid()).double()
with torch.no_grad():
    encoder[0].weight.mul_(6)  # steep enough to be curved

x = digits[:50]
squared_norm = ct.squared_norm(encoder, x).detach().mean()
ratios = {}
for sigma in (3, 1, 0.3, 0.1, 0.03, 0.01):
    noise = sigma * torch.randn(400, *x.shape, dtype=torch.float64)
    with torch.no_grad():
        moved = (encoder(x + noise) - encoder(x)).square().sum(-1).mean()
    ratios[sigma] = float(moved / sigma**2 / squared_norm)
    print(f"σ = {sigma:<5} movement / ‖J‖² = {ratios[sigma]:.3f}")

# %% [markdown]
# It goes to 1. The penalty *is* the sensitivity to small noise. For large noise sigmoids run into their limits and
# the code moves less than J says. J is a statement about a neighbourhood (chapter 6).
#
# Three measures are easily confused. Keep them apart:
#
# | name | what it says | in singular values s₁ ≥ s₂ ≥ … of J |
# |---|---|---|
# | ‖J‖², the penalty | mean squared movement over all directions, times their number | s₁² + s₂² + … |
# | σ_max(J) | movement in the worst direction; f contracts in every direction where it is below 1 | s₁ |
# | sensitivity | movement under noise of a stated size | no function of J alone |
#
# ## One unit by hand
#
# One sigmoid unit with weights w = (2, 1) and no bias, at x = (0, 0). The sigmoid is s(a) = 1 / (1 + e^−a), and its
# derivative is s(a)(1 − s(a)).
#
# !!! question "Compute"
#     What is z? What is ∂z/∂x, two numbers? What is ‖J‖²?

# %%
z = 1 / (1 + 2.718281828**0)
slope = z * (1 - z)
row = (slope * 2, slope * 1)
by_hand = row[0] ** 2 + row[1] ** 2
print(f"z = {z}, slope = {slope}, J = {row}, ‖J‖² = {by_hand}")

unit = nn.Sequential(nn.Linear(2, 1, bias=False), nn.Sigmoid())
with torch.no_grad():
    unit[0].weight.copy_(torch.tensor([[2.0, 1.0]]))
print(f"autograd: {torch.autograd.functional.jacobian(unit, torch.zeros(2))}")

# %% [markdown]
# A half, a quarter, (0.5, 0.25), and 0.3125.
#
# ## One layer in closed form
#
# With k units, unit j has its own row: slope times its weights, z_j (1 − z_j) W_j. Square and sum. The slope does not
# depend on the pixel, so it comes out of the inner sum (Rifai et al. 2011):
#
#     ‖J‖² = Σ_j (z_j (1 − z_j))² · Σ_i W_ji²
#
# Read its two factors. The second, ‖W_j‖², is weight decay. The first is new: it vanishes where the unit is
# **saturated**, near 0 or near 1. So a unit can be insensitive in two ways: its weights are small, or its input
# lies far out on the sigmoid.
#
# It costs a square for every weight, *once for the whole batch*, and a product for every unit and example. No
# derivative is taken.


# %%
def one_sigmoid_layer(encoder, x):
    """‖J‖² in closed form, and the code."""
    z = encoder(x)
    return (z * (1 - z)).square() @ encoder[0].weight.square().sum(1), z


def by_autograd(encoder, x):
    """‖J‖² from the whole Jacobian, one backward pass for each unit."""
    x = x.clone().requires_grad_()
    units = encoder(x).unbind(1)
    rows = [torch.autograd.grad(unit.sum(), x, create_graph=True)[0] for unit in units]
    return sum(row.square().sum(1) for row in rows)


closed, truth = one_sigmoid_layer(encoder, x)[0], by_autograd(encoder, x)
value_error = float(((closed - truth).abs() / truth).max().detach())
print(f"largest relative difference of the values: {value_error:.0e}")

# %% [markdown]
# Equal to rounding. That is half of the check. We train with the *gradient*, and a value can be right while its
# gradient is wrong (chapter 3).
#
# !!! question "What do you expect?"
#     W occurs twice in the closed form: in ‖W_j‖², and hidden in z_j. Does the gradient need both?

# %%
parameters = list(encoder.parameters())
of_closed, of_truth = (torch.autograd.grad(value.mean(), parameters) for value in (closed, truth))
pairs = list(zip(of_closed, of_truth, strict=True))
gradient_error = max(float((one - other).norm() / other.norm()) for one, other in pairs)
print(f"largest relative difference of the gradients: {gradient_error:.0e}")

z, constant = encoder(x), encoder[0].weight.detach()  # W taken for a constant
half = (z * (1 - z)).square() @ constant.square().sum(1)
(of_half,) = torch.autograd.grad(half.mean(), encoder[0].weight)
cosine = float(torch.cosine_similarity(of_half.flatten(), of_truth[0].flatten(), dim=0))
print(f"with one of the two forgotten: cosine {cosine:.2f} to the right gradient")

# %% [markdown]
# It needs both. With one forgotten the gradient points elsewhere, and its length is wrong too.
#
# ## Deeper
#
# Now two layers, f = f₂ ∘ f₁. By the chain rule the Jacobians multiply:
#
#     J = D₂ W₂ D₁ W₁,        D_l = diag(slopes of layer l)
#
# !!! question "What do you expect?"
#     Is there a closed form as simple as before? Could one add up the penalties of both layers? Multiply them?

# %%
torch.manual_seed(0)
deep = nn.Sequential(nn.Linear(64, 48), nn.Sigmoid(), nn.Linear(48, 32), nn.Sigmoid()).double()
with torch.no_grad():
    deep[0].weight.mul_(4), deep[2].weight.mul_(4)

hidden = deep[:2](x)
first, _ = one_sigmoid_layer(deep[:2], x)
second, _ = one_sigmoid_layer(deep[2:], hidden)
truth = by_autograd(deep, x)
added, multiplied = (first + second).mean(), (first * second).mean()
print(f"truth {truth.mean():.2f}; sum {added:.2f}; product {multiplied:.2f}")

# %% [markdown]
# Neither. The norm of a product is at most the product of the norms, and here far below it: what the second layer
# looks at is not what the first one passes on most. There is no way around the product of the matrices. There are
# cheap ways through it, though: never build the wide 32 × 64 Jacobian, stay at the narrow end, and use W₁W₁ᵀ once for
# the whole batch. [Mathematics](../mathematics.md) has the derivation. The library does it, gradient included:

# %%
code, norm = ct.value_and_squared_norm(deep, x, method="exact")
deep_error = float(((norm - truth).abs() / truth).max().detach())
print(f"code {tuple(code.shape)}, one norm for each example {tuple(norm.shape)}")
print(f"largest relative difference: {deep_error:.0e}")

# %% [markdown]
# You get the code as well, because a training step needs it anyway. The encoder runs once. In a loop of your own:
#
#     code, norm = ct.value_and_squared_norm(encoder, batch)
#     loss = ((decoder(code) - batch).square().sum(1) + weight * norm).mean()
#
# **Keep three things.**
#
# - ‖J‖² is the mean squared movement of the code under small isotropic noise, divided by σ².
# - One sigmoid layer: Σ_j (z_j (1 − z_j))² ‖W_j‖². Small weights or saturated units.
# - Deeper: the product of all layers. No sum, no last layer alone.
#
# Next: [computing it, and four wrong ways](3_computing.md).
#
# ??? abstract "Sources"
#     - Rifai, Vincent, Muller, Glorot and Bengio (2011): Contractive auto-encoders: explicit invariance during
#       feature extraction. ICML. The closed form and its cost are in section 3.
