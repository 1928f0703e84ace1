"""Supervised training of a pretrained classifier by plain stochastic gradient descent, as the papers did it."""

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from contractive.models import Classifier, architecture, tensors_checksum
from contractive.training import TrainingDiverged
from contractive.training._memory import flushed_denormals, keep_freed_memory
from contractive.training._settings import check_seconds, check_seed, place_of, whole
from contractive.training.stacked import _checkpoint
from contractive.training.stacked._checks import check_settings, labelled_rows
from contractive.training.stacked._regularisation import Regularisation

_ROWS_AT_ONCE = 4096
_DROPOUT = 2**31  # apart from the seed of the order: dropout draws from the global generator
Row = Mapping[str, float]


@dataclass(frozen=True)
class FineTuning:
    """What happened in fine-tuning.

    Attributes:
        rows: Per epoch: `epoch` from 1, `seconds`, `learning_rate`, `train_loss` with all that is added, `train_error`,
            and with validation data `val_loss` and `val_error`; losses in nats, errors as shares.
        best_epoch: Epoch whose weights the classifier has now: that of the lowest validation error (of the lowest
            loss among equals), without validation data the last.
        stopped_early: Whether patience ended the run.
    """

    rows: tuple[Row, ...]
    best_epoch: int
    stopped_early: bool

    @property
    def best(self) -> Row:
        """The row of the best epoch."""
        return self.rows[self.best_epoch - 1]


def fine_tune(
    classifier: Classifier,
    x: Tensor | np.ndarray,
    labels: Tensor | np.ndarray,
    *,
    validation: tuple[Tensor | np.ndarray, Tensor | np.ndarray] | None = None,
    max_epochs: int = 50,
    batch_size: int = 20,
    learning_rate: float = 0.1,
    output_rate: float | None = None,
    decay: float = 1.0,
    patience: int | None = None,
    regularisation: Regularisation | None = None,
    seed: int = 0,
    device: str = "auto",
    checkpoint: str | Path | None = None,
    checkpoint_seconds: float = 0.0,
    on_epoch: Callable[[Row], None] | None = None,
) -> FineTuning:
    """Train all layers in place by stochastic gradient descent on the labels and return what happened.

    Plain steps without momentum, as in the papers. After pretraining many sigmoid units are saturated and learn
    slowly: the encoder may then need a much larger rate than the output layer.

    Args:
        classifier: Pretrained encoder and a new output layer.
        x: (examples, *features), floating point.
        labels: Class numbers from 0, (examples,).
        validation: (x, labels) that decide which epoch is best; never trained on.
        max_epochs: Passes over the data.
        batch_size: Rows per step.
        learning_rate: Of the encoder in the first epoch.
        output_rate: Of the output layer in the first epoch; as the encoder's if None.
        decay: Both rates are multiplied by it after every epoch.
        patience: Stop after so many epochs without a better one: a lower validation error, or less loss at the same.
        regularisation: Jacobian penalty, tangent propagation.
        seed: Of the order of the data, what is drawn and dropout. Same seed and machine, same weights, on the CPU.
        device: `auto` or a device of torch.
        checkpoint: File for the state of training; a run that finds it goes on from there, to the same weights.
        checkpoint_seconds: It is written after an epoch if so many seconds have passed since the last time, and after
            the last one.
        on_epoch: Called with every new row.

    Raises:
        ValueError: Settings out of range, labels that are not class numbers, tangents that do not fit.
        TrainingDiverged: The loss became NaN or infinite.
        StorageError: A checkpoint of another run.
    """
    check_settings(max_epochs, batch_size, learning_rate, output_rate, decay, patience, validation is None)
    check_seconds(checkpoint_seconds)
    check_seed(seed)
    place = torch.device(place_of(device))
    home = next(classifier.parameters()).device
    train = labelled_rows(x, labels, "training", classifier)
    held_out = None if validation is None else labelled_rows(*validation, "validation", classifier)
    rule = regularisation or Regularisation()
    if rule.tangents is not None and len(rule.tangents) != len(train[0]):
        raise ValueError(f"tangents must be those of all {len(train[0])} rows, got {len(rule.tangents)}. Match them.")
    run = _Run(
        classifier.to(place),
        tuple(part.to(place) for part in train),
        None if held_out is None else tuple(part.to(place) for part in held_out),
        rule,
        whole("batch_size", batch_size),
        (float(learning_rate), float(learning_rate if output_rate is None else output_rate), float(decay)),
        seed,
    )
    path = None if checkpoint is None else Path(checkpoint)
    if path is not None:
        run.resume(path)
    keep_freed_memory()
    written = time.monotonic()
    with flushed_denormals():
        while not run.is_over(max_epochs, patience):
            row = run.train_epoch()
            due = run.is_over(max_epochs, patience) or time.monotonic() - written >= checkpoint_seconds
            if path is not None and due:
                run.store(path)
                written = time.monotonic()
            if on_epoch is not None:
                on_epoch(row)
    classifier.load_state_dict(run.best)
    classifier.to(home).eval()
    return FineTuning(tuple(run.rows), run.best_epoch, run.is_stale(patience) and run.epoch < max_epochs)


class _Run:
    """The state of a run: weights, the best weights so far, and the rows."""

    def __init__(
        self,
        classifier: Classifier,
        train: tuple[Tensor, ...],
        validation: tuple[Tensor, ...] | None,
        rule: Regularisation,
        batch_size: int,
        rates: tuple[float, float, float],
        seed: int,
    ) -> None:
        self.classifier = classifier
        self.train, self.validation = train, validation
        self.rule = rule
        self.batch_size = batch_size
        self.rates = rates
        self.seed = seed
        self.rows: list[Row] = []
        self.best_epoch = 0
        self.start = tensors_checksum(classifier.state_dict().values())
        self.best = _copy(classifier)
        groups = [{"params": list(part.parameters())} for part in (classifier.encoder, classifier.linear)]
        self.optimizer = torch.optim.SGD(groups, lr=rates[0])

    @property
    def epoch(self) -> int:
        return len(self.rows)

    @cached_property
    def settings(self) -> dict[str, Any]:
        """What a checkpoint must agree in; the data are read for it once, not at every checkpoint."""
        return {
            "rates": list(self.rates),
            "batch_size": self.batch_size,
            "seed": self.seed,
            "data": tensors_checksum(self.train),
            "encoder": architecture(self.classifier.encoder),
            "start": self.start,
            "regularisation": [self.rule.jacobian_weight, self.rule.tangent_weight, self.rule.tangents_per_step],
            "output": self.classifier.output,
            "validation": tensors_checksum(self.validation or ()),
            "tangents": self.rule.checksum(),
        }

    def is_stale(self, patience: int | None) -> bool:
        return patience is not None and self.epoch - self.best_epoch >= patience

    def is_over(self, max_epochs: int, patience: int | None) -> bool:
        return self.epoch >= max_epochs or self.is_stale(patience)

    def train_epoch(self) -> Row:
        began = time.perf_counter()
        # everything random is a function of seed and epoch, so that a resumed run repeats nothing and skips nothing
        generator = torch.Generator().manual_seed((self.seed << 20) + self.epoch)
        factor = self.rates[2] ** self.epoch
        for group, rate in zip(self.optimizer.param_groups, self.rates, strict=False):
            group["lr"] = rate * factor
        self.classifier.train()
        place = self.train[0].device
        with torch.random.fork_rng([place] if place.type == "cuda" else []):
            torch.manual_seed(generator.initial_seed() + _DROPOUT)
            loss, wrong = self._pass(generator)
        whole = all(bool(part.isfinite().all()) for part in self.classifier.parameters())
        if not (math.isfinite(loss) and whole):
            got = f"{loss} and infinite weights" if math.isfinite(loss) else loss
            raise TrainingDiverged(
                f"loss must stay finite, got {got} in epoch {self.epoch + 1} of fine-tuning."
                " Lower the learning rates or the weights of what is added."
            )
        row = {
            "epoch": self.epoch + 1,
            "learning_rate": self.rates[0] * factor,
            "train_loss": loss,
            "train_error": wrong,
        }
        self.classifier.eval()
        if self.validation is not None:
            row["val_loss"], row["val_error"] = _judged(self.classifier, *self.validation)
        row["seconds"] = time.perf_counter() - began
        self.rows.append(row)
        if self._is_best(row):
            self.best_epoch, self.best = self.epoch, _copy(self.classifier)
        return row

    def _pass(self, generator: torch.Generator) -> tuple[float, float]:
        """One pass over the data; (mean loss, share of errors)."""
        x, labels = self.train
        total, wrong = x.new_zeros((), dtype=torch.float64), x.new_zeros((), dtype=torch.long)
        for rows in torch.randperm(len(x), generator=generator).split(self.batch_size):
            there = rows.to(x.device)
            logits, extra = self.rule(self.classifier, x[there], rows, generator)
            losses = self.classifier.loss(logits, labels[there]) + extra
            self.optimizer.zero_grad()
            losses.mean().backward()
            self.optimizer.step()
            total += losses.detach().sum()
            wrong += (logits.detach().argmax(1) != labels[there]).sum()
        return float(total) / len(x), int(wrong) / len(x)

    def _is_best(self, row: Row) -> bool:
        if self.validation is None or not self.best_epoch:
            return True
        before = self.rows[self.best_epoch - 1]
        return (row["val_error"], row["val_loss"]) < (before["val_error"], before["val_loss"])

    def store(self, path: Path) -> None:
        state = {"settings": self.settings, "rows": self.rows, "best_epoch": self.best_epoch}
        _checkpoint.write(path, dict(self.classifier.state_dict()), self.best, state)

    def resume(self, path: Path) -> None:
        found = _checkpoint.read(path, self.settings)
        if found is None:
            return
        now, self.best, state = found
        self.classifier.load_state_dict(now)
        self.rows, self.best_epoch = list(state["rows"]), state["best_epoch"]


@torch.no_grad()
def _judged(classifier: Classifier, x: Tensor, labels: Tensor) -> tuple[float, float]:
    """(mean loss, share of errors)."""
    logits = torch.cat([classifier(part) for part in x.split(_ROWS_AT_ONCE)])
    return float(classifier.loss(logits, labels).mean()), float((logits.argmax(1) != labels).double().mean())


def _copy(classifier: Classifier) -> dict[str, Tensor]:
    return {name: tensor.detach().clone() for name, tensor in classifier.state_dict().items()}
