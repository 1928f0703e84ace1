"""The examples run, and do what they say."""

import importlib.util
import warnings
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"
pytestmark = pytest.mark.filterwarnings("ignore::contractive.CollapseWarning")


def main_of(name):
    spec = importlib.util.spec_from_file_location(name, EXAMPLES / f"{name}.py")
    loaded = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(loaded)
    return loaded.main


@pytest.mark.parametrize("name", ["own_loop", "own_lightning_module"])
def test_the_penalty_lowers_the_norm(name):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Lightning's remarks on few workers and batches are no concern here
        free, contracted = (main_of(name)(epochs=5, weight=weight) for weight in (0.0, 0.3))
    assert contracted["norm"] < 0.7 * free["norm"]
    assert contracted["error"] < 3  # the mean of the rows leaves 4.7


def test_the_study_finds_something():
    found = main_of("optuna_study")(trials=2, epochs=4)
    assert found["test"] > 0.5
    assert found["weight"] > 0
    assert 0.02 <= found["max_error_increase"] <= 1


def test_the_exported_encoder_is_the_encoder(tmp_path):
    pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")
    found = main_of("export_onnx")(epochs=2, folder=tmp_path)
    assert found["codes"][0] == 178
    assert found["difference"] < 1e-5
