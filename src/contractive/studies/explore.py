"""A trained autoencoder with examples, small enough to run in a page: weights in half precision, and what they need.

Encoders and decoders of affine maps, convolutions and elementwise activations become a list of layers that the page
computes with. Any other model, or one of more than two million weights, is computed here for each example.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from contractive.core.errors import ContractiveError, check_at_least
from contractive.data import SETS, Block, DataError, Options, open_rows
from contractive.jacobian import Center, PartlyLinear, leading
from contractive.models import Autoencoder, TiedLinear
from contractive.studies.runs import AutoencoderRun, RunError
from contractive.studies.sections import thinned

MOST_WEIGHTS = 2_000_000
MOST_EXAMPLES = 1000
_EXAMPLE_NUMBERS = 300_000  # of all examples together, two bytes each
_WALKED = 3  # directions of a model that is computed beforehand
_STEPS = (-2.0, -1.0, 1.0, 2.0)  # standard deviations of the data along the direction
_LARGEST = 6e4  # of half precision
_QUANTILE = 0.99
_SAME = 1e-4  # relative error of the list of layers against the module

Numbers = dict[str, float]
Shape = tuple[int, ...]


@dataclass(frozen=True)
class Layer:
    """One layer, as the page computes it.

    Attributes:
        kind: linear, convolution, transposed (convolution), scale (of channels), or the name of an activation.
        inputs: Shape of one example before it.
        outputs: Shape of one example after it.
        numbers: Of an activation.
        sizes: Of a convolution: kernel, stride, padding, dilation (height and width each) and groups.
        weight: In the layout of torch.
        bias: One number per output or channel.
    """

    kind: str
    inputs: Shape
    outputs: Shape
    numbers: Numbers = field(default_factory=dict)
    sizes: dict[str, Shape] = field(default_factory=dict)
    weight: Tensor | None = None
    bias: Tensor | None = None

    def __call__(self, x: Tensor) -> Tensor:
        """Apply it to rows (batch, inputs, flat), in torch: the list of layers is checked against the module."""
        x = x.reshape(len(x), *self.inputs)
        if self.kind == "linear":
            assert self.weight is not None
            x = F.linear(x, self.weight, self.bias)
        elif self.kind == "scale":
            assert self.weight is not None and self.bias is not None
            shape = (-1, *[1] * (x.ndim - 2))
            x = x * self.weight.reshape(shape) + self.bias.reshape(shape)
        elif self.kind in ("convolution", "transposed"):
            assert self.weight is not None
            sizes = {name: self.sizes[name] for name in ("stride", "padding", "dilation")}
            groups = self.sizes["groups"][0]
            if self.kind == "convolution":
                x = F.conv2d(x, self.weight, self.bias, groups=groups, **sizes)
            else:
                rows = (self.inputs[i] - 1 for i in (1, 2))
                reached = [
                    n * s - 2 * p + d * (k - 1) + 1
                    for n, s, p, d, k in zip(rows, *sizes.values(), self.sizes["kernel"], strict=True)
                ]
                extra = [wanted - size for wanted, size in zip(self.outputs[1:], reached, strict=True)]
                x = F.conv_transpose2d(x, self.weight, self.bias, output_padding=extra, groups=groups, **sizes)
        else:
            x = _ACTIVATIONS[self.kind][1](x, **self.numbers)
        return x.flatten(1)


_ACTIVATIONS: dict[
    str, tuple[type[nn.Module], Any, dict[str, str]]
] = {  # name: (type, function, its numbers as the module calls them)
    "sigmoid": (nn.Sigmoid, torch.sigmoid, {}),
    "tanh": (nn.Tanh, torch.tanh, {}),
    "relu": (nn.ReLU, torch.relu, {}),
    "leaky_relu": (nn.LeakyReLU, F.leaky_relu, {"negative_slope": "negative_slope"}),
    "elu": (nn.ELU, F.elu, {"alpha": "alpha"}),
    "softplus": (nn.Softplus, F.softplus, {"beta": "beta", "threshold": "threshold"}),
    "silu": (nn.SiLU, F.silu, {}),
    "gelu": (nn.GELU, F.gelu, {}),
    "partly_linear": (PartlyLinear, lambda x, num_linear: PartlyLinear(num_linear)(x), {"num_linear": "num_linear"}),
}


@torch.no_grad()
def layers_of(module: nn.Module, row: Tensor) -> tuple[Layer, ...] | None:
    """Return the layers of a module, or None where it has others than the page knows.

    Args:
        module: An encoder or decoder in evaluation mode.
        row: One example that it is applied to, (1, *features).
    """
    found, rows = [], row
    for leaf in _leaves(module):
        if type(leaf) in (nn.Identity, nn.Flatten, nn.Unflatten) or isinstance(leaf, nn.modules.dropout._DropoutNd):
            rows = leaf(rows)
            continue
        after = leaf(rows)
        layer = _layer(leaf, Layer("", tuple(rows.shape[1:]), tuple(after.shape[1:])))
        if layer is None:
            return None
        found.append(layer)
        rows = after
    applied, wanted = row.flatten(1), module(row).flatten(1)
    for layer in found:
        applied = layer(applied)
    if applied.shape != wanted.shape or (applied - wanted).norm() > _SAME * wanted.norm() + _SAME:
        return None  # hooks, or a module that does more than its type says
    arrays = [array for layer in found for array in (layer.weight, layer.bias) if array is not None]
    return None if any(float(array.abs().max()) > _LARGEST for array in arrays) else tuple(found)


def _leaves(module: nn.Module) -> Iterator[nn.Module]:
    if type(module) is nn.Sequential:
        for child in module:
            yield from _leaves(child)
    else:
        yield module


def _layer(module: nn.Module, empty: Layer) -> Layer | None:
    """Return the layer of one module, None for another kind."""
    for name, (type_, _, numbers) in _ACTIVATIONS.items():
        if type(module) is type_ and getattr(module, "approximate", "none") == "none":
            return replace(empty, kind=name, numbers={key: getattr(module, its) for key, its in numbers.items()})
    if len(empty.inputs) == 1 and type(module) in (nn.Linear, TiedLinear):
        assert isinstance(module, nn.Linear | TiedLinear)
        weight = (
            module.weight
            if isinstance(module, nn.Linear)
            else module(torch.eye(empty.inputs[0])).T - module.bias[:, None]
        )
        return replace(empty, kind="linear", weight=weight, bias=module.bias)
    if type(module) is Center:
        return replace(empty, kind="scale", weight=torch.ones_like(module.mean), bias=-module.mean)
    if type(module) in (nn.Conv2d, nn.ConvTranspose2d):
        assert isinstance(module, nn.Conv2d | nn.ConvTranspose2d)
        if module.padding_mode != "zeros" or isinstance(module.padding, str):
            return None
        sizes = {"kernel": module.kernel_size, "stride": module.stride, "padding": module.padding}
        kind = "convolution" if type(module) is nn.Conv2d else "transposed"
        sizes |= {"dilation": module.dilation, "groups": (module.groups,)}
        return replace(empty, kind=kind, sizes=sizes, weight=module.weight, bias=module.bias)
    if type(module) in (nn.BatchNorm1d, nn.BatchNorm2d) and module.running_var is not None:
        assert isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d) and module.running_mean is not None
        scale = (module.running_var + module.eps).rsqrt()
        scale = scale if module.weight is None else scale * module.weight
        bias = -module.running_mean * scale + (0 if module.bias is None else module.bias)
        return replace(empty, kind="scale", weight=scale, bias=bias)
    return None


@dataclass(frozen=True)
class Exploration:
    """A trained model and examples of its data, for a page.

    Attributes:
        run: The run.
        name: Of the data.
        what: What the examples are, for instance `test rows`.
        rows: The examples, prepared, (examples, features).
        numbers: Row numbers of the examples in `what`, from 0.
        labels: Of the examples, as text; empty without labels.
        encoder: Layers, or None where the page shows what was computed here.
        decoder: Likewise.
        codes: Of the examples, (examples, units).
        reconstructions: Of the examples.
        errors: Squared reconstruction errors of the examples, summed over features.
        limit: The 99 % quantile of that error on validation rows.
        limit_of: The rows that `limit` is of.
        walks: Reconstructions of the examples moved along leading directions, (examples, directions, steps, features);
            None where the page computes.
    """

    run: AutoencoderRun
    name: str
    what: str
    rows: np.ndarray
    numbers: np.ndarray
    labels: tuple[str, ...]
    encoder: tuple[Layer, ...] | None
    decoder: tuple[Layer, ...] | None
    codes: np.ndarray
    reconstructions: np.ndarray
    errors: np.ndarray
    limit: float
    limit_of: str
    walks: np.ndarray | None = None
    why_fixed: str = ""

    @property
    def explained(self) -> float:
        """Share of the variance of the examples that is reconstructed."""
        return 1 - float(self.errors.sum() / ((self.rows - self.rows.mean(0)) ** 2).sum())

    @property
    def steps(self) -> tuple[float, ...]:
        """Where `walks` stand, in standard deviations of the examples along the direction."""
        return _STEPS


@torch.no_grad()
def explore(
    run: AutoencoderRun,
    data: str | Path,
    *,
    examples: int = 300,
    options: Options = Options(),  # noqa: B008
    data_dir: str | Path | None = None,
) -> Exploration:
    """Prepare a trained autoencoder and examples of data for a page that runs it.

    Args:
        run: A finished run.
        data: What the run was trained on, of which test rows are taken; or other rows with the same columns.
        examples: How many rows, evenly spaced; fewer of wide ones.
        options: How to read new rows: `label`, `key` and the dialect of a text table.
        data_dir: Folder of a named set.

    Raises:
        InvalidValue: Fewer than 2 examples or more than 1000.
        DataError: Rows that do not fit the run.
    """
    check_at_least("examples", examples, 2, "300 is usual.")
    autoencoder, features = run.model(), run.preparation.features
    examples = max(2, min(examples, MOST_EXAMPLES, _EXAMPLE_NUMBERS // features))
    row = torch.zeros(1, features)
    code = autoencoder.encode(row)
    encoder, decoder = layers_of(autoencoder.encoder, row), layers_of(autoencoder.decoder, code)
    weights = sum(parameter.numel() for parameter in autoencoder.parameters())
    why = "" if encoder and decoder else "it has layers that the page cannot compute"
    if weights > MOST_WEIGHTS:
        why = f"it has {weights:,} weights, more than the {MOST_WEIGHTS:,} that a page holds"
    if why:
        encoder = decoder = None
        examples = max(2, min(examples, _EXAMPLE_NUMBERS // (features * (2 + _WALKED * len(_STEPS)))))
    name, what, x, numbers, labels = _examples(run, data, examples, options, data_dir)
    limit, limit_of = _limit(run, autoencoder, data, x, what, data_dir)
    codes = autoencoder.encode(x)
    rebuilt = autoencoder.decode(codes)
    return Exploration(
        run=run, name=name, what=what, rows=x.numpy(), numbers=numbers, labels=labels, encoder=encoder,
        decoder=decoder, codes=codes.flatten(1).numpy(), reconstructions=rebuilt.numpy(),
        errors=_errors(autoencoder, x), limit=limit, limit_of=limit_of,
        walks=_walks(autoencoder, x) if why else None, why_fixed=why,
    )  # fmt: skip


def _errors(autoencoder: Autoencoder, rows: Tensor) -> np.ndarray:
    parts = [(autoencoder(part) - part).square().sum(1) for part in rows.split(1024)]
    return torch.cat(parts).numpy()


def _walks(autoencoder: Autoencoder, x: Tensor) -> np.ndarray:
    """Reconstructions of each row moved along the leading right singular vectors of the reconstruction's Jacobian."""
    directions = leading(autoencoder, x, min(_WALKED, x.shape[1])).vectors  # (rows, directions, features)
    spread = (directions @ (x - x.mean(0)).T).std(2, correction=0)  # (rows, directions)
    steps = torch.tensor(_STEPS)
    moved = x[:, None, None] + (steps[:, None] * (spread[..., None] * directions)[:, :, None])
    rebuilt = [autoencoder(part) for part in moved.reshape(-1, x.shape[1]).split(1024)]
    return torch.cat(rebuilt).reshape(moved.shape).numpy()


def _examples(
    run: AutoencoderRun, data: str | Path, count: int, options: Options, data_dir: str | Path | None
) -> tuple[str, str, Tensor, np.ndarray, tuple[str, ...]]:
    """(name, what they are, rows, their numbers, labels): of training data test rows, else evenly spaced rows."""
    if run.is_training_data(data):
        split = run.load_data(data, data_dir=data_dir)
        part, what = (2, "test rows") if len(split.test) else (1, "validation rows")
        rows = split.test if part == 2 else split.validation
        numbers = np.arange(len(rows))
        if split.parts is not None and (split.parts == part).sum() == len(rows) and str(data) not in SETS:
            numbers = np.flatnonzero(split.parts == part)  # rows of your own files keep their order
        picked = np.unique(np.linspace(0, len(rows) - 1, count).astype(int))
        labels = () if split.labels is None else tuple(map(_text, split.labels[part][picked]))
        return split.name, what, torch.from_numpy(rows[picked]), numbers[picked], labels
    source, named = run.document.source, str(data) in SETS
    usual = "label" if named or Path(data).is_dir() else None
    wanted = (run.preparation.label, source.options.label if source else None, usual)
    label, texts = options.label, []

    def numbered() -> Iterator[Block]:
        blocks = open_rows(
            data,
            run.preparation,
            pass_through=() if label is None else (label,),
            optional=() if label is not None else tuple(name for name in dict.fromkeys(wanted) if name),
            options=replace(options, label=None),
            data_dir=data_dir or (source.data_dir if named and source else None),
        )
        for block in blocks:
            texts.extend([_text(value) for column in [*block.pass_through.values()][:1] for value in column])
            yield replace(block, pass_through={"row": np.arange(block.start, block.start + len(block.x))})

    x, numbers, _ = thinned(numbered(), count)
    assert numbers is not None
    name = str(data) if named else Path(data).stem
    return name, "rows", torch.from_numpy(x), numbers, tuple(texts[at] for at in numbers) if texts else ()


def _text(label: object) -> str:
    return f"{label:g}" if isinstance(label, float) else str(label)


def _limit(
    run: AutoencoderRun, autoencoder: Autoencoder, data: str | Path, x: Tensor, what: str, data_dir: str | Path | None
) -> tuple[float, str]:
    """(99 % quantile of the reconstruction error, the rows it is of): validation rows where they can be read."""
    try:
        split = run.load_data(data if run.is_training_data(data) else None, data_dir=data_dir)
        rows, what = torch.from_numpy(split.validation), "validation rows"
    except (RunError, DataError, OSError):
        rows = x
    if not len(rows):
        rows, what = x, "the rows shown here"
    limit = float(np.quantile(_errors(autoencoder, rows), _QUANTILE))
    if not np.isfinite(limit):
        raise ContractiveError("The reconstruction error is not finite. Train the run again with a smaller rate.")
    return limit, what
