# %% [markdown]
# # Do sparse codes contract?
#
# A sigmoid unit that is mostly off has a small slope, so a sparsity penalty makes the Jacobian small without asking
# for it. But a sparse code also varies less, and relative to its spread noise moves it about as much as before.

# %%
import os

from contractive.studies.illustrations import sparse_link

# Set CONTRACTIVE_QUICK=1 for a rough run of a few seconds; otherwise it takes up to a minute.
QUICK = bool(os.environ.get("CONTRACTIVE_QUICK"))

# %%
result = sparse_link(quick=QUICK, seed=0)
print(result.finding)

# %% [markdown]
# Raw and scale-free figures side by side: the first falls with the weight, the second hardly does.

# %%
study = result.study
for weight, active, norm, free in zip(
    result.settings.weights, study.mean("activation"), study.mean("squared_norm"), study.mean("scale_free"), strict=True
):
    print(f"weight {weight:<5g} mean activation {active:.2f}  ||J||^2 {norm:5.1f}  scale-free sensitivity {free:.2f}")

# %% [markdown]
# The figures are plotly's; `contractive illustrate sparse-link` puts them on a page.

# %%
figures = [picture.figure for picture in result.pictures()]
if not QUICK:
    figures[0].show()
