"""Datasets and loaders in `fit`."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader, Dataset, IterableDataset, TensorDataset

import contractive as ct
from contractive.objectives import Term

pytestmark = pytest.mark.filterwarnings("ignore::contractive.CollapseWarning")
X = torch.rand(70, 8, generator=torch.Generator().manual_seed(0))
OBJECTIVE = ct.objectives.contractive(0.01)
SETTINGS = {"max_epochs": 3, "progress": False}


def net():
    torch.manual_seed(0)
    return ct.mlp(8, code=3)


def flat(module):
    return torch.cat([parameter.detach().flatten() for parameter in module.parameters()])


class Stream(IterableDataset):
    def __iter__(self):
        return iter(X)


class Batches:
    """Any object that gives the batches of an epoch each time it is iterated."""

    def __init__(self, *batches):
        self.batches, self.epochs = batches, 0

    def __iter__(self):
        self.epochs += 1
        return iter(self.batches)


def by_hand(batches, epochs=3):
    """Adam on the objective, written out."""
    model = net().train()
    optimizer = torch.optim.Adam(model.parameters(), 1e-3, fused=True)
    for _ in range(epochs):
        for x in batches:
            optimizer.zero_grad()
            OBJECTIVE(model, x).total.backward()
            optimizer.step()
    return flat(model)


@pytest.mark.parametrize(
    "data",
    [
        DataLoader(TensorDataset(X, torch.arange(70)), 16),
        DataLoader(X, 16),
        Batches(*X.split(16)),
        Batches(*([x, "a label"] for x in X.double().split(16))),
    ],
    ids=["with labels", "rows", "object", "double"],
)
def test_the_batches_of_a_loader_are_those_of_training(data):
    ours = net()
    history = ct.fit(ours, data, OBJECTIVE, **SETTINGS)
    torch.testing.assert_close(flat(ours), by_hand(X.split(16)))
    assert history.penalty_path == "closed form (exact)"
    assert history.settings["rows"] == "of a loader"


@pytest.mark.parametrize("progress", [False, True])
def test_an_iterable_dataset_is_batched(progress):
    ours = net()
    ct.fit(ours, Stream(), OBJECTIVE, batch_size=16, validation=X[:9], **SETTINGS | {"progress": progress})
    torch.testing.assert_close(flat(ours), by_hand(X.split(16)))


def test_inputs_are_found_in_any_batch():
    ours = net()
    loader = DataLoader([{"image": x, "name": "a"} for x in X], 16)
    ct.fit(ours, loader, OBJECTIVE, inputs=lambda batch: batch["image"], **SETTINGS)
    torch.testing.assert_close(flat(ours), by_hand(X.split(16)))


def near(encode, x, labels):
    code = encode(x)
    return code, (code[:, 0] - labels["class"]).square()


SUPERVISED = replace(OBJECTIVE, terms=(*OBJECTIVE.terms, Term("near", 0.5, near, labelled=True)))


@pytest.mark.parametrize("accumulate", [1, 2])
def test_labels_reach_terms_of_your_own(accumulate):
    classes = torch.arange(64) % 3
    loader = DataLoader(TensorDataset(X[:64], classes), 16)
    ours, theirs = net(), net().train()
    history = ct.fit(
        ours,
        loader,
        SUPERVISED,
        labels=lambda batch: {"class": batch[1]},
        accumulate=accumulate,
        validation=X[64:],
        **SETTINGS,
    )
    optimizer = torch.optim.Adam(theirs.parameters(), 1e-3, fused=True)
    for x, y in [*zip(X[:64].split(16 * accumulate), classes.split(16 * accumulate), strict=True)] * 3:
        optimizer.zero_grad()
        (OBJECTIVE(theirs, x).total + 0.5 * (theirs.encode(x)[:, 0] - y).square().mean()).backward()
        optimizer.step()
    torch.testing.assert_close(flat(ours), flat(theirs))
    assert "train_near" in history.rows[0]
    assert "val_near" not in history.rows[0]  # validation rows have no labels
    assert history["val_total"][-1] == pytest.approx(float(OBJECTIVE.exact()(ours, X[64:]).total.detach()), rel=1e-5)


def test_labels_are_demanded_where_they_are_needed():
    loader = DataLoader(X, 16)
    with pytest.raises(ValueError, match=r"labels must come with the penalty 'near', got none\. In `fit`: labels=l"):
        ct.fit(net(), loader, SUPERVISED, **SETTINGS)
    with pytest.raises(ValueError, match=r"labels must come with a loader or a Dataset, got Tensor\. TensorDataset"):
        ct.fit(net(), X, SUPERVISED, labels=lambda batch: batch[1], **SETTINGS)


class Noisy(Dataset):
    """Rows with augmentation, which draws from torch's random state."""

    def __len__(self):
        return len(X)

    def __getitem__(self, row):
        return X[row] + 0.1 * torch.randn(8)


def test_a_dataset_is_shuffled_by_the_seed_and_resumed_bit_for_bit(tmp_path):
    def run(epochs, seed=0, **settings):
        model = net()
        ct.fit(model, Noisy(), OBJECTIVE, batch_size=16, max_epochs=epochs, seed=seed, progress=False, **settings)
        return flat(model)

    torch.manual_seed(5)
    whole = run(3)
    torch.manual_seed(6)
    assert torch.equal(run(3), whole)
    assert not torch.equal(run(3, seed=1), whole)
    path = tmp_path / "last.ckpt"
    run(1, checkpoint=path)
    assert torch.equal(run(3, checkpoint=path, resume=True), whole)


def test_a_loader_that_is_resumed_says_that_its_batches_may_differ(tmp_path):
    path = tmp_path / "last.ckpt"
    ct.fit(net(), Batches(*X.split(16)), OBJECTIVE, checkpoint=path, max_epochs=1, progress=False)
    with pytest.warns(UserWarning, match="The checkpoint has no state of the loader: its batches may differ"):
        history = ct.fit(net(), Batches(*X.split(16)), OBJECTIVE, checkpoint=path, resume=True, **SETTINGS)
    assert len(history) == 3


def test_a_loader_is_accumulated():
    ours = net()
    ct.fit(ours, Batches(*X.split(8)), OBJECTIVE, accumulate=2, **SETTINGS)
    torch.testing.assert_close(flat(ours), by_hand(X.split(16)))


def test_the_weight_is_found_on_a_loader():
    settings = {"validation": X[:20], "max_epochs": 4, "progress": False}
    history = ct.fit_with_max_error_increase(net(), DataLoader(X, 16), OBJECTIVE, **settings)
    assert history["weight"][-1] > 0
    with pytest.raises(ValueError, match=r"data must have a length with `max_error_increase`, got a loader without"):
        ct.fit_with_max_error_increase(net(), Stream(), OBJECTIVE, batch_size=16, **settings)


@pytest.mark.parametrize(
    ("data", "settings", "error", "match"),
    [
        (
            iter([X]),
            {},
            TypeError,
            r"data must be what can be read once per epoch, got list_iterator\. Pass a DataLoader",
        ),
        ([X], {}, TypeError, "data must be a tensor or an array, got list"),
        (Batches(), {}, ValueError, "data must hold at least one batch, got none"),
        (Batches({"image": X}), {}, TypeError, r"batch must be a tensor or begin with one, got dict\. Pass inputs="),
        (Batches(X.long()), {}, TypeError, "data must be floating-point numbers, got torch.int64"),
        (Batches(X[:, :5]), {}, ValueError, r"data must fit the autoencoder, got rows of shape \(5,\)"),
        (
            Batches(X),
            {"sample_weight": np.ones(70)},
            TypeError,
            "sample_weight must come with data in memory, got a lo",
        ),
        (
            Batches(X),
            {"devices": 2},
            ValueError,
            "data must be a tensor, an array or Rows with several processes, got a",
        ),
        (
            Stream(),
            {"schedule": lambda optimizer, epochs, steps: None},
            ValueError,
            "schedule must go by epochs for data without a length, got one by steps",
        ),
    ],
)
def test_what_cannot_be_read_is_refused(data, settings, error, match):
    with pytest.raises(error, match=match):
        ct.fit(net(), data, OBJECTIVE, **SETTINGS | settings)


class Slices:
    shape, block = (70, 8), 16

    def __len__(self):
        return 70

    def __getitem__(self, rows):
        return X[rows].numpy()


@pytest.mark.parametrize("data", [X, X.numpy(), Slices(), TensorDataset(X), DataLoader(X, 16)], ids=type)
def test_a_centred_encoder_takes_the_mean_of_the_rows(data):
    autoencoder = ct.mlp(8, code=3, center=True)
    ct.fit(autoencoder, data, OBJECTIVE, **SETTINGS)
    torch.testing.assert_close(autoencoder.encoder[0].mean, X.mean(0))
    ct.fit(autoencoder, X[:20], OBJECTIVE, **SETTINGS)
    torch.testing.assert_close(autoencoder.encoder[0].mean, X.mean(0))  # it stays


def test_a_resumed_run_has_the_mean_of_its_checkpoint(tmp_path):
    settings = SETTINGS | {"checkpoint": tmp_path / "c.ckpt", "checkpoint_seconds": 0}
    whole, again = (torch.manual_seed(0) and ct.mlp(8, code=3, center=True) for _ in range(2))
    ct.fit(whole, X, OBJECTIVE, **settings)
    ct.fit(again, X, OBJECTIVE, resume=True, **settings)  # nothing is left to do
    torch.testing.assert_close(again.encoder[0].mean, X.mean(0))
    assert torch.equal(flat(again), flat(whole))


@pytest.mark.parametrize(
    "validation", [TensorDataset(X, torch.arange(70)), DataLoader(X, 16), Batches(X[:50], X[50:]), Stream(), Slices()]
)
def test_validation_of_any_kind_is_that_of_its_rows(validation):
    one, other = (ct.fit(net(), X, OBJECTIVE, validation=rows, **SETTINGS) for rows in (X, validation))
    assert one["val_total"] == other["val_total"]
    assert one["train_total"] == other["train_total"]


def test_validation_without_a_batch_is_refused():
    with pytest.raises(ValueError, match="validation must hold at least one batch, got none"):
        ct.fit(net(), X, OBJECTIVE, validation=Batches(), **SETTINGS)


def test_rows_that_require_a_gradient_are_constants():
    one, other = (ct.fit(net(), rows, OBJECTIVE, **SETTINGS) for rows in (X, X.clone().requires_grad_()))
    assert one["train_total"] == other["train_total"]
