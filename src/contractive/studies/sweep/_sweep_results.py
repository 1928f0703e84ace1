"""What a sweep found: trials, their front, its knee; as a JSON document and a table."""

import csv
import io
import json
import zipfile
import zlib
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from contractive.core.files import replace_file, write_text
from contractive.studies.documents import ResultsError, plain

SWEEP_FORMAT = 1
DOCUMENT, TABLE, ARRAYS, TRIALS, BEST = "sweep.json", "sweep.csv", "sweep.npz", "trials", "best"
COMPLETE, PRUNED = "complete", "pruned"
_BROKEN = (zipfile.BadZipFile, zlib.error)


@dataclass(frozen=True)
class SweepTrial:
    """One weight.

    Attributes:
        number: Of the trial; its run is in `trials/NNNN`.
        weight: Strength of the penalty; 0 is the unpenalised yardstick.
        state: `complete` or `pruned`.
        reason: Why it was pruned.
        figures: Means over seeds on validation rows: `error`, `sensitivity` (scale-free), `squared_norm`, `r2`, and
            `accuracy` if it was asked for. Empty where pruned.
        spread: Their standard deviations over seeds; empty with one seed.
        test: The same means on test rows; nothing is chosen by them.
        seconds: Of training, all seeds.
        warnings: In plain words.
    """

    number: int
    weight: float
    state: str = COMPLETE
    reason: str = ""
    figures: dict[str, float] = field(default_factory=dict)
    spread: dict[str, float] = field(default_factory=dict)
    test: dict[str, float] = field(default_factory=dict)
    seconds: float = 0.0
    warnings: tuple[str, ...] = ()

    @property
    def folder(self) -> str:
        """Its run, inside the folder of the sweep."""
        return f"{TRIALS}/{self.number:04d}"


@dataclass(frozen=True)
class Sweep:
    """A finished sweep.

    Attributes:
        data: Name, numbers of rows and features, checksum.
        settings: Of the sweep, with those of its runs under `run`.
        trials: Complete and pruned ones by number; the first is the unpenalised yardstick.
        front: Numbers of the trials that no other beats in every objective, by error.
        knee: Number of the best bargain among them.
        versions: Of what the figures depend on.
        command: That repeats it.
        sections: Of up to five models by name, packed sections of an analysis; empty with fewer than 12 test rows.
        similarity: Of these models' codes, packed, or None.
        arrays: What `sections` and `similarity` refer to, by name of the model.
    """

    data: dict[str, Any]
    settings: dict[str, Any]
    trials: tuple[SweepTrial, ...]
    front: tuple[int, ...]
    knee: int
    versions: dict[str, str]
    command: str = ""
    sections: dict[str, Any] = field(default_factory=dict, compare=False, repr=False)
    similarity: Any = field(default=None, compare=False, repr=False)
    arrays: dict[str, np.ndarray] = field(default_factory=dict, compare=False, repr=False)

    def trial(self, number: int) -> SweepTrial:
        """The trial with that number."""
        return next(trial for trial in self.trials if trial.number == number)

    @property
    def yardstick(self) -> SweepTrial:
        """The unpenalised trial."""
        return next(trial for trial in self.trials if trial.weight == 0)

    @property
    def best(self) -> SweepTrial:
        """The trial at the knee."""
        return self.trial(self.knee)

    @property
    def complete(self) -> tuple[SweepTrial, ...]:
        """The trials that came to their end, by weight."""
        return tuple(sorted((t for t in self.trials if t.state == COMPLETE), key=lambda trial: trial.weight))

    @property
    def pruned(self) -> tuple[SweepTrial, ...]:
        """The others, by weight."""
        return tuple(sorted((t for t in self.trials if t.state == PRUNED), key=lambda trial: trial.weight))


def write_sweep(sweep: Sweep, folder: str | Path) -> None:
    """Write `sweep.json`, `sweep.csv` (a row per trial) and `sweep.npz`, each whole or not at all."""
    folder = Path(folder)

    def save(path: str) -> None:
        with open(path, "wb") as file:
            np.savez_compressed(file, **sweep.arrays)  # pyright: ignore[reportArgumentType]

    replace_file(folder / ARRAYS, save)
    document = plain({"format": SWEEP_FORMAT, **asdict(replace(sweep, arrays={}))})
    del document["arrays"]
    write_text(folder / DOCUMENT, json.dumps(document, indent=1, ensure_ascii=False) + "\n")
    write_text(folder / TABLE, _table(sweep))


def read_sweep(folder: str | Path) -> Sweep:
    """Read what `write_sweep` wrote.

    Raises:
        ResultsError: A missing or broken file, or another format.
    """
    path = Path(folder) / DOCUMENT
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(document, dict) or document.pop("format", None) != SWEEP_FORMAT:
            raise ValueError(f"another format than {SWEEP_FORMAT}")
        trials = tuple(
            SweepTrial(**{**trial, "warnings": tuple(trial["warnings"])}) for trial in document.pop("trials")
        )
        arrays = _arrays(path.parent / ARRAYS) if document.get("sections") else {}
        sweep = Sweep(trials=trials, front=tuple(document.pop("front")), arrays=arrays, **document)
        if sweep.best.state != COMPLETE or sweep.yardstick.state != COMPLETE:
            raise ValueError("a knee or yardstick that was pruned")
    except (OSError, ValueError, TypeError, KeyError, EOFError, StopIteration, *_BROKEN) as error:
        raise ResultsError(
            f"{path.parent} must hold the {DOCUMENT} of a sweep, got: {error!r}. Run the sweep again."
        ) from error
    return sweep


def _arrays(path: Path) -> dict[str, np.ndarray]:
    with open(path, "rb") as file, np.load(file, allow_pickle=False) as stored:
        return {name: stored[name] for name in stored.files}


def _table(sweep: Sweep) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    names = list(sweep.yardstick.figures)
    spreads = [f"{name}_sd" for name in sweep.yardstick.spread]
    tests = [f"test_{name}" for name in sweep.yardstick.test]
    writer.writerow(["trial", "weight", "state", *names, *spreads, *tests, "seconds", "front", "knee", "reason"])
    for trial in sweep.trials:
        numbers = [trial.figures.get(name, "") for name in names]
        numbers += [trial.spread.get(name, "") for name in sweep.yardstick.spread]
        numbers += [trial.test.get(name, "") for name in sweep.yardstick.test]
        place = [int(trial.number in sweep.front), int(trial.number == sweep.knee)]
        writer.writerow([trial.number, trial.weight, trial.state, *numbers, trial.seconds, *place, trial.reason])
    return text.getvalue()
