"""Rows as `fit` and `fine_tune` take them: checked against the model, then in shuffled batches.

They lie in memory or are read in slices; with several processes each takes its share of a batch.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, NamedTuple, Protocol, runtime_checkable

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset, IterableDataset

from contractive.core.errors import InvalidType, InvalidValue, first_line
from contractive.core.randomness import global_randomness
from contractive.models import Autoencoder, Classifier
from contractive.training._contexts import evaluating

STEPS_PER_BLOCK = 16
_FIRST = 2048  # rows that are looked at before training
_BUFFER = 2**27  # bytes of streamed rows that are shuffled together


class Batch(NamedTuple):
    """What one evaluation of the objective is given; Lightning moves all of it to the device."""

    x: Tensor
    weights: Tensor | None = None
    labels: Any = None


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


Data = Tensor | np.ndarray | Rows | Iterable[Any]  # what `fit` takes; a torch Dataset counts as the last


def as_tensor(values: Any, dtype: torch.dtype | None = None) -> Tensor:
    """Return a tensor, also of arrays with negative strides or a foreign byte order, which torch refuses."""
    if isinstance(values, np.ndarray) and (min(values.strides, default=0) < 0 or not values.dtype.isnative):
        values = values.astype(values.dtype.newbyteorder("="), order="C")
    return torch.as_tensor(values, dtype=dtype)


@dataclass(frozen=True)
class TrainingRows:
    """Rows of a run: those it learns from, those that validate every epoch, and one weight per row in memory."""

    train: "Tensor | Rows | Loader"
    validation: Tensor | None
    weights: Tensor | None
    first: Tensor  # all rows in memory, the first ones of rows that are read in slices, the first batch of a loader

    def __deepcopy__(self, memo: object) -> "TrainingRows":
        """Share the rows: callbacks that average weights copy the module that holds them."""
        return self

    @classmethod
    def of(
        cls, autoencoder: Autoencoder, like: Tensor, data: Any, validation: Any, sample_weight: Any, alone: bool
    ) -> "TrainingRows":
        """Return all rows, checked against the autoencoder (or an encoder `alone`), in the precision of `like`."""
        train: Any = data
        if isinstance(data, Loader):
            first = _checked(data.first(), "data", like)
        elif isinstance(data, Rows) and not isinstance(data, Tensor | np.ndarray):
            first = _checked(data[0 : min(len(data), _FIRST)], "data", like)
        else:
            first = train = _checked(data, "data", like)
        held_out = None
        _check_fit(autoencoder, first, "data", alone)
        if validation is not None:
            held_out = _checked(validation, "validation", like)
            _check_fit(autoencoder, held_out, "validation", alone)
        return cls(train, held_out, None if sample_weight is None else _weights_of(sample_weight, train), first)

    def mean(self) -> Tensor:
        """Return the (weighted) mean of the rows it learns from in double precision; a loader is read once for it."""
        if self.weights is not None:
            weights = self.weights.double()
            return torch.tensordot(weights, self.first.double(), 1) / weights.sum()
        total, count = torch.zeros(()).double(), 0
        with global_randomness(devices=[]):
            for part in self._parts():
                total, count = total + part.double().sum(0), count + len(part)
        return total / count

    def _parts(self) -> Iterable[Tensor]:
        train = self.train
        if isinstance(train, Tensor):
            return [train]
        if isinstance(train, Loader):
            return map(train.inputs, train.batches)
        starts = range(0, len(train), train.block)
        return (as_tensor(train[start : start + train.block]) for start in starts)


def _checked(data: Any, what: str, like: Tensor) -> Tensor:
    if not isinstance(data, Tensor | np.ndarray):
        remedy = "A data frame: df.to_numpy('float32')."
        raise InvalidType(what, "be a tensor or an array", type(data).__name__, remedy)
    x = as_tensor(data).detach()  # every batch has a graph of its own
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


def _weights_of(sample_weight: Any, rows: "Tensor | Rows | Loader") -> Tensor:
    """One factor per row, with mean 1."""
    if not isinstance(rows, Tensor):
        got = "a loader" if isinstance(rows, Loader) else "rows read in slices"
        raise InvalidType("sample_weight", "come with data in memory", got, "Leave it out.")
    weights = as_tensor(sample_weight, rows.dtype)
    if weights.shape != (len(rows),):
        rule = f"have one number per row, shape ({len(rows)},)"
        raise InvalidValue("sample_weight", rule, tuple(weights.shape), "Flatten it.")
    low = float(weights.min())
    if not bool(torch.isfinite(weights).all()) or low < 0 or not float(weights.sum()) > 0:
        rule = "be finite, at least 0 and not all 0"
        raise InvalidValue("sample_weight", rule, f"a least one of {low:.4g}", "Correct it.")
    return weights / weights.mean()


def _check_fit(autoencoder: Autoencoder, x: Tensor, what: str, alone: bool) -> None:
    """Run one row through, so that a wrong width is one clear line and not an error from deep inside."""
    first = next(autoencoder.parameters())
    row = x[:1].to(first.device, first.dtype)
    features = tuple(x.shape[1:])
    try:
        with evaluating(autoencoder), global_randomness(devices=[]):
            state, found = torch.get_rng_state(), []
            trained: nn.Module = nn.Sequential(autoencoder.encoder, autoencoder.decoder)
            for reconstruct in (trained, autoencoder, lambda x: autoencoder.decode(autoencoder.encode(x))):
                torch.set_rng_state(state)
                found.append(reconstruct(row))
    except RuntimeError as error:
        got = f"rows of shape {features}: {first_line(error)}"
        raise InvalidValue(what, "fit the autoencoder", got, "Build it for this number of features.") from error
    shape = tuple(found[0].shape[1:])
    if shape != features and not alone:
        rule, remedy = f"have the shape of the data {features}", "Let the decoder end with the number of features."
        raise InvalidValue("reconstructions", rule, shape, remedy)
    own = [each for each in found[1:] if each.shape != found[0].shape]
    if own or not all(torch.allclose(each, found[0], rtol=1e-3, atol=1e-5, equal_nan=True) for each in found[1:]):
        rule, got = "compute decoder(encoder(x)), which is what is trained", "another reconstruction"
        raise InvalidValue("autoencoder", rule, got, "Move what its methods add into its encoder and decoder.")


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
        rule, whole = f"be class numbers from 0 to {num - 1}", not classes.is_floating_point()
        got = f"{int(classes.min())} to {int(classes.max())}" if whole else f"numbers of type {classes.dtype}"
        raise InvalidValue(f"{what} labels", rule, got, "Number the classes: np.unique(y, return_inverse=True)[1].")
    rows = _finite(rows.to(classifier.linear.weight.dtype), f"{what} rows")
    return rows.to(place), classes.to(place)


@dataclass
class Blocks:
    """Shuffled batches of rows, with their weights if they have any, `per_block` to a block; the last may be smaller.

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
    fewest: int = 1  # rows of a process: a last batch of fewer is left out
    per_block: int = STEPS_PER_BLOCK

    def __post_init__(self) -> None:
        self.rows_per_step = self.batch_size * self.world

    @property
    def num_batches(self) -> int:
        """Batches per epoch."""
        full, rest = divmod(len(self.x), self.rows_per_step)
        return full * (self.batch_size >= self.fewest) + (rest >= self.world * self.fewest)

    def __len__(self) -> int:
        return -(-self.num_batches // self.per_block)

    def __iter__(self) -> Iterator[list[Batch]]:
        batches = self._indexed(self.x) if isinstance(self.x, Tensor) else self._streamed(self.x)
        while block := list(islice(batches, self.per_block)):
            yield block

    def _share(self, rows: Tensor) -> Tensor:
        """This process's rows of a batch; a remainder of too few rows is left out."""
        each = len(rows) // self.world
        return rows[self.rank * each : (self.rank + 1) * each if each >= self.fewest else 0]

    def _indexed(self, x: Tensor) -> Iterator[Batch]:
        order = torch.randperm(len(x), generator=self.generator).to(x.device)
        for rows in order.split(self.rows_per_step):
            mine = self._share(rows)
            if len(mine):
                yield Batch(x[mine], None if self.weights is None else self.weights[mine])

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
                yield Batch(self._share(chunk[start : start + self.rows_per_step]))
            left = chunk[full:].clone()  # a view would keep the whole chunk in memory
        if len(self._share(left)):
            yield Batch(self._share(left))


@dataclass
class WholeBatch:
    """A loader of one batch: all validation rows."""

    x: Tensor

    def __len__(self) -> int:
        return 1

    def __iter__(self) -> Iterator[Tensor]:
        yield self.x


def first_part(batch: Any) -> Tensor:
    """Return the inputs of a batch: the batch itself, or its first part."""
    part = batch if isinstance(batch, Tensor) else batch[0] if isinstance(batch, tuple | list) and batch else None
    if not isinstance(part, Tensor):
        remedy = "Pass inputs=, for instance inputs=lambda batch: batch['image']."
        raise InvalidType("batch", "be a tensor or begin with one", type(batch).__name__, remedy)
    return part


@dataclass
class Loader:
    """Batches that a loader of the caller's makes, in blocks as those of `Blocks`."""

    batches: Iterable[Any]
    inputs: Callable[[Any], Tensor]
    labels: Callable[[Any], Any] | None
    dtype: torch.dtype
    fewest: int = 1
    per_block: int = 1

    def first(self) -> Tensor:
        """Return the first batch; random numbers that it takes are put back."""
        with global_randomness(devices=[]):
            for batch in self.batches:
                return self.inputs(batch)
        raise InvalidValue("data", "hold at least one batch", "none", "Give it rows.")

    @property
    def num_batches(self) -> int:
        """Batches per epoch; a TypeError where the loader has no length."""
        return len(self.batches)  # pyright: ignore[reportArgumentType]

    def __len__(self) -> int:
        return -(-self.num_batches // self.per_block)

    def __iter__(self) -> Iterator[list[Batch]]:
        labels = self.labels or (lambda batch: None)
        made = (Batch(self.inputs(batch).to(self.dtype), None, labels(batch)) for batch in self.batches)
        long_enough = (batch for batch in made if len(batch.x) >= self.fewest)
        while block := list(islice(long_enough, self.per_block)):
            yield block


def loader_of(data: Any, parts: tuple[Any, Any], dtype: torch.dtype, batch_size: int, order: torch.Generator) -> Any:
    """Return a loader for a Dataset or for what gives batches one after the other; all other data as they are.

    `parts` find the inputs and the labels of a batch.
    """
    if isinstance(data, IterableDataset):
        return Loader(DataLoader(data, batch_size), *parts, dtype)
    if isinstance(data, Dataset):
        return Loader(DataLoader(data, batch_size, shuffle=True, generator=order), *parts, dtype)
    known = isinstance(data, Tensor | np.ndarray | Sequence | Mapping | Rows) or hasattr(data, "to_numpy")
    if known or not isinstance(data, Iterable):
        return data
    if isinstance(data, Iterator):
        remedy = "Pass a DataLoader, or an object whose __iter__ begins anew."
        raise InvalidType("data", "be what can be read once per epoch", type(data).__name__, remedy)
    return Loader(data, *parts, dtype)


def in_memory(data: Any, inputs: Callable[[Any], Tensor], dtype: torch.dtype) -> Any:
    """Return all rows of a Dataset, a loader or rows that are read in slices; all other data as they are."""
    with global_randomness(devices=[]):  # a DataLoader draws a seed
        batches = DataLoader(data, _FIRST) if isinstance(data, Dataset) else data
        loaded = loader_of(batches, (inputs, None), dtype, _FIRST, torch.Generator())
        if isinstance(loaded, Loader):
            rows = [batch.x for block in loaded for batch in block]
            if not rows:
                raise InvalidValue("validation", "hold at least one batch", "none", "Give it rows.")
            return torch.cat(rows)
    return data[0 : len(data)] if isinstance(data, Rows) else data


def size_of(data: Any) -> tuple[int, int]:
    """Return the numbers of rows and of features, on which defaults depend; 0 where a loader does not tell."""
    return (len(data), math.prod(data.shape[1:])) if hasattr(data, "shape") else (0, 0)
