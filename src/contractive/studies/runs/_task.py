"""What a task says of its runs; the engine (`train`, `open_run`, `encode` and the like) does the rest.

A new task is a file with its settings, metrics, run and task, and a line in `TASKS`.
"""

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, fields, is_dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Self, TypeVar, cast

import numpy as np
import torch
from torch import nn

from contractive import training
from contractive.core.artifacts import Artifact, read_arrays
from contractive.data import SETS, DataSource, Preparation, Split, load
from contractive.models import Autoencoder, Recipe
from contractive.studies.documents import DataFacts
from contractive.studies.runs._folder import Files, HistoryTable, RunError, as_run_errors
from contractive.training import History

if TYPE_CHECKING:
    from lightning.pytorch.callbacks import Callback

_ROWS = 2000  # that tell whether a training collapsed
PROBLEM = "problem"  # column that says why a row is marked
METRICS = "set of metrics"  # of the document in metrics.json
N = TypeVar("N", bound=nn.Module)
M = TypeVar("M")
S = TypeVar("S", bound="TaskSettings[Any, Any]")
ProgressCallback = Callable[[str, int, int], None]


class TaskSettings(ABC, Generic[N, M]):
    """Settings of a run whose model is an N and whose metrics are an M: a frozen dataclass.

    Attributes:
        by_data: Names of fields that are never None in completed settings.
    """

    by_data: ClassVar[tuple[str, ...]]

    def prepared(self, split: Split) -> Split:
        """Return the data as the task takes them, for instance without some columns; twice gives the same as once."""
        return split

    @abstractmethod
    def completed(self, split: Split) -> Self:
        """Return the settings with the defaults that depend on the data, checked against the data."""

    def values(self) -> dict[str, Any]:
        """Return the values of all fields by their names, those of settings inside included."""
        return dict(_leaves(self))

    def check_machine(self) -> None:
        """Refuse what this machine does not have, for instance a device."""
        training.check_device(self.values()["device"])


def _leaves(settings: Any) -> Iterator[tuple[str, Any]]:
    for each in fields(settings):
        value = getattr(settings, each.name)
        yield from _leaves(value) if is_dataclass(value) else [(each.name, value)]


@dataclass(frozen=True)
class RunDocument:
    """What `config.json` holds beside the architecture of the model."""

    task: str  # a name of `TASKS`
    command: str  # repeats the run
    settings: Any  # of the type of the task; plain values after reading
    data: DataFacts
    preparation: Any  # as `Preparation.to_dict` returns it
    versions: dict[str, str]  # of the packages that the metrics depend on
    notes: tuple[str, ...] = ()  # sentences on what was detected or decided about the data
    source: DataSource | None = None  # what `data.load` was asked for; None for a split made by hand


@dataclass(frozen=True)
class RowFunction:
    """A function of prepared rows: a module, the names of its results, and what takes them to the user's units."""

    module: nn.Module  # from prepared rows (batch, features) to numbers
    columns: tuple[str, ...]  # names of the results
    finish: Callable[[np.ndarray], Any] = lambda y: y  # from the numbers to values by name, or an array (rows, columns)

    @torch.no_grad()
    def apply(self, x: np.ndarray, device: str = "cpu") -> Any:
        """Return what it makes of prepared rows; its module must be on the device."""
        return self.finish(self.module(torch.from_numpy(x).to(device)).flatten(1).cpu().numpy())

    def named(self, made: Any) -> dict[str, np.ndarray]:
        """Return what `apply` returned by the names of its columns."""
        if isinstance(made, dict):
            return made
        return dict(zip(self.columns, made.reshape(len(made), len(self.columns)).T, strict=True))


def with_problems(named: dict[str, np.ndarray], usable: np.ndarray, problems: dict[int, str]) -> dict[str, np.ndarray]:
    """Return results of the usable rows of a block for all its rows, masked in others, and what is wrong with these."""
    rows, found = len(usable) + len(problems), {}
    for name, values in named.items():
        whole, gap = np.zeros(rows, values.dtype), np.ones(rows, bool)
        whole[usable], gap[usable] = values, False
        found[name] = np.ma.array(whole, mask=gap)
    return found | {PROBLEM: np.array([problems.get(row, "") for row in range(rows)], np.str_)}


@dataclass(frozen=True)
class Run(ABC, Generic[N, M]):
    """A run on disk."""

    folder: Path
    task: "Task[Any, N, M]"  # what it was trained for
    document: RunDocument  # the content of its `config.json`
    settings: Any  # completed
    preparation: Preparation  # from raw rows to the network's numbers and back

    @property
    @abstractmethod
    def num_units(self) -> int:
        """Numbers per code."""

    @abstractmethod
    def model(self) -> N:
        """Return the trained model, in evaluation mode.

        Raises:
            RunError: Training has not come as far as to have one.
            StorageError: Broken files.
        """

    @abstractmethod
    def parts(self) -> dict[str, nn.Module]:
        """Return what can be used separately, by name; `encoder` turns prepared rows into codes."""

    def row_functions(self, parts: dict[str, nn.Module]) -> dict[str, RowFunction]:
        """Return what the parts can do with rows, by the name of the command."""
        return {"encode": RowFunction(parts["encoder"], tuple(f"code_{unit}" for unit in range(self.num_units)))}

    @property
    def files(self) -> Files:
        """Where its files lie."""
        return Files(self.folder)

    @property
    def finished(self) -> bool:
        """True where training came to its end."""
        return self.files.metrics.exists()

    def tidy(self) -> None:
        """Remove what a finished run does not need, which is there if the process was killed at its very end."""
        if not self.task.keeps_checkpoints(self.settings):
            self.files.remove_checkpoints()
        self.files.remove_temporary_files()

    def metrics(self) -> M | None:
        """Return the metrics; None while training is not finished.

        Raises:
            RunError: A broken file.
        """
        if not self.finished:
            return None
        path = self.files.metrics
        with as_run_errors(path):
            return Artifact.read(self.folder, path.stem, METRICS).to(self.task.metrics, path)

    def finished_metrics(self) -> M:
        """Return the metrics.

        Raises:
            RunError: Training is not finished, or a broken file.
        """
        if (found := self.metrics()) is None:
            raise RunError(
                f"{self.folder} holds a run that is not finished. Run {self.task.command} again with `resume`."
            )
        return found

    def history(self) -> list[dict[str, float]]:
        """Return a row of numbers for every epoch."""
        return HistoryTable(self.files.history).read()

    def check_trained(self) -> None:
        """Refuse a run without a model."""
        if not self.files.model.exists():
            raise RunError(
                f"{self.folder} holds a run that was interrupted before it had a model."
                f" Run {self.task.command} again with `resume`."
            )

    def load_data(self, data: str | Path | None = None, *, data_dir: str | Path | None = None) -> Split:
        """Load the data of the run again, split as they were.

        Args:
            data: Where they lie now, if they were moved.
            data_dir: Where the files of a named set lie now.

        Raises:
            RunError: It is not known where they came from, or they have changed.
            DataError: They cannot be read.
        """
        source, before = self.document.source, self.document.data.checksum
        if source is None:
            raise RunError(f"{self.files.config} does not say where the data came from. Train again.")
        place, folder = data or source.data, data_dir or source.data_dir
        split = load(place, data_dir=folder, seed=source.seed, options=source.options)
        if split.checksum != before:
            raise RunError(
                field="data",
                rule=f"be what the run in {self.folder} was begun with",
                got=f"{place} with checksum {split.checksum[:12]} instead of {before[:12]}",
                remedy="Put the old data back, or start a new run.",
            )
        return split

    def is_training_data(self, data: str | Path) -> bool:
        """Return True where the run was trained on these data: the same name, or a file of the same content."""
        source, path = self.document.source, Path(data).expanduser()
        name = str(data) if str(data) in SETS else str(path.resolve())
        if source is not None and source.data == name:
            return True
        if name in SETS or not path.is_file():
            return False
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest() == self.document.data.checksum

    def split_parts(self) -> np.ndarray | None:
        """Return of each row of the source 0 (train), 1 (validation) or 2 (test); None for a set with its own split.

        Raises:
            RunError: A broken file.
        """
        if not self.files.split.exists():
            return None
        with as_run_errors(self.files.split):
            return read_arrays(self.files.split, 2**16 + 16 * sum(self.document.data.rows.values()))["parts"]


@dataclass(frozen=True)
class Job(Generic[S]):
    """A run that is being trained, by the arguments of `train`; its settings are completed."""

    split: Split
    settings: S
    files: Files
    resume: bool
    progress: bool
    checkpoint_seconds: float
    on_progress: ProgressCallback
    extra_callbacks: "Sequence[Callback]" = ()

    def callbacks(self, stage: Callable[[], str], table: HistoryTable | None = None) -> "list[Callback]":
        """Return callbacks that write the history while it grows and report every epoch, and those of the caller."""
        from lightning.pytorch.callbacks import LambdaCallback
        from lightning.pytorch.utilities import rank_zero_only

        def write(trainer: Any, step: Any) -> None:
            if table is not None:
                table.update(step.rows)

        def report(trainer: Any, step: Any) -> None:
            self.on_progress(stage(), trainer.current_epoch + 1, trainer.max_epochs)

        def interrupted(trainer: Any, step: Any, error: BaseException) -> None:
            if table is not None and step.rows and not isinstance(error, Exception):
                table.write(step.rows)

        own = LambdaCallback(
            on_train_epoch_start=rank_zero_only(write),
            on_train_epoch_end=rank_zero_only(report),
            on_exception=rank_zero_only(interrupted),
        )
        return [own, *self.extra_callbacks]

    def is_constant(self, network: Callable[[torch.Tensor], torch.Tensor]) -> bool:
        """Return whether a trained network gives all prepared rows the same output."""
        return training.is_constant(network, torch.from_numpy(self.split.train[:_ROWS]))


@dataclass(frozen=True)
class Trained(Generic[N, M]):
    """A finished run."""

    folder: Path  # where its files lie
    model: N  # in evaluation mode
    history: History  # epoch by epoch
    layers: tuple[Autoencoder, ...] = ()  # the pretrained layers of a classifier
    pretraining: tuple[History, ...] = ()  # the history of each of them; none without pretraining
    metrics: M = field(default=cast(Any, None))  # on validation and test rows


class Task(ABC, Generic[S, N, M]):
    """One kind of run: what is trained and what is measured. What is applied to rows is in its `run`."""

    name: ClassVar[str]  # what the model is, in words
    command: ClassVar[str]  # trains it
    uses: ClassVar[str]  # the commands that take a run of it
    settings: ClassVar[type[TaskSettings[Any, Any]]]
    metrics: ClassVar[type]
    run: ClassVar[type[Run[Any, Any]]]
    own_files: ClassVar[tuple[str, ...]] = ()  # that it writes beside the files of every run

    def keeps_checkpoints(self, settings: S) -> bool:
        """Return whether the state of training stays in the folder of a finished run."""
        return False

    @abstractmethod
    def recipe(self, settings: S, split: Split) -> Recipe:
        """Return the architecture of the model."""

    @abstractmethod
    def fit(self, job: Job[S]) -> Trained[N, M]:
        """Train the model, from the checkpoints of the job where it resumes; metrics are left out."""

    @abstractmethod
    def measure(self, job: Job[S], trained: Trained[N, M]) -> M:
        """Return the metrics of the trained model; the test rows are measured here and nowhere else."""
