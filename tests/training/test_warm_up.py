"""Penalties that set in slowly have the weights that were asked for, also in a resumed run."""

import pytest
import torch

import contractive as ct
from contractive.core.errors import InvalidValue
from contractive.training import WeightWarmUp

pytestmark = pytest.mark.filterwarnings("ignore::contractive.CollapseWarning")  # few epochs
SETTINGS = {"batch_size": 8, "progress": False, "schedule": "constant"}


def fitted(callbacks, weight=0.3, **settings):
    torch.manual_seed(0)
    net, x = ct.mlp(4, code=2), torch.rand(24, 4, generator=torch.Generator().manual_seed(0))
    return net, ct.fit(net, x, ct.objectives.contractive(weight), callbacks=callbacks, **SETTINGS, **settings)


def test_an_epoch_of_warm_up_is_one_of_the_smaller_weight():
    warmed, history = fitted([WeightWarmUp(2)], max_epochs=1)
    plain, _ = fitted([], weight=0.1, max_epochs=1)
    assert history["weight"] == [pytest.approx(0.1)]
    assert torch.allclose(warmed.encoder[0].weight, plain.encoder[0].weight, atol=1e-6)
    assert fitted([WeightWarmUp(2)], max_epochs=4)[1]["weight"] == [pytest.approx(w) for w in (0.1, 0.2, 0.3, 0.3)]


def test_a_resumed_run_goes_on_where_it_was(tmp_path):
    whole, history = fitted([WeightWarmUp(3)], max_epochs=4)
    fitted([WeightWarmUp(3)], max_epochs=2, checkpoint=tmp_path / "last.ckpt")
    again, resumed = fitted([WeightWarmUp(3)], max_epochs=4, checkpoint=tmp_path / "last.ckpt", resume=True)
    assert resumed["weight"] == history["weight"]
    assert torch.equal(again.encoder[0].weight, whole.encoder[0].weight)


def test_totals_under_changing_weights_are_not_compared():
    with pytest.raises(InvalidValue, match="be without WeightWarmUp beside `patience`"):
        fitted([WeightWarmUp(1)], max_epochs=2, patience=1, validation=torch.rand(8, 4))
    with pytest.raises(InvalidValue, match="epochs must be"):
        WeightWarmUp(0)


def test_a_search_for_the_weight_moves_it_alone():
    torch.manual_seed(0)
    x = torch.rand(24, 4)
    with pytest.raises(InvalidValue, match="be without WeightWarmUp beside `max_error_increase`"):
        ct.fit_with_max_error_increase(
            ct.mlp(4, code=2),
            x,
            ct.objectives.contractive(),
            validation=x,
            max_epochs=2,
            callbacks=[WeightWarmUp(1)],
            **SETTINGS,
        )
