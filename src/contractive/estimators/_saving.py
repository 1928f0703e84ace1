"""A fitted estimator as a folder: the autoencoder's two files, `estimator.json` and `estimator.npz`."""

import copy
import math
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import sklearn
import torch

from contractive.core.artifacts import Artifact, ArtifactError
from contractive.estimators._parameters import Parameters
from contractive.estimators._scaling import Scaling
from contractive.estimators._surprise import Ranks
from contractive.models import Autoencoder, StorageError, load, save

_KIND, _NAME = "fitted estimator", "estimator"
Plain = None | bool | int | float | str | list[Any]
E = TypeVar("E", bound=Parameters)


@dataclass(frozen=True)
class DetectorState:
    """What a detector has learned beside its first network.

    Attributes:
        score_by: The score that was chosen.
        rows: Raw training rows that are neighbours, (rows, features).
        folds: Of each, (rows,).
        weights: Of each, (rows,).
        inner: Which of them lie well inside, (rows,), where the score has a part by these.
        numbers: The parts of the score of each, by name.
        networks: Weights of the network of each fold.
        ranks: Of the calibration scores.
        fill: What stands for a missing value of each feature.
    """

    score_by: str
    rows: np.ndarray
    folds: np.ndarray
    weights: np.ndarray | None
    inner: np.ndarray | None
    numbers: dict[str, np.ndarray]
    networks: tuple[dict[str, np.ndarray], ...]
    ranks: Ranks
    fill: np.ndarray | None


@dataclass(frozen=True)
class State:
    """What an estimator has learned, beside its network: its attributes, without the underscores."""

    n_features_in: int
    feature_names_in: tuple[str, ...] | None
    n_iter: int
    reconstruction_error: float
    weight: float
    error_increase: float | None
    offset: float | None
    history: tuple[dict[str, int | float], ...]
    scaling: Scaling
    mean: np.ndarray
    detector: DetectorState | None = None


_PRIVATE = ("history", "scaling", "mean", "detector")
_ATTRIBUTES = {each.name: f"_{each.name}" if each.name in _PRIVATE else f"{each.name}_" for each in fields(State)}


@dataclass(frozen=True)
class Stored:
    """The content of the files: the class, its parameters, and its state."""

    estimator: str
    scikit_learn: str
    parameters: dict[str, Plain]
    state: State


def write(folder: str | Path, estimator: Any) -> None:
    """Write a fitted estimator into a folder, made if missing; refuse a parameter that JSON cannot hold."""
    parameters = {key: _plain(key, value) for key, value in estimator.get_params(deep=False).items()}
    learned: Any = {name: getattr(estimator, attribute, None) for name, attribute in _ATTRIBUTES.items()}
    if learned["feature_names_in"] is not None:
        learned["feature_names_in"] = tuple(map(str, learned["feature_names_in"]))
    save(estimator.autoencoder_, folder)
    stored = Stored(type(estimator).__name__, sklearn.__version__, parameters, State(**learned))
    Artifact.of(_KIND, stored).write(folder, _NAME)


def is_saved(folder: str | Path) -> bool:
    """Return whether the folder looks like that of a fitted estimator."""
    return (Path(folder) / f"{_NAME}.json").exists()


def read(folder: str | Path, kinds: Sequence[type[E]]) -> E:
    """Read what `write` wrote, of one of these classes; the state fits the network, the parameters may be wrong."""
    try:
        stored = Artifact.read(folder, _NAME, _KIND).to(Stored, folder)
    except ArtifactError as error:
        raise StorageError(str(error)) from error
    kind = next((each for each in kinds if each.__name__ == stored.estimator), None)
    if kind is None:
        wanted = " or ".join(each.__name__ for each in kinds)
        raise StorageError(f"{folder} holds a {stored.estimator!r}, not a {wanted}. Load it with that class.")
    name, parameters, state = kind.__name__, stored.parameters, stored.state
    autoencoder = load(folder)
    features = autoencoder.recipe.arguments.get("features") if autoencoder.recipe else None
    wrong = _wrong_part(state, features)
    if wrong:
        raise StorageError(f"{folder} does not describe the network it holds: {wrong} differs. A file was changed.")
    if set(parameters) != set(kind().get_params(deep=False)):
        raise StorageError(f"parameters in {folder} must be those of {name}, got others. It was changed.")
    if None in (state.offset, state.detector) and "contamination" in parameters:
        raise StorageError("estimator.json must hold the limits of a detector, got none. It was changed.")
    sizes: Any = parameters["hidden_layer_sizes"]
    found: Any = kind(**{**parameters, "hidden_layer_sizes": tuple(sizes) if isinstance(sizes, list) else sizes})
    found.autoencoder_ = autoencoder
    for name, attribute in _ATTRIBUTES.items():
        value = getattr(state, name)
        if value is not None or name == "error_increase":
            setattr(found, attribute, np.array(value, dtype=object) if name == "feature_names_in" else value)
    return found


def weights_of(network: Autoencoder) -> dict[str, np.ndarray]:
    """Return the weights of a network by name, in single precision."""
    return {name: value.float().numpy() for name, value in network.state_dict().items()}


def with_weights(network: Autoencoder, weights: dict[str, np.ndarray]) -> Autoencoder:
    """Return a copy of a network with other weights."""
    made = copy.deepcopy(network)
    made.load_state_dict({name: torch.from_numpy(value) for name, value in weights.items()})
    return made


def _wrong_part(state: State, features: Any) -> str:
    """Name what cannot belong to a network of so many features; empty if nothing."""
    if state.n_features_in != features:
        return "n_features_in"
    if state.feature_names_in is not None and len(state.feature_names_in) != features:
        return "feature_names_in"
    for name in ("reconstruction_error", "weight", "error_increase", "offset"):
        value = getattr(state, name)
        if value is not None and not math.isfinite(value) and (name, value) != ("offset", -math.inf):  # flags no row
            return name
    for array in (state.scaling.offset, state.scaling.scale, state.mean):
        if array.shape != (features,) or array.dtype != np.float64 or not np.isfinite(array).all():
            return "scaling"
    return "" if (state.scaling.scale > 0).all() else "scaling"


def _plain(name: str, value: Any) -> Plain:
    """Return the value as JSON holds it."""
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, list | tuple | np.ndarray):
        return [_plain(name, entry) for entry in value]
    if value is None or isinstance(value, bool | int | float | str):
        return value
    raise StorageError(
        f"{name} must be a number, a name or None to be saved, got {type(value).__name__}."
        f" Call set_params({name}=...) with a plain value first, or save with joblib."
    )
