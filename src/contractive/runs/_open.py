"""Open a run: its model, its preparation of data, what is known of it."""

import csv
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from contractive import storage
from contractive.autoencoder import Autoencoder
from contractive.data import Preparation
from contractive.runs._figures import FIGURES
from contractive.runs._folder import Files, RunError, read_run_config
from contractive.runs._settings import Settings

_NUMBER = (int, float)


@dataclass(frozen=True)
class Run:
    """A run on disk.

    Attributes:
        folder: Its folder.
        config: What `config.json` says of the run.
        settings: Network, objective, training.
        preparation: From raw rows to the network's numbers and back.
        finished: Whether training came to its end.
    """

    folder: Path
    config: dict[str, Any]
    settings: Settings
    preparation: Preparation
    finished: bool

    def autoencoder(self) -> Autoencoder:
        """The trained autoencoder, in evaluation mode.

        Raises:
            RunError: Training has not come as far as to have one.
            StorageError: Broken files.
        """
        if self.settings.code is None:
            raise RunError(f"{self.folder}/config.json must say the code size, got none. It was changed; train again.")
        if not Files(self.folder).model.exists():
            raise RunError(f"{self.folder} must hold a trained model, got a run that was broken off. {self.remedy}")
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

    @property
    def remedy(self) -> str:
        """How to go on with a run that was broken off."""
        return f"Go on with: contractive train --resume --out {self.folder}"

    def metrics(self) -> dict[str, Any]:
        """The figures of `metrics.json`; empty while training is not finished."""
        try:
            metrics = json.loads(Files(self.folder).metrics.read_text())
        except FileNotFoundError:
            return {}
        except (OSError, ValueError, RecursionError) as error:
            raise RunError(f"{self.folder}/metrics.json must be readable, got: {error}. Train again.") from error
        wrong = _wrong_metric(metrics)
        if wrong:
            raise RunError(f"{self.folder}/metrics.json must hold figures, got {wrong}. It was changed; train again.")
        return metrics

    def history(self) -> list[dict[str, float]]:
        """The rows of `history.csv`."""
        try:
            with open(Files(self.folder).history, newline="") as file:
                rows = list(csv.DictReader(file))
            return [{name: float(value) for name, value in row.items()} for row in rows]
        except FileNotFoundError:
            return []
        except (OSError, ValueError, TypeError, csv.Error) as error:
            raise RunError(
                f"{self.folder}/history.csv must be a table of numbers, got: {error}. Train again."
            ) from error


def _wrong_metric(metrics: Any) -> str:
    """What is not as training writes it, or nothing."""
    if not isinstance(metrics, dict):
        return "something else"
    parts = [metrics[part] for part in ("validation", "test") if part in metrics]
    wanted: list[tuple[Any, str, type | tuple[type, ...]]] = [
        (metrics, "epochs", int),
        (metrics, "best_epoch", int),
        (metrics, "stopped_early", bool),
        (metrics, "seconds", _NUMBER),
        (metrics, "warnings", list),
        (metrics, "penalty_path", str),
        *((part, name, _NUMBER) for part in parts for name in FIGURES),
    ]
    if "weight" in metrics or "price_paid" in metrics:
        wanted += [(metrics, name, _NUMBER) for name in ("weight", "price_paid", "price_allowed")]
    for place, name, kind in wanted:
        if not isinstance(place, dict) or not isinstance(place.get(name), kind):
            return f"other things under {name}"
    return "" if all(isinstance(entry, str) for entry in metrics["warnings"]) else "other things under warnings"


def open_run(folder: str | Path) -> Run:
    """Open the folder of a run.

    Raises:
        RunError: Not such a folder, or broken files.
    """
    folder = Path(folder)
    config = read_run_config(folder)
    try:
        settings = Settings.from_dict(config["settings"])
        preparation = Preparation.from_dict(config["preparation"])
    except (TypeError, ValueError, KeyError, AttributeError) as error:
        reason = (str(error) or type(error).__name__).splitlines()[0].rstrip(".")
        raise RunError(f"{folder}/config.json must describe a run, got: {reason}. The file was changed.") from error
    return Run(folder, config, settings, preparation, Files(folder).metrics.exists())
