# %% [markdown]
# # Tangents of a manifold
#
# Where the Jacobian of reconstruction is penalised, only the directions survive in it that reconstruction needs. On a
# rolled-up sheet these are its two tangents, so the leading right singular vectors of J_r span the tangent plane.

# %%
import os

import numpy as np

from contractive.studies.illustrations import manifold

# Set CONTRACTIVE_QUICK=1 for a rough run of a few seconds; otherwise it takes up to a minute.
QUICK = bool(os.environ.get("CONTRACTIVE_QUICK"))

# %%
result = manifold(quick=QUICK, seed=0)
print(result.finding)

# %% [markdown]
# The singular values say it too: two are near 1, the third, across the sheet, is small.

# %%
for name, angles in result.angles.items():
    values = result.singular_values.get(name)
    shown = "" if values is None else f", singular values {values.round(2)}"
    print(f"{name:<12} median angle {np.median(angles):.1f} degrees{shown}")

# %% [markdown]
# The figures are plotly's; `contractive illustrate manifold` puts them on a page.

# %%
figures = [picture.figure for picture in result.pictures()]
if not QUICK:
    figures[0].show()
