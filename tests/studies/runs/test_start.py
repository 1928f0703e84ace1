"""Runs that begin as principal components: the same network as in Python, the weight found, and what is refused."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from sklearn.decomposition import PCA

from contractive.core.errors import InvalidValue
from contractive.data import Options, load
from contractive.models import residual
from contractive.objectives import gain_weighted
from contractive.studies.runs import AutoencoderRun, AutoencoderSettings, open_run, train
from contractive.training import WarmCosine, fit_from_components

pytestmark = pytest.mark.filterwarnings(
    "ignore::contractive.CollapseWarning", "ignore::contractive.training.SearchWarning"
)


@pytest.fixture(scope="module")
def split(tmp_path_factory):
    """A curved surface in six columns."""
    g = np.random.default_rng(0)
    a, b = g.normal(size=(2, 400))
    x = np.stack([a, b, a * a / 2, a * b, b * b / 2, a + b], 1) + 0.1 * g.normal(size=(400, 6))
    path = tmp_path_factory.mktemp("data") / "table.csv"
    np.savetxt(path, x, delimiter=",", header="a,b,c,d,e,f", comments="")
    return load(path, options=Options())


def settings(**values):
    return AutoencoderSettings.of(**{"objective": "gain_weighted", "weight": 0.0, "code": 2, "device": "cpu", **values})


def trained(split, folder, **values):
    return train(split, settings(**values), folder, progress=False)


def error(model, x):
    x = torch.from_numpy(x)
    with torch.no_grad():
        return float((model(x) - x).square().sum(1).mean())


@pytest.fixture(scope="module")
def run(split, tmp_path_factory):
    """A run without penalty."""
    return trained(split, tmp_path_factory.mktemp("run") / "plain", max_epochs=30)


def test_it_reconstructs_better_than_principal_components_and_is_the_network_of_python(run, split):
    pca = PCA(2).fit(split.train)
    theirs = np.square(pca.inverse_transform(pca.transform(split.test)) - split.test).sum(1).mean()
    assert error(run.model, split.test) < 0.8 * theirs
    assert run.metrics.components["reconstruction_error"] == pytest.approx(theirs, rel=1e-4)
    assert run.metrics.warnings == ()
    net = residual(6, code=2)
    found = fit_from_components(
        net,
        torch.from_numpy(split.train),
        gain_weighted(0.0),
        WarmCosine.of(len(split.train), max_epochs=30),
        validation=torch.from_numpy(split.validation),
        device="cpu",
        progress=False,
    )
    for ours, theirs in zip(run.model.parameters(), net.parameters(), strict=True):
        assert torch.equal(ours, theirs)
    assert [row["val_reconstruction"] for row in found.history.rows] == run.history["val_reconstruction"]
    assert error(net, split.validation) == pytest.approx(found.history.best["val_reconstruction"], rel=1e-3)


def test_a_network_that_is_worse_than_principal_components_says_so(split, tmp_path):
    short = trained(split, tmp_path, start="random", max_epochs=1)
    assert short.metrics.warnings[-1].startswith("Principal components of the same size leave 0.")


def test_settings_are_stored(run):
    opened = open_run(run.folder, AutoencoderRun)
    assert (opened.settings.start, opened.settings.network.model, opened.settings.training.batch_size) == (
        "pca",
        "residual",
        128,
    )
    assert (opened.settings.training.learning_rate, opened.settings.training.max_epochs) == (0.01, 30)


SEARCH = {"weight": None, "max_error_increase": 0.3, "max_epochs": 30}


@pytest.fixture(scope="module")
def search(split, tmp_path_factory):
    """A run with a weight that was searched, and how many epochs its trainings had, one after the other."""
    epochs = []
    found = train(
        split,
        settings(**SEARCH),
        tmp_path_factory.mktemp("run") / "found",
        progress=False,
        on_progress=lambda stage, done, total: epochs.append(done),
    )
    return found, epochs


@pytest.mark.parametrize("stopped_after", [5, 0.4, 0.9])
def test_an_interrupted_search_goes_on_and_ends_at_the_same_weights(search, split, tmp_path, stopped_after):
    whole, epochs = search
    stopped_after = stopped_after if stopped_after > 1 else int(stopped_after * len(epochs))
    done = []

    def stop(stage, epoch, total):
        done.append(epoch)
        if len(done) == stopped_after:
            raise RuntimeError("power cut")

    with pytest.raises(RuntimeError, match="power cut"):
        train(split, settings(**SEARCH), tmp_path, progress=False, checkpoint_seconds=0.0, on_progress=stop)
    assert any((tmp_path / "checkpoints").glob("*.ckpt"))
    again = train(
        split,
        settings(**SEARCH),
        tmp_path,
        progress=False,
        resume=True,
        on_progress=lambda stage, epoch, total: done.append(epoch),
    )
    for ours, theirs in zip(whole.model.parameters(), again.model.parameters(), strict=True):
        assert torch.equal(ours, theirs)
    # the epoch in which it was stopped is done once more, unless its checkpoint was written before
    assert len(epochs) <= len(done) <= len(epochs) + 1
    assert done[:stopped_after] == epochs[:stopped_after]
    assert not (tmp_path / "checkpoints").exists()
    drop = "seconds"
    history = [{name: value for name, value in row.items() if name != drop} for row in again.history.rows]
    assert history == [{name: value for name, value in row.items() if name != drop} for row in whole.history.rows]


def test_the_weight_found_is_the_weight_of_the_model(run, search, split, tmp_path):
    found, _ = search
    given = trained(split, tmp_path / "given", weight=found.metrics.weight, max_epochs=30)
    assert error(given.model, split.validation) == error(found.model, split.validation)
    low, high = sorted(
        error(found.model, rows) / error(run.model, rows) - 1 for rows in (split.validation, split.train)
    )
    assert low - 1e-3 <= found.metrics.error_increase <= high + 1e-3
    assert found.history["weight"] == [found.metrics.weight] * len(found.history)


@pytest.mark.parametrize(
    ("values", "start"),
    [
        ({}, "pca"),
        ({"objective": "standard", "weight": None}, "pca"),
        ({"start": "random"}, "random"),
        ({"objective": "contractive"}, "random"),
        ({"hidden": (5,)}, "pca"),
        ({"hidden": (5, 4)}, "random"),
        ({"decoder_activation": "elu"}, "random"),
        ({"activation": "tanh"}, "random"),
        ({"model": "tied"}, "random"),
        ({"center": True}, "random"),
        ({"patience": 3}, "random"),
        ({"schedule": "constant"}, "random"),
        ({"objective": "contractive", "start": "pca"}, "pca"),
        ({"model": "residual", "hidden": (5,)}, "pca"),
    ],
    ids=str,
)
def test_auto_is_by_the_settings(values, start, split):
    made = settings(**values).completed(split)
    assert made.start == start
    assert made.completed(split) == made


@pytest.mark.parametrize(
    ("values", "got"),
    [
        ({"hidden": (5, 4)}, r"pca with hidden \(5, 4\)"),
        ({"center": True}, "pca with center True"),
        ({"loss": "cross_entropy"}, "pca with loss cross_entropy"),
        ({"gradient_clip": 1.0}, "pca with gradient_clip 1.0"),
        ({"objective": "weight_decay", "weight": 0.1}, "pca with objective weight_decay"),
    ],
    ids=str,
)
def test_what_does_not_suit_components_is_refused(values, got):
    with pytest.raises(InvalidValue, match=f"start must be random, or all else suit .*, got {got}. Leave one"):
        settings(start="pca", **values)


def test_components_need_validation_rows(split):
    without = replace(split, validation=split.validation[:0])
    with pytest.raises(InvalidValue, match="start must be random for such data, got pca for data without validation"):
        settings(start="pca").completed(without)


def test_sample_weights_do_not_go_with_validation_rows(split):
    x = torch.from_numpy(split.train)
    with pytest.raises(InvalidValue, match="sample_weight must be left out with `validation`, got both"):
        fit_from_components(
            residual(6, code=2), x, gain_weighted(), WarmCosine.of(len(x)), validation=x, sample_weight=x[:, 0]
        )
