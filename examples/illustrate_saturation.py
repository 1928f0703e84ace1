# %% [markdown]
# # Do codes become binary?
#
# A sigmoid is flattest where it is saturated, so the contractive penalty drives activations to 0 and 1. How many
# corners of the hypercube the codes use is another matter: at large weights they become few.

# %%
import os

from contractive.studies.illustrations import saturation

# Set CONTRACTIVE_QUICK=1 for a rough run of a few seconds; otherwise it takes up to a minute.
QUICK = bool(os.environ.get("CONTRACTIVE_QUICK"))

# %%
result = saturation(quick=QUICK, seed=0)
print(result.finding)

# %% [markdown]
# Saturation grows with the weight. The number of different codes, after rounding to 0 and 1, falls once
# reconstruction no longer holds its own against the penalty.

# %%
study = result.study
for weight, saturated, distinct in zip(
    result.settings.weights, study.mean("saturation"), study.mean("distinct"), strict=True
):
    print(f"weight {weight:<5g} saturated {saturated:4.0%}  different rounded codes per digit {distinct:.2f}")

# %% [markdown]
# The figures are plotly's; `contractive illustrate saturation` puts them on a page.

# %%
figures = [picture.figure for picture in result.pictures()]
if not QUICK:
    figures[0].show()
