"""A fitted estimator as a folder: the autoencoder's two files, `estimator.json` and `scaling.safetensors`."""

import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import sklearn
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file
from sklearn.utils import check_random_state

from contractive.core.files import replace_file, write_text
from contractive.estimators._scaling import Scaling
from contractive.models import StorageError, storage

if TYPE_CHECKING:
    from contractive.estimators._base import ContractiveEstimator

FORMAT = 1
_Estimator = TypeVar("_Estimator", bound="ContractiveEstimator")


def save(estimator: "ContractiveEstimator", folder: str | Path) -> None:
    """Write a fitted estimator into a folder, made if missing."""
    folder = Path(folder)
    names = getattr(estimator, "feature_names_in_", None)
    described = {
        "format": FORMAT,
        "estimator": type(estimator).__name__,
        "scikit-learn": sklearn.__version__,
        "parameters": {name: _plain(name, value) for name, value in estimator.get_params(deep=False).items()},
        "fitted": {
            "n_features_in_": estimator.n_features_in_,
            "feature_names_in_": None if names is None else [str(name) for name in names],
            "n_iter_": estimator.n_iter_,
            "reconstruction_error_": estimator.reconstruction_error_,
            "weight_": estimator.weight_,
            **({"offset_": estimator.offset_} if hasattr(estimator, "offset_") else {}),  # pyright: ignore
        },
        # JSON has no NaN, which a penalty is in epochs where its weight is 0
        "history": [{k: v if math.isfinite(v) else None for k, v in row.items()} for row in estimator._history],
    }
    scaling = {"offset": estimator._scaling.offset, "scale": estimator._scaling.scale, "mean": estimator._mean}
    storage.save(estimator.autoencoder_, folder)
    replace_file(folder / "scaling.safetensors", lambda path: save_file(scaling, path))
    write_text(folder / "estimator.json", json.dumps(described, indent=1) + "\n")


def load(kind: type[_Estimator], folder: str | Path) -> _Estimator:
    """Read an estimator written by `save`; everything in the files is checked before it is used."""
    folder = Path(folder)
    try:
        described = json.loads((folder / "estimator.json").read_text(encoding="utf-8"))
        scaling = load_file(folder / "scaling.safetensors")
    except (OSError, ValueError, RecursionError, SafetensorError) as error:
        raise StorageError(
            f"{folder} must hold a readable estimator.json and scaling.safetensors, got: {error}."
            " Save the estimator again."
        ) from error
    if not isinstance(described, dict) or described.get("format") != FORMAT:
        found = described.get("format") if isinstance(described, dict) else type(described).__name__
        raise StorageError(f"format of {folder} must be {FORMAT}, got {found!r}. Use the version that wrote it.")
    if described.get("estimator") != kind.__name__:
        found = described.get("estimator")
        raise StorageError(f"{folder} must hold a {kind.__name__}, got {found!r}. Load it with that class.")
    estimator = _with_parameters(kind, described.get("parameters"), folder)
    _restore(estimator, described, scaling, folder)
    return estimator


def _plain(name: str, value: Any) -> Any:
    """The value as JSON holds it."""
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


def _with_parameters(kind: type[_Estimator], parameters: Any, folder: Path) -> _Estimator:
    known = kind().get_params(deep=False)
    if not isinstance(parameters, dict) or set(parameters) != set(known):
        raise StorageError(f"parameters in {folder} must be those of {kind.__name__}, got others. A file was changed.")
    if isinstance(parameters["hidden_layer_sizes"], list):
        parameters = {**parameters, "hidden_layer_sizes": tuple(parameters["hidden_layer_sizes"])}
    estimator = kind(**parameters)
    try:
        check_random_state(parameters["random_state"])
        estimator._check_parameters()
    except (TypeError, ValueError) as error:
        raise StorageError(f"parameters in {folder} must be valid, got: {error}") from error
    return estimator


def _restore(estimator: "ContractiveEstimator", described: dict[str, Any], arrays: Any, folder: Path) -> None:
    fitted, history = described.get("fitted"), described.get("history")
    autoencoder = storage.load(folder)
    features = autoencoder.recipe.arguments.get("features") if autoencoder.recipe else None
    fitted = fitted if isinstance(fitted, dict) else {}
    names = fitted.get("feature_names_in_")
    wanted: dict[str, tuple[bool, Any]] = {
        "n_features_in_": (type(features) is int and fitted.get("n_features_in_") == features, features),
        "feature_names_in_": (names is None or _are_names(names, features), names),
        "n_iter_": (type(fitted.get("n_iter_")) is int, fitted.get("n_iter_")),
    }
    numbers = ["reconstruction_error_", "weight_"]
    numbers += ["offset_"] if "contamination" in estimator.get_params(deep=False) else []
    wanted |= {name: (_is_number(fitted.get(name)), fitted.get(name)) for name in numbers}
    scaling_fits = _are_scaling(arrays, features)
    history_fits = isinstance(history, list) and all(_is_row(row) for row in history)
    wrong = [name for name, (right, _) in wanted.items() if not right]
    wrong += [] if scaling_fits else ["scaling"]
    wrong += [] if history_fits else ["history"]
    if wrong:
        raise StorageError(f"{folder} must describe the network it holds, got another {wrong[0]}. A file was changed.")
    for name, (_, value) in wanted.items():
        if name != "feature_names_in_":
            setattr(estimator, name, value)
    if names is not None:
        estimator.feature_names_in_ = np.array(names, dtype=object)  # pyright: ignore[reportAttributeAccessIssue]
    estimator.autoencoder_ = autoencoder
    estimator._scaling, estimator._mean = Scaling(arrays["offset"], arrays["scale"]), arrays["mean"]
    rows = history if isinstance(history, list) else []
    estimator._history = tuple({k: math.nan if v is None else v for k, v in row.items()} for row in rows)


def _are_names(names: Any, features: Any) -> bool:
    return isinstance(names, list) and len(names) == features and all(isinstance(name, str) for name in names)


def _are_scaling(arrays: dict[str, np.ndarray], features: Any) -> bool:
    if set(arrays) != {"offset", "scale", "mean"}:
        return False
    right = [a.shape == (features,) and a.dtype == np.float64 and np.isfinite(a).all() for a in arrays.values()]
    return all(right) and bool((arrays["scale"] > 0).all())


def _is_row(row: Any) -> bool:
    return isinstance(row, dict) and all(value is None or _is_number(value) for value in row.values())


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
