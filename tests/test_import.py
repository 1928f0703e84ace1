import importlib
import subprocess
import sys

import pytest

import contractive as ct


def modules_after(*statements):
    """Names of the modules that are loaded after the last statement, or a list of those after each of several."""
    code = "; ".join(["import sys", *(f"{statement}; print(*sys.modules)" for statement in statements)])
    printed = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout
    found = [set(line.split()) for line in printed.splitlines()]
    return found if len(found) > 1 else found[0]


@pytest.fixture(scope="module")
def loaded():
    return modules_after(
        "import contractive as ct; ct.value_and_squared_norm; ct.mlp; ct.objectives; ct.analysis",
        "ct.Autoencoder; ct.save; from contractive.cli import _use;"
        " from contractive.studies.runs import encode, predict",
        "import contractive.report, contractive.estimators",  # pages, and detectors that score
    )


def test_the_penalty_loads_torch_and_nothing_heavier(loaded):
    assert "torch" in loaded[0]
    assert not loaded[0] & {"lightning", "sklearn", "plotly", "pandas", "typer", "rich", "safetensors", "jinja2"}


def test_models_and_runs_are_opened_without_what_trains_or_uploads(loaded):
    assert "torch" in loaded[1]
    assert not loaded[1] & {"lightning", "sklearn", "scipy", "plotly", "pandas", "huggingface_hub"}
    assert not loaded[2] & {"lightning", "huggingface_hub"}


WRONG = [
    *("train x.csv --max-epochs 0 -o out", "train x.csv --objective other -o out", "train missing.csv -o out"),
    *("train digits --hidden 8,0 -o out", "compare digits --objectives other -o out", "sweep digits --start x -o out"),
    *("classify digits --objective other -o out", "encode missing digits -o out.csv", "score missing x.csv -o out.csv"),
    *("detect x.csv --score-by other -o out", "train digits --bogus", "compare digits"),
]


def test_help_and_what_is_wrong_do_not_load_torch():
    loaded = modules_after(
        "import sys; from typer.testing import CliRunner; from contractive.cli._commands import COMMANDS, app;"
        "codes = lambda lines: {CliRunner().invoke(app, line.split()).exit_code for line in lines};"
        "assert codes(f'{name} --help' for name in COMMANDS) == {0};"
        f"assert codes({WRONG}) == {{2}}"
    )
    assert "contractive.data" in loaded
    assert "torch" not in loaded


@pytest.mark.parametrize("package", ["contractive.studies.runs", "contractive.training"])
def test_what_is_loaded_later_is_there(package):
    module = importlib.import_module(package)
    assert all(hasattr(module, name) for name in module.__all__)
    with pytest.raises(AttributeError, match=f"module '{package}' has no attribute 'nothing'"):
        module.nothing  # noqa: B018


def test_every_public_name_exists():
    assert all(hasattr(ct, name) for name in ct.__all__)
    assert set(ct.__all__) <= set(dir(ct))


def test_jacobian_is_both_a_function_and_a_module():
    import torch

    from contractive.jacobian import squared_norm

    x = torch.rand(3, 4)
    assert ct.jacobian(torch.nn.Linear(4, 2), x).shape == (3, 2, 4)
    assert ct.jacobian.squared_norm is squared_norm is ct.squared_norm


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="module 'contractive' has no attribute 'nothing'"):
        ct.nothing  # noqa: B018


def test_a_missing_extra_says_how_to_install_it(monkeypatch):
    monkeypatch.delitem(ct.__dict__, "save", raising=False)
    monkeypatch.delitem(ct.models.__dict__, "save", raising=False)
    monkeypatch.delitem(sys.modules, "contractive.models.storage", raising=False)
    monkeypatch.setitem(sys.modules, "safetensors", None)
    with pytest.raises(
        ModuleNotFoundError, match=r"contractive.save needs safetensors.* pip install 'contractive\[all\]'"
    ):
        ct.save  # noqa: B018
