"""Supervised training of a pretrained classifier by plain stochastic gradient descent, as the papers did it."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Unpack

import numpy as np
import torch
from torch import Tensor, nn

from contractive.analysis import apply
from contractive.core.errors import InvalidValue, check_at_least, check_choice, check_positive
from contractive.core.randomness import global_randomness
from contractive.core.settings import check_settings, setting
from contractive.jacobian import value_and_squared_norm
from contractive.models import Classifier, architecture, tensors_checksum
from contractive.objectives import tangent_propagation
from contractive.training._checkpoints import State, read_checkpoint, restored, write_checkpoint
from contractive.training._contexts import flushed_denormals, keep_freed_memory, using_threads
from contractive.training._history import Epochs, Row, TrainingDiverged, check_not_lost
from contractive.training._rows import as_tensor, labelled_rows
from contractive.training._settings import TrainingOptions, TrainingSettings, check_device, place_of, settings_of

FINE_TUNING_DEFAULTS = TrainingSettings(max_epochs=50, batch_size=20, learning_rate=0.1, schedule="constant")
_FIXED = ("schedule", "gradient_clip", "precision", "devices", "num_nodes", "strategy")  # settings without a choice
_CHECKED = 256  # examples whose tangents go into the checksum
_DROPOUT = 2**31  # apart from the seed of the order: dropout draws from the global generator


@dataclass(frozen=True)
class Regularisation:
    """Regularisers that are added to the loss of each example.

    `tangents_per_step` makes a step cheaper and noisier than in the paper (Rifai et al., NIPS 2011).
    """

    jacobian_weight: float = setting(0.0, "Factor of ||J(x)||_F^2.", least=0)
    tangent_weight: float = setting(0.0, "Factor of sum_u ||(do/dx) u||^2, o the outputs, u the directions.", least=0)
    tangents: Tensor | np.ndarray | None = setting(
        None, "Directions of every training example, (examples, num, features); an array may lie on disk."
    )
    tangents_per_step: int | None = setting(
        None,
        "So many directions, drawn anew for every batch and scaled up so that the expectation stays.",
        by_data="all",
        least=1,
    )
    jacobian_of: Literal["code", "logits"] = setting("code", "What J is the Jacobian of; logits: Hoffman et al. 2019.")

    def __post_init__(self) -> None:
        check_settings(self)
        if self.tangent_weight and self.tangents is None:
            raise InvalidValue("tangents", "come with a `tangent_weight`", "none", "See jacobian.leading.")

    def identity(self) -> dict[str, str]:
        """Numbers, and a checksum of the tangents that are used, at up to 256 spread examples of maybe gigabytes."""
        checksum = 0
        if self.tangents is not None and self.tangent_weight:
            rows = torch.linspace(0, len(self.tangents) - 1, _CHECKED, dtype=torch.float64).long().unique()
            checksum = tensors_checksum([self._rows(rows)])
        numbers = f"{self.jacobian_weight} of the {self.jacobian_of}, {self.tangent_weight}, {self.tangents_per_step}"
        return {"regularisation": numbers, "tangents": str(checksum)}

    def _rows(self, rows: Tensor, which: Any = slice(None)) -> Tensor:
        """Tangents of these training rows; of an array only these rows are read from the disk."""
        assert self.tangents is not None
        if isinstance(self.tangents, Tensor):
            return self.tangents[rows.to(self.tangents.device)][:, which]
        return torch.from_numpy(np.array(self.tangents[rows.numpy()][:, which]))

    def __call__(
        self, classifier: Classifier, x: Tensor, rows: Tensor, generator: torch.Generator
    ) -> tuple[Tensor, Tensor]:
        """Return the logits of the training rows `rows`, whose points are x, and what is added to each one's loss."""
        extra, logits = x.new_zeros(len(x)), None
        if self.tangents is not None and self.tangent_weight:
            num = self.tangents.shape[1]
            count = min(self.tangents_per_step or num, num)
            drawn = slice(None) if count == num else torch.randperm(num, generator=generator)[:count].numpy()
            tangents = self._rows(rows, drawn).to(x)
            logits, omega = tangent_propagation(classifier.chain, x, tangents, output=classifier.output)
            # drawn without replacement, each with probability count / num: the factor keeps the expectation
            extra = self.tangent_weight * (num / count) * omega
        if self.jacobian_weight:
            parts = {"code": (classifier.encoder, classifier.linear), "logits": (classifier.chain, nn.Identity())}
            f, rest = parts[self.jacobian_of]
            value, norm = value_and_squared_norm(f, x, generator=generator)
            logits = rest(value) if logits is None else logits
            extra = extra + self.jacobian_weight * norm
        return classifier(x) if logits is None else logits, extra


@dataclass(frozen=True, repr=False)
class FineTuning(Epochs):
    """One run of `fine_tune`.

    Attributes:
        rows: Per epoch: `epoch` from 1, `seconds`, `learning_rate`, `train_loss` with all that is added, `train_error`,
            and with validation data `val_loss` and `val_error`; losses in nats, errors as shares.
        best_epoch: Epoch whose weights the classifier has now: that of the lowest validation error (of the lowest
            loss among equals), without validation data the last.
    """


def fine_tune(
    classifier: Classifier,
    x: Tensor | np.ndarray,
    labels: Tensor | np.ndarray,
    *,
    validation: tuple[Tensor | np.ndarray, Tensor | np.ndarray] | None = None,
    output_rate: float | None = None,
    decay: float = 1.0,
    regularisation: Regularisation | None = None,
    unlabelled: Tensor | np.ndarray | None = None,
    checkpoint: str | Path | None = None,
    checkpoint_seconds: float = 0.0,
    on_epoch: Callable[[Row], None] | None = None,
    **options: Unpack[TrainingOptions],
) -> FineTuning:
    """Train all layers in place by stochastic gradient descent on the labels and return what happened.

    Plain steps without momentum, as in the papers. After pretraining many sigmoid units are saturated and learn
    slowly: the encoder may then need a much larger rate than the output layer.

    Args:
        classifier: Pretrained encoder and a new output layer.
        x: (examples, *features), floating point.
        labels: Class numbers from 0, (examples,).
        validation: (x, labels) that decide which epoch is best; never trained on.
        output_rate: Learning rate of the output layer in the first epoch; as the encoder's if None.
        decay: Both rates are multiplied by it after every epoch.
        regularisation: Jacobian penalty, tangent propagation.
        unlabelled: Further rows at which it holds, too: in each step it is the mean over the rows of the batch and as
            many drawn from these. Their tangents follow those of x.
        checkpoint: File for the state of training; a run that finds it resumes from it, to the same weights.
        checkpoint_seconds: It is written after an epoch if so many seconds have passed since the last time, and after
            the last one.
        on_epoch: Called with every new row.
        options: `max_epochs` (50 if left out), `batch_size` (20), `learning_rate` (of the encoder in the first epoch,
            0.1), `patience` (epochs without a lower validation error, or less loss at the same), `seed` and `device`
            of `TrainingSettings`; the others can only have their default here.

    Raises:
        TypeError: An option that does not exist.
        ValueError: Settings out of range, labels that are not class numbers, tangents that do not fit.
        TrainingDiverged: The loss became NaN or infinite, or ended above that of a guess with weights beyond any
            healthy ones.
        CheckpointError: A checkpoint of another run.

    Examples:
        >>> from contractive.models import Classifier
        >>> x = torch.rand(60, 4, generator=torch.Generator().manual_seed(0))
        >>> classifier = Classifier(torch.nn.Linear(4, 4), 4, 2)
        >>> found = fine_tune(classifier, x, (x[:, 0] > x[:, 1]).long(), max_epochs=30, learning_rate=1.0)
        >>> found.best["train_error"] < 0.2
        True
    """
    settings, _ = settings_of(fine_tune, options, TrainingOptions.__annotations__, FINE_TUNING_DEFAULTS)
    settings = settings.completed(len(x), math.prod(x.shape[1:]))
    for name in _FIXED:
        only = getattr(FINE_TUNING_DEFAULTS, name)
        check_choice(name, getattr(settings, name), [only], "Fine-tuning has no other.")
    check_at_least("checkpoint_seconds", checkpoint_seconds, 0)
    if output_rate is not None:
        check_positive("output_rate", output_rate, "Try 0.1.")
    if not 0 < decay <= 1:
        raise InvalidValue("decay", "lie above 0 and be at most 1", decay, "1 keeps the rate constant.")
    if settings.patience is not None and validation is None:
        raise InvalidValue("patience", "come with validation data", "none", "Pass validation=(x, labels).")
    check_device(settings.device)
    place, home = torch.device(place_of(settings.device)), next(classifier.parameters()).device
    train = labelled_rows(x, labels, "training", classifier, place)
    held_out = None if validation is None else labelled_rows(*validation, "validation", classifier, place)
    rule = regularisation or Regularisation()
    beside = None if unlabelled is None else as_tensor(unlabelled).to(place, train[0].dtype)
    if beside is not None and beside.shape[1:] != train[0].shape[1:]:
        like_x = f"have rows of shape {tuple(train[0].shape[1:])} like x"
        raise InvalidValue("unlabelled", like_x, tuple(beside.shape[1:]), "Use the same data.")
    if beside is not None and not len(beside):
        raise InvalidValue("unlabelled", "have at least one row", "none", "Leave it out.")
    count = len(train[0]) + (0 if beside is None else len(beside))
    if rule.tangents is not None and len(rule.tangents) != count:
        raise InvalidValue("tangents", f"be those of all {count} rows", len(rule.tangents), "Match them.")
    rates = (settings.learning_rate or 0.0, float(output_rate or settings.learning_rate or 0.0))
    run = _Run(classifier.to(place), train, held_out, beside, rule, settings, rates, float(decay))
    path = None if checkpoint is None else Path(checkpoint)
    identity = {} if path is None else run.identity()  # all data are read for it: once, not at every checkpoint
    if path is not None and path.exists():
        run.resume(path, identity)
    keep_freed_memory()
    written = time.monotonic()
    batch = train[0][: settings.batch_size]
    with using_threads(settings.threads, classifier, batch), flushed_denormals():
        while not run.is_over:
            row = run.train_epoch()
            if path is not None and (run.is_over or time.monotonic() - written >= checkpoint_seconds):
                run.save(path, identity)
                written = time.monotonic()
            if on_epoch is not None:
                on_epoch(row)
    classifier.load_state_dict(run.best)
    classifier.to(home).eval()
    check_not_lost(classifier, run.rows[-1]["train_loss"], math.log(classifier.linear.out_features))
    return FineTuning(tuple(run.rows), run.best_epoch, run.is_stale and len(run.rows) < (settings.max_epochs or 0))


@dataclass
class _Run:
    """The state of a run: weights, the best weights so far, and the rows."""

    classifier: Classifier
    train: tuple[Tensor, Tensor]
    validation: tuple[Tensor, Tensor] | None
    unlabelled: Tensor | None
    rule: Regularisation
    settings: TrainingSettings
    rates: tuple[float, float]
    decay: float

    def __post_init__(self) -> None:
        self.rows: list[Row] = []
        self.best_epoch, self.best = 0, self._weights()
        groups = [{"params": list(part.parameters())} for part in (self.classifier.encoder, self.classifier.linear)]
        self.optimizer = torch.optim.SGD(groups, lr=self.rates[0])

    @property
    def is_stale(self) -> bool:
        return len(self.rows) - self.best_epoch >= (self.settings.patience or math.inf)

    @property
    def is_over(self) -> bool:
        return len(self.rows) >= (self.settings.max_epochs or 0) or self.is_stale

    def _weights(self) -> dict[str, Tensor]:
        return {name: tensor.detach().clone() for name, tensor in self.classifier.state_dict().items()}

    def train_epoch(self) -> Row:
        began, epoch = time.perf_counter(), len(self.rows)
        # everything random is a function of seed and epoch, so that a resumed run repeats nothing and skips nothing
        generator = torch.Generator().manual_seed((self.settings.seed << 20) + epoch)
        factor = self.decay**epoch
        for group, rate in zip(self.optimizer.param_groups, self.rates, strict=True):
            group["lr"] = rate * factor
        place = self.train[0].device
        with global_randomness(generator.initial_seed() + _DROPOUT, [place] if place.type == "cuda" else []):
            loss, error = self._pass(generator)
        if not (math.isfinite(loss) and all(bool(part.isfinite().all()) for part in self.classifier.parameters())):
            got = f"{loss} and infinite weights" if math.isfinite(loss) else loss
            raise TrainingDiverged(
                f"loss must stay finite, got {got} in epoch {epoch + 1} of fine-tuning."
                " Lower the learning rates or the weights of what is added."
            )
        row = {"epoch": epoch + 1, "learning_rate": self.rates[0] * factor, "train_loss": loss, "train_error": error}
        self.classifier.eval()
        if self.validation is not None:
            row["val_loss"], row["val_error"] = self._judge(*self.validation)
        row["seconds"] = time.perf_counter() - began
        self.rows.append(row)
        judged = [(each["val_error"], each["val_loss"]) for each in self.rows if self.validation is not None]
        if not judged or judged[-1] < (judged[self.best_epoch - 1] if self.best_epoch else (math.inf, math.inf)):
            self.best_epoch, self.best = epoch + 1, self._weights()
        return row

    def _pass(self, generator: torch.Generator) -> tuple[float, float]:
        """One pass over the data; (mean loss, share of errors)."""
        self.classifier.train()
        x, labels = self.train
        total, wrong = x.new_zeros((), dtype=torch.float64), x.new_zeros((), dtype=torch.long)
        for rows in torch.randperm(len(x), generator=generator).split(self.settings.batch_size or 1):
            there = rows.to(x.device)
            logits, extra = self.rule(self.classifier, x[there], rows, generator)
            if self.unlabelled is not None:
                drawn = torch.randint(len(self.unlabelled), (len(rows),), generator=generator)
                points = self.unlabelled[drawn.to(x.device)]
                extra = (extra + self.rule(self.classifier, points, len(x) + drawn, generator)[1]) / 2
            losses = self.classifier.loss(logits, labels[there]) + extra
            self.optimizer.zero_grad()
            losses.mean().backward()
            self.optimizer.step()
            total += losses.detach().sum()
            wrong += (logits.detach().argmax(1) != labels[there]).sum()
        return float(total) / len(x), int(wrong) / len(x)

    @torch.no_grad()
    def _judge(self, x: Tensor, labels: Tensor) -> tuple[float, float]:
        """(mean loss, share of errors)."""
        logits = apply(self.classifier, x)
        wrong = logits.argmax(1) != labels
        return float(self.classifier.loss(logits, labels).mean()), float(wrong.double().mean())

    def identity(self) -> dict[str, str]:
        """What distinguishes this run from others; `max_epochs` and `patience` may change from call to call."""
        return {
            "rates": f"{self.rates} x {self.decay}",
            "batch_size": str(self.settings.batch_size),
            "seed": str(self.settings.seed),
            "data": str(tensors_checksum(self.train)),
            "encoder": str(architecture(self.classifier.encoder)),
            "start": str(tensors_checksum(self.best.values())),
            "output": self.classifier.output,
            "validation": str(tensors_checksum(self.validation or ())),
            "unlabelled": str(tensors_checksum([] if self.unlabelled is None else [self.unlabelled])),
            **self.rule.identity(),
        }

    def save(self, path: Path, identity: dict[str, str]) -> None:
        ours = {"settings": identity, "rows": self.rows, "best_epoch": self.best_epoch}
        write_checkpoint({"contractive": ours, "now": self.classifier.state_dict(), "best": self.best}, path)

    def resume(self, path: Path, identity: dict[str, str]) -> None:
        restored(path, self._restore, read_checkpoint(path, identity, self.train[0].device))

    def _restore(self, found: State) -> None:
        self.classifier.load_state_dict(found["now"])
        ours, self.best = found["contractive"], found["best"]
        self.rows, self.best_epoch = list(ours["rows"]), int(ours["best_epoch"])
