# %% [markdown]
# # A code wider than the data
#
# Sixty-four code units for points in the plane can carry the identity, and without a penalty they do: the network
# reconstructs uniform noise as well as its data. A penalty prevents that only if the decoder cannot undo it.

# %%
import os

from contractive.studies.illustrations import overcomplete

# Set CONTRACTIVE_QUICK=1 for a rough run of a few seconds; otherwise it takes up to a minute.
QUICK = bool(os.environ.get("CONTRACTIVE_QUICK"))

# %%
result = overcomplete(quick=QUICK, seed=0)
print(result.finding)

# %% [markdown]
# With an untied decoder the encoder makes its code small and the decoder makes it large again. The norm of the
# encoder's Jacobian falls, and the reconstruction is the identity as before: compare the distance of J_r from I.

# %%
for name, found in result.measured.items():
    print(f"{name:<20} ||J_f||^2 {found.squared_norm:<8.3g} ||J_r - I||^2 / 2 at the noise {found.noise_distance:.3f}")

# %% [markdown]
# The figures are plotly's; `contractive illustrate overcomplete` puts them on a page.

# %%
figures = [picture.figure for picture in result.pictures()]
if not QUICK:
    figures[0].show()
