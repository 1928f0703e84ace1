"""Rows as `fit` and `fine_tune` take them: checked against the model, then in shuffled batches.

They lie in memory or are read in slices; with several processes each takes its share of a batch.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any, Protocol, runtime_checkable

import numpy as np
import torch
from torch import Tensor

from contractive.core.errors import InvalidType, InvalidValue
from contractive.models import Autoencoder, Classifier
from contractive.training._contexts import evaluating

STEPS_PER_BLOCK = 16
_BUFFER = 2**27  # bytes of streamed rows that are shuffled together
Batch = tuple[Tensor, Tensor | None]


@runtime_checkable
class Rows(Protocol):
    """Rows that are read in slices, for data larger than memory.

    Attributes:
        shape: (examples, *features).
        block: Rows that are best read at once.
    """

    @property
    def shape(self) -> tuple[int, ...]: ...

    @property
    def block(self) -> int: ...

    def __len__(self) -> int: ...

    def __getitem__(self, rows: slice, /) -> np.ndarray: ...


def as_tensor(values: Any, dtype: torch.dtype | None = None) -> Tensor:
    """Return a tensor, also of arrays with negative strides or a foreign byte order, which torch refuses."""
    if isinstance(values, np.ndarray) and (min(values.strides, default=0) < 0 or not values.dtype.isnative):
        values = values.astype(values.dtype.newbyteorder("="), order="C")
    return torch.as_tensor(values, dtype=dtype)


@dataclass(frozen=True)
class TrainingRows:
    """Rows of a run: those it learns from, those that validate every epoch, and one weight per row in memory."""

    train: Tensor | Rows
    validation: Tensor | None
    weights: Tensor | None

    @classmethod
    def of(
        cls, autoencoder: Autoencoder, like: Tensor, data: Any, validation: Any, sample_weight: Any
    ) -> "TrainingRows":
        """Return all rows, checked against the autoencoder, in the precision of `like`."""
        streamed = isinstance(data, Rows) and not isinstance(data, Tensor | np.ndarray)
        first = _checked(data[0 : min(len(data), 2)] if streamed else data, "data", like)
        train, held_out = data if streamed else first, None
        _check_fit(autoencoder, first, "data")
        if validation is not None:
            held_out = _checked(validation, "validation", like)
            _check_fit(autoencoder, held_out, "validation")
        return cls(train, held_out, None if sample_weight is None else _weights_of(sample_weight, train))


def _checked(data: Any, what: str, like: Tensor) -> Tensor:
    if not isinstance(data, Tensor | np.ndarray):
        remedy = "A data frame: df.to_numpy('float32')."
        raise InvalidType(what, "be a tensor or an array", type(data).__name__, remedy)
    x = as_tensor(data)
    if not x.is_floating_point():
        raise InvalidType(what, "be floating-point numbers", x.dtype, "Convert and scale them first.")
    if x.ndim < 2 or len(x) == 0:
        raise InvalidValue(what, "have the shape (examples, *features)", tuple(x.shape), "Give it rows.")
    return _finite(x.to(like.dtype), what)


def _finite(x: Tensor, what: str) -> Tensor:
    bad = int((~torch.isfinite(x)).sum())
    if bad:
        raise InvalidValue(what, "be finite", f"{bad} NaN or infinite entries", "Impute or drop them.")
    return x


def _weights_of(sample_weight: Any, rows: Tensor | Rows) -> Tensor:
    """One factor per row, with mean 1."""
    if not isinstance(rows, Tensor):
        raise InvalidType("sample_weight", "come with data in memory", "rows read in slices", "Leave it out.")
    weights = as_tensor(sample_weight, rows.dtype)
    if weights.shape != (len(rows),):
        rule = f"have one number per row, shape ({len(rows)},)"
        raise InvalidValue("sample_weight", rule, tuple(weights.shape), "Flatten it.")
    low = float(weights.min())
    if not bool(torch.isfinite(weights).all()) or low < 0 or not float(weights.sum()) > 0:
        rule = "be finite, at least 0 and not all 0"
        raise InvalidValue("sample_weight", rule, f"a least one of {low:.4g}", "Correct it.")
    return weights / weights.mean()


def _check_fit(autoencoder: Autoencoder, x: Tensor, what: str) -> None:
    """Run one row through, so that a wrong width is one clear line and not an error from deep inside."""
    first = next(autoencoder.parameters())
    row = x[:1].to(first.device, first.dtype)
    features = tuple(x.shape[1:])
    try:
        with evaluating(autoencoder):
            shape = tuple(autoencoder(row).shape[1:])
    except RuntimeError as error:
        got = f"rows of shape {features}: {str(error).splitlines()[0].rstrip('.')}"
        raise InvalidValue(what, "fit the autoencoder", got, "Build it for this number of features.") from error
    if shape != features:
        rule, remedy = f"have the shape of the data {features}", "Let the decoder end with the number of features."
        raise InvalidValue("reconstructions", rule, shape, remedy)


def labelled_rows(x: Any, labels: Any, what: str, classifier: Classifier, place: torch.device) -> tuple[Tensor, Tensor]:
    """Return the rows in the precision of the classifier, and the labels as class numbers, on that device.

    `what` is "training" or "validation", for the errors.
    """
    rows, classes = as_tensor(x), as_tensor(labels)
    classes = classes if classes.is_floating_point() else classes.long()  # torch compares no unsigned ones
    num = classifier.linear.out_features
    if len(rows) == 0 or classes.shape != (len(rows),):
        got = f"{tuple(classes.shape)} for {len(rows)} rows"
        raise InvalidValue(f"{what} labels", "be one per row", got, "Match them.")
    if classes.is_floating_point() or int(classes.min()) < 0 or int(classes.max()) >= num:
        rule = f"be class numbers from 0 to {num - 1}"
        raise InvalidValue(f"{what} labels", rule, "others", "Number the classes.")
    rows = _finite(rows.to(classifier.linear.weight.dtype), f"{what} rows")
    return rows.to(place), classes.to(place)


@dataclass
class Blocks:
    """Shuffled batches of rows, with their weights if they have any, sixteen to a block; the last may be smaller.

    A block is what Lightning calls a batch: its bookkeeping, which costs more than a step of a small net, is done once
    per block. Every process takes share number `rank` of `world` equal shares of each batch.
    """

    x: Tensor | Rows
    batch_size: int
    generator: torch.Generator
    rank: int = 0
    world: int = 1
    dtype: torch.dtype = torch.float32
    weights: Tensor | None = None

    def __post_init__(self) -> None:
        self.rows_per_step = self.batch_size * self.world

    def __len__(self) -> int:
        full, rest = divmod(len(self.x), self.rows_per_step)
        steps = full + (rest >= self.world)
        return -(-steps // STEPS_PER_BLOCK)

    def __iter__(self) -> Iterator[list[Batch]]:
        batches = self._indexed(self.x) if isinstance(self.x, Tensor) else self._streamed(self.x)
        while block := list(islice(batches, STEPS_PER_BLOCK)):
            yield block

    def _share(self, rows: Tensor) -> Tensor:
        """This process's rows of a batch; a remainder of fewer rows than processes is left out."""
        each = len(rows) // self.world
        return rows[self.rank * each : (self.rank + 1) * each]

    def _indexed(self, x: Tensor) -> Iterator[Batch]:
        order = torch.randperm(len(x), generator=self.generator).to(x.device)
        for rows in order.split(self.rows_per_step):
            mine = self._share(rows)
            if len(mine):
                yield x[mine], None if self.weights is None else self.weights[mine]

    def _streamed(self, rows: Rows) -> Iterator[Batch]:
        """Slices in random order, several shuffled together; the rest of them goes into the next chunk."""
        left = torch.empty(0, *rows.shape[1:], dtype=self.dtype)
        starts = torch.arange(0, len(rows), rows.block)
        slice_bytes = rows.block * int(np.prod(rows.shape[1:])) * self.dtype.itemsize
        together = max(2, _BUFFER // max(slice_bytes, 1))
        for these in starts[torch.randperm(len(starts), generator=self.generator)].split(together):
            # in one expression: the slices are freed before the chunk is shuffled
            chunk = torch.cat([left, *(as_tensor(rows[int(s) : int(s) + rows.block]) for s in these)]).to(self.dtype)
            chunk = chunk[torch.randperm(len(chunk), generator=self.generator)]
            full = len(chunk) // self.rows_per_step * self.rows_per_step
            for start in range(0, full, self.rows_per_step):
                yield self._share(chunk[start : start + self.rows_per_step]), None
            left = chunk[full:].clone()  # a view would keep the whole chunk in memory
        if len(self._share(left)):
            yield self._share(left), None
