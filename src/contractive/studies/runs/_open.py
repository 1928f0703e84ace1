"""Open a run: its model, its preparation of data, what is known of it."""

import csv
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, TypeVar

import torch
from torch import nn

from contractive.data import Preparation
from contractive.models import Autoencoder, storage
from contractive.studies.runs._folder import AUTOENCODER, COMMANDS, Files, RunError, read_run_config
from contractive.studies.runs._settings import Settings

NUMBER = (int, float)


@dataclass(frozen=True)
class AnyRun:
    """A run on disk, of whatever kind of model that has an encoder.

    Attributes:
        folder: Its folder.
        config: What `config.json` says of the run.
        settings: Network, objective, training.
        preparation: From raw rows to the network's numbers and back.
        finished: Whether training came to its end.
    """

    folder: Path
    config: dict[str, Any]
    settings: Any
    preparation: Preparation
    finished: bool

    task: ClassVar[str]
    settings_type: ClassVar[Any]

    @property
    def num_units(self) -> int:
        """Numbers per code."""
        raise NotImplementedError

    def parts(self) -> dict[str, nn.Module]:
        """What can be used on its own, by name, in evaluation mode; `encoder` turns prepared rows into codes.

        Raises:
            RunError: Training has not come as far as to have a model.
            StorageError: Broken files.
        """
        raise NotImplementedError

    @property
    def remedy(self) -> str:
        """How to go on with a run that was broken off."""
        return f"Go on with: {COMMANDS[self.task]} --resume --out {self.folder}"

    def metrics(self) -> dict[str, Any]:
        """The figures of `metrics.json`; empty while training is not finished."""
        try:
            metrics = json.loads(Files(self.folder).metrics.read_text())
        except FileNotFoundError:
            return {}
        except (OSError, ValueError, RecursionError) as error:
            raise RunError(f"{self.folder}/metrics.json must be readable, got: {error}. Train again.") from error
        wrong = self._wrong_metric(metrics) if isinstance(metrics, dict) else "something else"
        if wrong:
            raise RunError(f"{self.folder}/metrics.json must hold figures, got {wrong}. It was changed; train again.")
        return metrics

    def history(self) -> list[dict[str, float]]:
        """The rows of `history.csv`."""
        return read_table(Files(self.folder).history)

    def _wrong_metric(self, metrics: dict[str, Any]) -> str:
        """What is not as training writes it, or nothing."""
        raise NotImplementedError

    def check_trained(self) -> None:
        """Refuse a run without a model."""
        if not Files(self.folder).model.exists():
            raise RunError(f"{self.folder} must hold a trained model, got a run that was broken off. {self.remedy}")


@dataclass(frozen=True)
class Run(AnyRun):
    """A run on disk: an autoencoder. Its attributes are those of `AnyRun`."""

    settings: Settings

    task = AUTOENCODER
    settings_type = Settings

    @property
    def num_units(self) -> int:
        """Numbers per code."""
        return self.settings.code or 0

    def parts(self) -> dict[str, nn.Module]:
        """`encoder`, `decoder` and `autoencoder`."""
        autoencoder = self.autoencoder()
        return {"encoder": autoencoder.encoder, "decoder": autoencoder.decoder, "autoencoder": autoencoder}

    def autoencoder(self) -> Autoencoder:
        """The trained autoencoder, in evaluation mode.

        Raises:
            RunError: Training has not come as far as to have one.
            StorageError: Broken files.
        """
        if self.settings.code is None:
            raise RunError(f"{self.folder}/config.json must say the code size, got none. It was changed; train again.")
        self.check_trained()
        autoencoder = storage.load(self.folder)
        row = torch.zeros(1, self.preparation.features)
        try:
            with torch.no_grad():
                wide = autoencoder.encode(row).flatten(1).shape[1], autoencoder(row).shape[1]
            if wide != (self.settings.code, self.preparation.features):
                raise RuntimeError(f"codes and rows of {wide[0]} and {wide[1]} numbers")
        except RuntimeError as error:
            raise RunError(
                f"the model in {self.folder} must take {self.preparation.features} features, got another one:"
                f" {str(error).splitlines()[0]}. One of its files was changed; train again."
            ) from error
        return autoencoder

    def _wrong_metric(self, metrics: dict[str, Any]) -> str:
        parts = [metrics[part] for part in ("validation", "test") if part in metrics]
        wanted: list[tuple[Any, str, type | tuple[type, ...]]] = [
            (metrics, "epochs", int),
            (metrics, "best_epoch", int),
            (metrics, "stopped_early", bool),
            (metrics, "seconds", NUMBER),
            (metrics, "warnings", list),
            (metrics, "penalty_path", str),
            *((part, name, NUMBER) for part in parts for name in (part if isinstance(part, dict) else ())),
        ]
        if "weight" in metrics or "error_increase" in metrics:
            wanted += [(metrics, name, NUMBER) for name in ("weight", "error_increase", "max_error_increase")]
        return first_wrong(wanted) or wrong_texts(metrics, "warnings")


def first_wrong(wanted: list[tuple[Any, str, type | tuple[type, ...]]]) -> str:
    """The first (place, name, type) that does not hold, in words."""
    for place, name, kind in wanted:
        if not isinstance(place, dict) or not isinstance(place.get(name), kind):
            return f"other things under {name}"
    return ""


def wrong_texts(metrics: dict[str, Any], name: str) -> str:
    """Says so where the entries of a list are not all texts."""
    return "" if all(isinstance(entry, str) for entry in metrics[name]) else f"other things under {name}"


def read_table(path: Path) -> list[dict[str, float]]:
    """Rows of numbers from a .csv file; none without the file.

    Raises:
        RunError: A broken file.
    """
    try:
        with open(path, newline="") as file:
            rows = list(csv.DictReader(file))
        return [{name: float(value) for name, value in row.items()} for row in rows]
    except FileNotFoundError:
        return []
    except (OSError, ValueError, TypeError, csv.Error) as error:
        raise RunError(f"{path} must be a table of numbers, got: {error}. Train again.") from error


_R = TypeVar("_R", bound=AnyRun)


def open_run(folder: str | Path) -> Run:
    """Open the folder of a run of `contractive train`.

    Raises:
        RunError: Not such a folder, or broken files.
    """
    return opened(Run, Path(folder))


def opened(kind: type[_R], folder: Path) -> _R:
    """Open the folder of a run of this kind.

    Raises:
        RunError: Not such a folder, or broken files.
    """
    config = read_run_config(folder, kind.task)
    try:
        settings = kind.settings_type.from_dict(config["settings"])
        preparation = Preparation.from_dict(config["preparation"])
    except (TypeError, ValueError, KeyError, AttributeError) as error:
        reason = (str(error) or type(error).__name__).splitlines()[0].rstrip(".")
        raise RunError(f"{folder}/config.json must describe a run, got: {reason}. The file was changed.") from error
    return kind(folder, config, settings, preparation, Files(folder).metrics.exists())
