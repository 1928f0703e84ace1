# %% [markdown]
# # What a weight buys, and what it costs
#
# A small weight takes away sensitivity that reconstruction had no use for and is nearly free; a large one must give
# up what tells digits apart. The raw norm falls much further than the scale-free figure, since the code also becomes
# smaller.

# %%
import os

from contractive.studies.illustrations import weight_tradeoff

# Set CONTRACTIVE_QUICK=1 for a rough run of a few seconds; otherwise it takes up to a minute.
QUICK = bool(os.environ.get("CONTRACTIVE_QUICK"))

# %%
result = weight_tradeoff(quick=QUICK, seed=0)
print(result.finding)

# %% [markdown]
# Mean and standard deviation over the seeds, for every weight.

# %%
for at, weight in enumerate(result.settings.weights):
    cells = [f"{name} {result.study.text(name, at)}" for name in ("error", "squared_norm", "scale_free")]
    print(f"weight {weight:<6g}", ", ".join(cells))

# %% [markdown]
# The figures are plotly's; `contractive illustrate weight-tradeoff` puts them on a page.

# %%
figures = [picture.figure for picture in result.pictures()]
if not QUICK:
    figures[0].show()
