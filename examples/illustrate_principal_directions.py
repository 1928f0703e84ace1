# %% [markdown]
# # What contraction gives up first
#
# The penalty costs the same in every direction; reconstruction gains from a direction only as much as the data vary
# along it. So a growing weight buys out directions in the order of their variance.

# %%
import os

from contractive.studies.illustrations import principal_directions

# Set CONTRACTIVE_QUICK=1 for a rough run of a few seconds; otherwise it takes up to a minute.
QUICK = bool(os.environ.get("CONTRACTIVE_QUICK"))

# %%
result = principal_directions(quick=QUICK, seed=0)
print(result.finding)

# %% [markdown]
# For a linear encoder with tied weights the best ||J u|| along a direction of variance v is known exactly: the square
# root of 1 - weight / (2 v), or 0. Training finds it.

# %%
for weight, trained, exact in zip(result.settings.weights, result.norms["linear"], result.theory, strict=True):
    print(f"weight {weight:<6g} trained {trained.round(3)}  theory {exact.round(3)}")

# %% [markdown]
# The figures are plotly's; `contractive illustrate principal-directions` puts them on a page.

# %%
figures = [picture.figure for picture in result.pictures()]
if not QUICK:
    figures[0].show()
