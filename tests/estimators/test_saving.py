import json

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.numpy import load_file, save_file
from sklearn.datasets import load_iris
from sklearn.exceptions import NotFittedError

import contractive as ct
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
    for name in ("n_features_in_", "n_iter_", "n_components_", "reconstruction_error_", "weight_"):
        assert getattr(again, name) == getattr(estimator, name)
    if kind is ct.ContractiveOutlierDetector:
        assert np.array_equal(again.predict(FRAME), estimator.predict(FRAME))
    else:
        assert np.array_equal(again.transform(FRAME), estimator.transform(FRAME))
        assert again.get_feature_names_out().tolist() == estimator.get_feature_names_out().tolist()


def test_the_folder_is_plain_and_holds_the_autoencoder_itself(tmp_path):
    estimator = fitted()
    estimator.save(tmp_path)
    names = ["config.json", "estimator.json", "model.safetensors", "scaling.safetensors"]
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
        entry = described
        for key in keys[:-1]:
            entry = entry[key]
        entry[keys[-1]] = to
        write(folder / "estimator.json", json.dumps(described))

    return change


def rescaled(**arrays):
    def change(folder):
        save_file({**load_file(folder / "scaling.safetensors"), **arrays}, folder / "scaling.safetensors")

    return change


CHANGED = "must describe the network it holds, got another {}"


@pytest.mark.parametrize(
    ("damage", "match"),
    [
        (lambda folder: (folder / "estimator.json").unlink(), "must hold a readable estimator.json"),
        (lambda folder: write(folder / "estimator.json", "{"), "must hold a readable estimator.json"),
        (lambda folder: write(folder / "estimator.json", "[" * 100_000), "must hold a readable estimator.json"),
        (lambda folder: write(folder / "estimator.json", "[]"), "format of .* must be 1, got 'list'"),
        (lambda folder: write(folder / "scaling.safetensors", "x"), "must hold a readable estimator.json and scaling"),
        (changed("format", to=2), "format of .* must be 1, got 2"),
        (changed("estimator", to="os.system"), "must hold a ContractiveAutoencoder, got 'os.system'"),
        (changed("parameters", to=None), "parameters in .* must be those of ContractiveAutoencoder"),
        (changed("parameters", "__class__", to="x"), "parameters in .* must be those of ContractiveAutoencoder"),
        (
            changed("parameters", "objective", to="eval"),
            "parameters in .* must be valid, got: objective must be one of",
        ),
        (changed("parameters", "hidden_layer_sizes", to=[[1]]), "must be valid, got: hidden_layer_sizes must be"),
        (changed("parameters", "random_state", to="x"), "must be valid, got: 'x' cannot be used to seed"),
        (changed("fitted", to=[]), CHANGED.format("n_features_in_")),
        (changed("fitted", "n_features_in_", to=5), CHANGED.format("n_features_in_")),
        (changed("fitted", "feature_names_in_", to=["a"]), CHANGED.format("feature_names_in_")),
        (changed("fitted", "feature_names_in_", to=[1, 2, 3, 4]), CHANGED.format("feature_names_in_")),
        (changed("fitted", "n_iter_", to="many"), CHANGED.format("n_iter_")),
        (changed("fitted", "reconstruction_error_", to=float("nan")), CHANGED.format("reconstruction_error_")),
        (changed("fitted", "weight_", to="heavy"), CHANGED.format("weight_")),
        (changed("history", to=[{"epoch": "<script>"}]), CHANGED.format("history")),
        (changed("history", to=7), CHANGED.format("history")),
        (rescaled(scale=np.zeros(4)), CHANGED.format("scaling")),
        (rescaled(scale=np.ones(3)), CHANGED.format("scaling")),
        (rescaled(offset=np.full(4, np.inf)), CHANGED.format("scaling")),
        (rescaled(mean=np.zeros(4, np.float32)), CHANGED.format("scaling")),
        (rescaled(more=np.zeros(4)), CHANGED.format("scaling")),
    ],
)
def test_changed_files_are_refused(tmp_path, damage, match):
    fitted().save(tmp_path)
    damage(tmp_path)
    with pytest.raises(StorageError, match=match):
        ct.ContractiveAutoencoder.load(tmp_path)


def test_a_changed_threshold_and_another_class_are_refused(tmp_path):
    fitted(ct.ContractiveOutlierDetector).save(tmp_path)
    with pytest.raises(StorageError, match="must hold a ContractiveAutoencoder, got 'ContractiveOutlierDetector'"):
        ct.ContractiveAutoencoder.load(tmp_path)
    changed("fitted", "offset_", to=None)(tmp_path)
    with pytest.raises(StorageError, match="got another offset_"):
        ct.ContractiveOutlierDetector.load(tmp_path)
