# %% [markdown]
# # What small noise penalises
#
# Denoising with noise of variance sigma^2 adds sigma^2 (||J_r||^2 + (r(x) - x) . Laplacian r(x)) to the
# reconstruction error, with r = g(f(x)). It is the Jacobian of the whole reconstruction and not of the encoder, and
# the second term vanishes only where reconstruction is good.

# %%
import os

from contractive.studies.illustrations import denoising_link

# Set CONTRACTIVE_QUICK=1 for a rough run of a few seconds; otherwise it takes up to a minute.
QUICK = bool(os.environ.get("CONTRACTIVE_QUICK"))

# %%
result = denoising_link(quick=QUICK, seed=0)
print(result.finding)

# %% [markdown]
# Before training the second term is about as large as the first, so ||J_r||^2 alone would be far off. As the error
# falls it fades.

# %%
for stage in result.stages:
    print(f"after {stage.epochs} epochs: error {stage.error:.3g}, ||J_r||^2 {stage.squared_norm:.3f},", end=" ")
    print(f"second term {stage.second:+.3f}, sum {stage.formula:.4f}, measured {stage.measured[-1]:.4f}")

# %% [markdown]
# The figures are plotly's; `contractive illustrate denoising-link` puts them on a page.

# %%
figures = [picture.figure for picture in result.pictures()]
if not QUICK:
    figures[0].show()
