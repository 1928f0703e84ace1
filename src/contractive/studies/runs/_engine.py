"""The engine of all runs: `train` one into a folder, also from where it was interrupted, and `open_run`."""

import platform
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from contractive import training
from contractive.core.artifacts import Artifact, write_arrays
from contractive.core.errors import InvalidType, check_at_least, first_line
from contractive.data import Preparation, Split
from contractive.models import storage
from contractive.studies.documents import DataFacts, versions
from contractive.studies.runs._autoencoder import AutoencoderTask
from contractive.studies.runs._classifier import ClassifierTask
from contractive.studies.runs._detector import DetectorTask
from contractive.studies.runs._folder import Files, HistoryTable, RunError, as_run_errors
from contractive.studies.runs._task import (
    METRICS,
    Job,
    M,
    N,
    ProgressCallback,
    Run,
    RunDocument,
    Task,
    TaskSettings,
    Trained,
)

if TYPE_CHECKING:
    from lightning.pytorch.callbacks import Callback

TASKS: dict[str, Task[Any, Any, Any]] = {
    task.name: task for task in (AutoencoderTask(), ClassifierTask(), DetectorTask())
}
R = TypeVar("R", bound=Run[Any, Any])


def train(
    split: Split,
    settings: TaskSettings[N, M],
    out: str | Path,
    *,
    command: str = "",
    force: bool = False,
    resume: bool = False,
    progress: bool = True,
    checkpoint_seconds: float = 10.0,
    callbacks: "Sequence[Callback]" = (),
    on_progress: ProgressCallback = lambda stage, done, total: None,
) -> Trained[N, M]:
    """Train a model into a folder: model, configuration, history, metrics, checkpoints.

    Every file is written whole or not at all. The test rows are measured once, at the end.

    Args:
        split: Data; for a classifier with labels, and in memory.
        settings: Of one of the `TASKS`, for instance `AutoencoderSettings`; what is None is chosen by the data.
        out: The folder.
        command: That repeats the run; it is kept likewise.
        force: Replace a run that is in the folder.
        resume: Continue the run in the folder, which must have the same settings and data.
        progress: Show a progress bar.
        checkpoint_seconds: Least time between checkpoints.
        callbacks: Lightning callbacks; what one raises ends the training and reaches the caller.
        on_progress: Called with the name of a stage, how much of it is done, and how much there is.

    Raises:
        RunError: A folder that cannot be used so.
        ValueError: Settings that do not fit the data.
        TrainingDiverged: The loss became NaN or infinite.
        KeyboardInterrupt: Ctrl-C. The run can be resumed, and the folder of an autoencoder has the model so far.
    """
    task = next((task for task in TASKS.values() if isinstance(settings, task.settings)), None)
    if task is None:
        raise InvalidType("settings", "be those of a task", type(settings).__name__, "Give AutoencoderSettings.")
    files, is_first = Files(out), training.is_first_process()
    settings.check_machine()
    check_at_least("checkpoint_seconds", checkpoint_seconds, 0)
    split = settings.prepared(split)
    settings = settings.completed(split)
    if resume and is_first:
        _check_resumable(files, task, settings, split)
        files.make_writable()
    elif is_first:
        files.prepare([name for each in TASKS.values() for name in each.own_files], force=force)
        _write_config(files, task, split, settings, command)
    if split.parts is not None and is_first and not files.split.exists():
        write_arrays(files.split, {"parts": split.parts})
    job = Job(split, settings, files, resume, progress, checkpoint_seconds, on_progress, callbacks)
    trained = task.fit(job)
    trained = replace(trained, metrics=task.measure(job, trained))
    if is_first:
        storage.save_weights(trained.model, files.model)
        HistoryTable(files.history).write(trained.history.rows)
        Artifact.of(METRICS, trained.metrics).write(files.folder, files.metrics.stem)  # last: the run is finished then
        if not task.keeps_checkpoints(settings):
            files.remove_checkpoints()
    return trained


def open_run(folder: str | Path, kind: type[R] = Run) -> R:
    """Open the folder of a run.

    Args:
        folder: That `train` wrote.
        kind: `AutoencoderRun`, `ClassifierRun` or `DetectorRun`, where it must be of that kind.

    Raises:
        RunError: Not the folder of such a run, or broken files.
    """
    folder = Path(folder)
    document = _read_config(folder, kind)
    task, path = TASKS[document.task], Files(folder).config
    if not issubclass(task.run, kind):
        got = f"{folder} with the {task.name} of {task.command}"
        raise _wrong_run(kind, got, f"Its commands are {task.uses}.")
    try:
        settings = Artifact("settings", document.settings).to(task.settings, path)
        preparation = Preparation.from_dict(document.preparation)
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise RunError(f"{path} does not describe a run: {first_line(error)}. It was changed.") from error
    values = settings.values()
    incomplete = any(values[name] is None for name in settings.by_data)
    if Artifact.of("settings", settings).document != document.settings or incomplete:
        raise RunError(f"{path} does not hold the settings of a run as this version writes them. It was changed.")
    return task.run(folder, task, document, settings, preparation)


def _read_config(folder: Path, kind: type[Run[Any, Any]]) -> RunDocument:
    path = Files(folder).config
    if not path.exists():
        got = f"{folder} without {path.name}" if folder.is_dir() else str(folder)
        raise _wrong_run(kind, got, "Check the path.")
    with as_run_errors(path):
        extra = storage.read_config(folder).extra
        run = extra.get("run") if isinstance(extra, dict) else None
        if not isinstance(run, dict):
            got = f"{folder}, a model saved without data"
            raise _wrong_run(kind, got, "Load it with contractive.load in Python.")
        document = Artifact("run", run).to(RunDocument, path)
    if document.task not in TASKS:
        raise RunError(f"{path} holds a run of the unknown task {document.task!r:.80}. Use the version that wrote it.")
    return document


def _wrong_run(kind: type[Run[Any, Any]], got: str, remedy: str) -> RunError:
    *others, last = (task.command for task in TASKS.values() if issubclass(task.run, kind))
    commands = f"{', '.join(others)} or {last}" if others else last
    return RunError(field="run", rule=f"be a folder that {commands} wrote", got=got, remedy=remedy)


def _write_config(
    files: Files, task: Task[Any, Any, Any], split: Split, settings: TaskSettings[Any, Any], command: str
) -> None:
    """Write `config.json`, with all that is needed to rebuild the run."""
    assert split.preparation is not None
    machine = {"python": platform.python_version(), "machine": platform.machine()}
    document = RunDocument(
        task.name,
        command,
        settings,
        DataFacts.of(split),
        split.preparation.to_dict(),
        {**machine, **versions("lightning", "safetensors")},
        tuple(split.notes),
        split.source,
    )
    storage.write_config(files.folder, task.recipe(settings, split), {"run": document})


def _check_resumable(files: Files, task: Task[Any, Any, Any], settings: TaskSettings[Any, Any], split: Split) -> None:
    """Refuse a folder without a run of this task, and other settings or other data than those of the run."""
    if not files.config.exists():
        got = f"{files.folder} without {files.config.name}"
        raise RunError(field="resume", rule="find a run", got=got, remedy="Leave `resume` out.")
    run = open_run(files.folder, task.run)
    before, now, parts = run.settings.values(), split.preparation, run.split_parts()
    assert now is not None
    same = split.checksum == run.document.data.checksum and str(now.to_dict()) == str(run.preparation.to_dict())
    if not same or not (parts is None or split.parts is None or np.array_equal(parts, split.parts)):
        raise RunError(
            field="resume",
            rule="continue with the data of the run, split as they were",
            got="other data",
            remedy="Give those (`open_run(out).load_data()`), or start the run anew.",
        )
    for name, value in settings.values().items():
        if name not in training.MACHINE and value != before[name]:
            raise RunError(
                field="resume",
                rule="continue with the settings of the run",
                got=f"{name} {value} instead of {before[name]}",
                remedy="Set it back, or start the run anew.",
            )
