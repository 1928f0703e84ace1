import json

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.datasets import load_iris
from sklearn.exceptions import NotFittedError

import contractive as ct
from contractive.core.artifacts import read_arrays, write_arrays
from contractive.models import StorageError

FRAME = pd.DataFrame(load_iris().data, columns=list("abcd"))
pytestmark = pytest.mark.filterwarnings("ignore::contractive.CollapseWarning")


def fitted(kind=ct.ContractiveAutoencoder, **parameters):
    defaults = {"n_components": 5, "max_epochs": 3, "random_state": np.int64(0), "hidden_layer_sizes": (6,)}
    return kind(**{**defaults, **parameters}).fit(FRAME)


@pytest.mark.parametrize("kind", [ct.ContractiveAutoencoder, ct.ContractiveOutlierDetector])
@pytest.mark.parametrize("tied", [False, True], ids=["untied", "tied"])
def test_what_is_loaded_is_what_was_saved(tmp_path, kind, tied):
    estimator = fitted(kind, tied=tied)
    estimator.save(tmp_path / "model")
    again = kind.load(tmp_path / "model")
    assert again.get_params() == estimator.get_params()
    assert np.array_equal(again.score_samples(FRAME), estimator.score_samples(FRAME))
    assert again.score(FRAME) == estimator.score(FRAME)
    assert again.feature_names_in_.tolist() == list("abcd")
    pd.testing.assert_frame_equal(again.history_, estimator.history_)
    for name in ("n_features_in_", "n_iter_", "n_components_", "reconstruction_error_", "weight_", "error_increase_"):
        assert getattr(again, name) == getattr(estimator, name)
    if kind is ct.ContractiveOutlierDetector:
        assert np.array_equal(again.predict(FRAME), estimator.predict(FRAME))
    else:
        assert np.array_equal(again.transform(FRAME), estimator.transform(FRAME))
        assert again.get_feature_names_out().tolist() == estimator.get_feature_names_out().tolist()


def test_the_folder_is_plain_and_holds_the_autoencoder_itself(tmp_path):
    estimator = fitted()
    estimator.save(tmp_path)
    names = ["config.json", "estimator.json", "estimator.npz", "model.safetensors"]
    assert sorted(path.name for path in tmp_path.iterdir()) == names
    x = torch.rand(3, 4)
    assert torch.equal(ct.load(tmp_path)(x), estimator.autoencoder_(x))


def test_without_names_none_come_back(tmp_path):
    estimator = ct.ContractiveAutoencoder(max_epochs=1, random_state=0).fit(FRAME.to_numpy())
    estimator.save(tmp_path)
    assert not hasattr(ct.ContractiveAutoencoder.load(tmp_path), "feature_names_in_")


@pytest.mark.parametrize(
    "parameters",
    [
        {"objective": ct.objectives.code_l1},
        {"noise": ct.objectives.Masking(0.1)},
        {"random_state": np.random.RandomState(0)},
    ],
    ids=lambda value: next(iter(value)),
)
def test_what_json_cannot_hold_is_refused(tmp_path, parameters):
    name = next(iter(parameters))
    with pytest.raises(StorageError, match=rf"{name} must be a number, a name or None to be saved, got \w+"):
        fitted(**parameters).save(tmp_path)


def test_nothing_to_save_before_fit(tmp_path):
    with pytest.raises(NotFittedError):
        ct.ContractiveAutoencoder().save(tmp_path)


def write(path, text):
    path.write_text(text)


def changed(*keys, to):
    def change(folder):
        described = json.loads((folder / "estimator.json").read_text())
        entry = described if keys[0] in described else described["content"]
        for key in keys[:-1]:
            entry = entry[key]
        entry[keys[-1]] = to
        write(folder / "estimator.json", json.dumps(described))

    return change


def rescaled(**arrays):
    def change(folder):
        names = {name: f"state/{'mean' if name == 'mean' else f'scaling/{name}'}" for name in arrays}
        written = read_arrays(folder / "estimator.npz") | {names[name]: array for name, array in arrays.items()}
        write_arrays(folder / "estimator.npz", written)

    return change


def without_arrays(folder):
    (folder / "estimator.npz").unlink()


CHANGED = "does not describe the network it holds: {} differs. A file was changed"
OTHER = "does not hold a fitted estimator"


@pytest.mark.parametrize(
    ("damage", "match"),
    [
        (lambda folder: (folder / "estimator.json").unlink(), "estimator.json cannot be read"),
        (lambda folder: write(folder / "estimator.json", "{"), "estimator.json cannot be read"),
        (lambda folder: write(folder / "estimator.json", "[" * 100_000), "estimator.json cannot be read"),
        (lambda folder: write(folder / "estimator.json", "[]"), "estimator.json was written before the first release"),
        (lambda folder: write(folder / "estimator.npz", "x"), "estimator.npz cannot be read"),
        (without_arrays, OTHER),
        (changed("version", to=1), "estimator.json has version 1, and 2 is read"),
        (changed("estimator", to="os.system"), "holds a 'os.system', not a ContractiveAutoencoder"),
        (changed("parameters", to=None), OTHER),
        (changed("parameters", "__class__", to="x"), "parameters in .* must be those of ContractiveAutoencoder"),
        (changed("parameters", "objective", to="eval"), "must be valid, got: objective must be one of"),
        (changed("parameters", "hidden_layer_sizes", to=[[1]]), "must be valid, got: hidden_layer_sizes must be"),
        (changed("parameters", "random_state", to="x"), "must be valid, got: 'x' cannot be used to seed"),
        (changed("state", to=[]), OTHER),
        (changed("state", "n_features_in", to=5), CHANGED.format("n_features_in")),
        (changed("state", "feature_names_in", to=["a"]), CHANGED.format("feature_names_in")),
        (changed("state", "feature_names_in", to=[1, 2, 3, 4]), OTHER),
        (changed("state", "n_iter", to="many"), OTHER),
        (changed("state", "reconstruction_error", to=None), OTHER),
        (changed("state", "reconstruction_error", to={"number": "nan"}), CHANGED.format("reconstruction_error")),
        (changed("state", "weight", to="heavy"), OTHER),
        (changed("state", "history", to=[{"epoch": "<script>"}]), OTHER),
        (changed("state", "history", to=7), OTHER),
        (rescaled(scale=np.zeros(4)), CHANGED.format("scaling")),
        (rescaled(scale=np.ones(3)), CHANGED.format("scaling")),
        (rescaled(offset=np.full(4, np.inf)), CHANGED.format("scaling")),
        (rescaled(mean=np.zeros(4, np.float32)), CHANGED.format("scaling")),
    ],
)
def test_changed_files_are_refused(tmp_path, damage, match):
    fitted().save(tmp_path)
    damage(tmp_path)
    with pytest.raises(StorageError, match=match):
        ct.ContractiveAutoencoder.load(tmp_path)


def test_a_changed_threshold_and_another_class_are_refused(tmp_path):
    fitted(ct.ContractiveOutlierDetector).save(tmp_path)
    with pytest.raises(StorageError, match="holds a 'ContractiveOutlierDetector', not a ContractiveAutoencoder"):
        ct.ContractiveAutoencoder.load(tmp_path)
    changed("state", "offset", to=None)(tmp_path)
    with pytest.raises(StorageError, match="must hold the limits of a detector"):
        ct.ContractiveOutlierDetector.load(tmp_path)
