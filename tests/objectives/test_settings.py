"""Objectives by name."""

import copy
import pickle
from dataclasses import replace
from inspect import signature

import pytest

from contractive import objectives
from contractive.core.errors import InvalidType, InvalidValue
from contractive.objectives import DEFAULT_OBJECTIVE, LOSSES, OBJECTIVES, ObjectiveSettings, Reference

JACOBIAN = ("contractive", "higher_order", "reconstruction_contractive", "gain_weighted", "contractive_denoising")
JACOBIAN += ("largest_singular_value", "jacobian_l1", "isometric", "nuclear")


@pytest.mark.parametrize("name", OBJECTIVES)
def test_every_record_is_complete(name):
    record = OBJECTIVES[name]
    made = record.make(0.5, loss=LOSSES["cross_entropy"])
    assert record.name == made.name == name
    assert made.loss is LOSSES["cross_entropy"]
    assert record.help.endswith(".")
    assert bool(record.weight_name) == bool(record.weight_help) == (record.guess is not None)
    assert record.default is not None or record.searched
    if record.searched:
        assert {term.weight for term in made.terms} == {0.5}
    if record.guess:
        assert record.guess(0.1, Reference(error=3.0, squared_norm=5.0, feature_sd=0.7)) > 0


def test_records_are_pickled_by_name_and_others_copied():
    record = OBJECTIVES["contractive"]
    assert pickle.loads(pickle.dumps(record)) is copy.deepcopy(record) is record
    other = replace(record, help="Another.")
    assert copy.copy(other) == other


@pytest.mark.parametrize("name", JACOBIAN)
def test_the_method_reaches_the_penalty(name):
    terms = ObjectiveSettings(name, method="exact").make().terms
    assert {term.penalty.method for term in terms} == {"exact"}


@pytest.mark.parametrize("name", [name for name in OBJECTIVES if name not in JACOBIAN])
def test_a_method_is_refused_where_it_would_be_ignored(name):
    with pytest.raises(InvalidValue, match=f"method must be auto for the objective {name}, got 'probes'"):
        ObjectiveSettings(name, method="probes")


@pytest.mark.parametrize("name", ["higher_order", "largest_singular_value", "jacobian_l1", "isometric"])
def test_forward_probes_estimate_the_squared_norm_alone(name):
    with pytest.raises(InvalidValue, match="method must be one of auto, exact, probes, got 'forward_probes'"):
        ObjectiveSettings(name, method="forward_probes")


def test_a_missing_weight_is_the_default_or_searched():
    assert ObjectiveSettings("denoising").completed().weight == 0.3
    assert ObjectiveSettings("sparse").completed().weight is None
    assert ObjectiveSettings("sparse").searches
    assert not ObjectiveSettings("sparse", 0.2).searches
    assert not ObjectiveSettings("standard").searches


@pytest.mark.parametrize("name", [name for name in OBJECTIVES if name not in ("standard", "gain_weighted")])
def test_the_weight_of_a_record_is_that_of_its_preset(name):
    preset = getattr(objectives, name)
    (number, *_), record = signature(preset).parameters.values(), OBJECTIVES[name]
    assert number.default == record.weight
    assert record.default in (None, record.weight)


def test_a_fit_without_a_search_has_no_penalty_by_default():
    assert (OBJECTIVES[DEFAULT_OBJECTIVE].weight, OBJECTIVES["standard"].weight) == (0.0, 0.0)


@pytest.mark.parametrize(
    ("wrong", "error", "match"),
    [
        ({"objective": "higher-order"}, InvalidValue, "objective must be one of standard, .*, got 'higher-order'"),
        ({"weight": -1}, InvalidValue, "weight must be at least 0, got -1"),
        ({"weight": float("nan")}, InvalidValue, "weight must be at least 0, got nan"),
        ({"weight": float("inf")}, InvalidValue, "weight must be a finite number, got inf"),
        (
            {"objective": "standard", "weight": 0.7},
            InvalidValue,
            r"weight must be 0 for the objective standard, got 0\.7\. It has no penalty: leave it out",
        ),
        ({"weight": "much"}, InvalidType, "weight must be a number, got 'much'"),
        ({"loss": "hinge"}, InvalidValue, "loss must be one of squared_error, cross_entropy, got 'hinge'"),
        ({"method": "brute"}, InvalidValue, "method must be one of auto, exact, probes, forward_probes, got 'brute'"),
    ],
)
def test_wrong_settings_are_refused(wrong, error, match):
    with pytest.raises(error, match=match):
        ObjectiveSettings(**wrong)
