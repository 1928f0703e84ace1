# %% [markdown]
# # A staircase on a line
#
# Four clusters of points on a line are reconstructed by a network with far more code units than inputs.
# Reconstruction alone is served best by the identity. A penalty on the slope of r = g(f(x)) makes r flat where data
# are, and what it does not climb there it climbs between the clusters.

# %%
import os

from contractive.studies.illustrations import one_dimensional

# Set CONTRACTIVE_QUICK=1 for a rough run of a few seconds; otherwise it takes up to a minute.
QUICK = bool(os.environ.get("CONTRACTIVE_QUICK"))

# %%
result = one_dimensional(quick=QUICK, seed=0)
print(result.finding)

# %% [markdown]
# A fixed point attracts where the slope is below 1 in size. With the penalty there is one for each cluster, and
# between two of them there must be one that repels: contraction is local.

# %%
contractive = result.curves["contractive"]
for at, slope in zip(contractive.fixed_points, contractive.slopes, strict=True):
    print(f"x = {at:+.2f}: slope {slope:.2f}, {'attracts' if abs(slope) < 1 else 'repels'}")

# %% [markdown]
# For one cluster of variance s^2 the best straight r has the slope s^2 / (s^2 + weight).

# %%
print(f"slope at the clusters {contractive.centre_slopes.round(2)}, theory {result.expected_slope:.2f}")

# %% [markdown]
# The figures are plotly's; `contractive illustrate one-dimensional` puts them on a page.

# %%
figures = [picture.figure for picture in result.pictures()]
if not QUICK:
    figures[0].show()
