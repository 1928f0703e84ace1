"""Principal components of the rows: where a residual autoencoder begins, and the coordinates in which it is trained.

With z = V^T (x - mean) the scores, lambda their variances and rho^2 = (sum_{j>k} lambda_j) / k, the network begins as
the first k components. Its weights then change in units in which all directions matter alike: of the inputs by
tau_j = sqrt(lambda_j + rho^2), of the code by rho, of the outputs by o_j = min(sqrt(lambda_j), rho).
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from contractive.core.errors import InvalidValue
from contractive.core.randomness import global_randomness
from contractive.models import Autoencoder, mlp

_MOST = 512  # directions; what lies outside is left to the reconstruction's mean
_WIDE = 2048  # features, and rows, above which the decomposition is randomised
_SAMPLE = 8192  # rows for a randomised one
_ROWS_AT_ONCE = 4096
_NOISE = 1e-12  # variances below this share of the largest are rounding
_LEAST_UNEXPLAINED = 1e-10  # share of the variance; a code as large as the rank leaves none


@dataclass(frozen=True)
class PrincipalComponents:
    """The leading principal components of some rows, in double precision.

    Attributes:
        mean: (features,).
        directions: Orthonormal columns, (features, number), by falling variance; their largest entry is positive.
        variances: Of the scores, (number,).
        total: Sum of the variances of all features.
    """

    mean: Tensor
    directions: Tensor
    variances: Tensor
    total: float

    def rho(self, code: int) -> float:
        """Root mean square of what `code` components leave unexplained, per component."""
        left = self.total - float(self.variances[:code].sum())
        return (max(left, _LEAST_UNEXPLAINED * self.total) / code) ** 0.5 or 1.0

    def number(self, share: float = 0.95) -> int:
        """Return how many components hold this share of the variance."""
        return min(int((self.variances.cumsum(0) < share * self.total).sum()) + 1, len(self.variances))

    def autoencoder(self, code: int, dtype: torch.dtype = torch.float32) -> Autoencoder:
        """Return the first `code` components as a linear autoencoder, whose code are the scores.

        Where there are fewer components, the last units are 0.
        """
        with global_randomness(0, devices=[]):
            made = mlp(len(self.mean), hidden=(), code=code, activation="linear", output="linear").double()
        leading = torch.nn.functional.pad(self.directions[:, :code], (0, max(code - len(self.variances), 0)))
        encoder: Any = made.encoder
        decoder: Any = made.decoder
        with torch.no_grad():
            encoder[0].weight.copy_(leading.T)
            encoder[0].bias.copy_(-leading.T @ self.mean)
            decoder[0].weight.copy_(leading)
            decoder[0].bias.copy_(self.mean)
        return made.to(dtype).eval()


def principal_components(x: Tensor, code: int, *, weights: Tensor | None = None) -> PrincipalComponents:
    """Find the leading components of rows x (rows, features): up to 512 of them, and at least twice the code.

    By the covariance for up to 2048 features, by singular values for up to 2048 rows, else by a randomised
    decomposition (Halko, Martinsson and Tropp 2011) of up to 8192 rows, evenly spaced.

    Args:
        x: In memory.
        code: Numbers per code.
        weights: How much each row counts, (rows,).
    """
    rows, features = x.shape
    share = torch.full((rows,), 1 / rows, dtype=torch.float64) if weights is None else weights.double().cpu()
    share = share / share.sum()
    blocks = [slice(start, start + _ROWS_AT_ONCE) for start in range(0, rows, _ROWS_AT_ONCE)]
    mean = torch.stack([share[here] @ x[here].double().cpu() for here in blocks]).sum(0)

    def centred(here: slice | Tensor) -> Tensor:
        return (x[here].double().cpu() - mean) * share[here].sqrt().unsqueeze(1)

    total = float(sum(centred(here).square().sum() for here in blocks))
    if features <= _WIDE:
        covariance = torch.zeros(features, features, dtype=torch.float64)
        for here in blocks:
            part = centred(here)
            covariance.addmm_(part.T, part)
        variances, directions = torch.linalg.eigh(covariance)
        variances, directions = variances.flip(0), directions.flip(1)
    elif rows <= _WIDE:
        _, values, transposed = torch.linalg.svd(centred(slice(None)), full_matrices=False)
        variances, directions = values.square(), transposed.T
    else:
        few = torch.linspace(0, rows - 1, min(rows, _SAMPLE)).long()
        with global_randomness(0, devices=[]):
            _, values, directions = torch.svd_lowrank(centred(few), q=min(max(_MOST, 2 * code), _SAMPLE), niter=4)
        variances = values.square() / share[few].sum()
    kept = min(int((variances > _NOISE * variances[0]).sum()), max(_MOST, 2 * code))
    variances, directions = variances[:kept], directions[:, :kept]
    largest = directions.gather(0, directions.abs().argmax(0, keepdim=True))
    return PrincipalComponents(mean, directions * largest.sign(), variances, total)


def start_at_principal_components(autoencoder: Autoencoder, components: PrincipalComponents) -> None:
    """Make a residual autoencoder reconstruct as principal components of its size do; its hidden layers are random.

    The code are the scores themselves. Hidden units add nothing at first. They see rows, and codes, whitened, and are
    drawn from torch's global generator.

    Raises:
        InvalidValue: A network that `models.residual` did not build, one with a bounded code or output, or one for
            another number of features.
    """
    layers = _Layers(autoencoder, components)
    code, hidden = layers.code, layers.hidden
    whiten, spread = layers.whiten, layers.spread
    inside = (layers.variances / layers.tau.square()).sum().clamp_min(1e-12).rsqrt()
    with torch.no_grad():
        random = torch.randn(hidden, len(layers.tau), dtype=torch.float64) * inside
        above = torch.randn(hidden, code, dtype=torch.float64) / code**0.5
        leading = layers.leading
        layers.encoder_in.weight.copy_(torch.cat([leading.T, random @ whiten]))
        layers.encoder_in.bias.copy_(torch.cat([torch.zeros(code), torch.randn(hidden) / 2]))
        layers.encoder_in.bias.sub_((layers.encoder_in.weight.double() @ components.mean).to(leading.dtype))
        layers.encoder_out.weight.copy_(torch.eye(code, code + hidden))
        layers.encoder_out.bias.zero_()
        layers.decoder_in.weight.copy_(torch.cat([torch.eye(code, dtype=torch.float64), above * spread]))
        layers.decoder_in.bias.copy_(torch.cat([torch.zeros(code), torch.randn(hidden) / 2]))
        layers.decoder_out.weight.copy_(torch.cat([leading, leading.new_zeros(len(leading), hidden)], 1))
        layers.decoder_out.bias.copy_(components.mean)


@contextmanager
def preconditioned(autoencoder: Autoencoder, components: PrincipalComponents) -> Iterator[None]:
    """Within this context the weights are what they were plus a change that begins at 0, in units by the data.

    What is trained is the change; the linear path through each hidden layer and the code stays as it is. Afterwards the
    modules are ordinary ones again, with the weights that they have reached.
    """
    layers = _Layers(autoencoder, components)
    code, hidden = layers.code, layers.hidden
    like = layers.encoder_in.weight
    ones, none = torch.ones(hidden, dtype=torch.float64), torch.zeros(code, dtype=torch.float64)
    rho = torch.full((code,), layers.rho, dtype=torch.float64)
    eye = torch.eye(hidden, dtype=torch.float64)
    outputs = layers.directions * layers.out
    changes = (
        (layers.encoder_in, "weight", torch.cat([rho, ones]), layers.whiten),
        (layers.encoder_in, "bias", torch.cat([none, ones]), None),
        (layers.encoder_out, "weight", rho, torch.cat([eye.new_zeros(hidden, code), eye], 1)),
        (layers.encoder_out, "bias", rho, None),
        (layers.decoder_in, "weight", torch.cat([none, ones]), layers.spread),
        (layers.decoder_in, "bias", torch.cat([none, ones]), None),
        (layers.decoder_out, "weight", outputs, torch.cat([layers.spread, ones])),
        (layers.decoder_out, "bias", outputs, None),
    )
    for layer, name, left, right in changes:
        change = _Change(getattr(layer, name), left.to(like), None if right is None else right.to(like))
        parametrize.register_parametrization(layer, name, change)
    try:
        yield
    finally:
        for layer, name, _, _ in changes:
            parametrize.remove_parametrizations(layer, name, leave_parametrized=True)


class _Change(nn.Module):
    """base + left change right: matrices, or vectors for diagonal ones."""

    base: Tensor
    left: Tensor
    right: Tensor | None

    def __init__(self, base: Tensor, left: Tensor, right: Tensor | None) -> None:
        super().__init__()
        self.register_buffer("base", base.detach().clone())
        self.register_buffer("left", left)
        self.register_buffer("right", right)

    def forward(self, change: Tensor) -> Tensor:
        if self.right is not None:
            change = change * self.right if self.right.ndim == 1 else change @ self.right
        if self.left.ndim > 1:
            return self.base + self.left @ change
        return self.base + (self.left.unsqueeze(1) if change.ndim > 1 else self.left) * change

    def right_inverse(self, weight: Tensor) -> Tensor:
        rows = self.left.shape[-1]
        if self.right is None:
            return weight.new_zeros(rows)
        return weight.new_zeros(rows, len(self.right))


class _Layers:
    """The four layers of a residual autoencoder, and the units of the module's first lines for it."""

    def __init__(self, autoencoder: Autoencoder, components: PrincipalComponents) -> None:
        recipe = autoencoder.recipe
        if recipe is None or recipe.builder != "residual":
            got = "your own modules" if recipe is None else recipe.builder
            raise InvalidValue("autoencoder", "be built by models.residual", got, "Build it by that function.")
        for name in ("activation", "output"):
            if recipe.arguments[name] != "linear":
                rule, remedy = "be linear to begin as principal components", "Leave it out."
                raise InvalidValue(name, rule, recipe.arguments[name], remedy)
        encoder: Any = autoencoder.encoder
        decoder: Any = autoencoder.decoder
        self.encoder_in, self.encoder_out, self.decoder_in, self.decoder_out = (
            half[i] for half in (encoder, decoder) for i in (0, 2)
        )
        features = len(components.mean)
        if self.encoder_in.in_features != features:
            rule = f"have {features} features, as the components"
            raise InvalidValue("autoencoder", rule, self.encoder_in.in_features, "Build it for these rows.")
        self.code = self.encoder_out.out_features
        self.hidden = self.encoder_in.out_features - self.code
        self.directions, self.variances = components.directions, components.variances
        self.rho = components.rho(self.code)
        self.tau = (self.variances + self.rho**2).sqrt()
        self.out = self.variances.sqrt().clamp_max(self.rho)
        self.whiten = (self.directions / self.tau).T
        # a code larger than the rank has units that begin at zero
        missing = max(self.code - len(self.variances), 0)
        self.leading = torch.nn.functional.pad(self.directions[:, : self.code], (0, missing))
        self.spread = 1 / torch.nn.functional.pad(self.tau[: self.code], (0, missing), value=self.rho)
