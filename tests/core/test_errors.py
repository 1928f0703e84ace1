import pickle

import pytest

from contractive.core.errors import (
    ContractiveError,
    InvalidType,
    InvalidValue,
    check_at_least,
    check_choice,
    check_positive,
)


def test_an_invalid_value_is_one_line_of_its_parts():
    error = InvalidValue("max_epochs", "be at least 1", 0, "Leave out `patience`.")
    assert str(error) == "max_epochs must be at least 1, got 0. Leave out `patience`."
    assert (error.field, error.rule, error.got) == ("max_epochs", "be at least 1", "0")


def test_another_front_end_words_its_fields_anew():
    error = InvalidValue("max_epochs", "be at least 1", 0, "Leave out `batch_size`.")
    worded = error.worded(lambda name: f"--{name.replace('_', '-')}", lambda name: f"--{name.replace('_', '-')}")
    assert worded == "--max-epochs must be at least 1, got 0. Leave out --batch-size."


def test_a_plain_sentence_names_fields_in_backquotes_and_stays_one_line():
    error = ContractiveError("The folder\nis full. Choose another `out`.")
    assert str(error) == "The folder is full. Choose another `out`."
    assert error.worded(str, lambda name: f"--{name}") == "The folder is full. Choose another --out."


@pytest.mark.parametrize(
    "error",
    [ContractiveError("Full."), InvalidValue("x", "be 1", 2, "Set it."), InvalidType("x", "be a text", 2, "Set it.")],
    ids=["sentence", "value", "type"],
)
def test_errors_travel_between_processes(error):
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is type(error)
    assert (str(again), vars(again)) == (str(error), vars(error))


def test_a_wrong_type_is_a_type_error_and_a_value_error():
    assert issubclass(InvalidType, TypeError)
    assert issubclass(InvalidType, ValueError)


@pytest.mark.parametrize(
    ("check", "match"),
    [
        (lambda: check_choice("scale", "log", ("auto", "none")), r"scale must be one of auto, none, got 'log'\. Check"),
        (lambda: check_at_least("seed", -1, 0), r"seed must be at least 0, got -1\. Leave it out"),
        (lambda: check_at_least("seed", float("nan"), 0), "seed must be at least 0, got nan"),
        (lambda: check_positive("rate", 0.0), "rate must be above 0 and finite, got 0.0"),
        (lambda: check_positive("rate", float("inf")), "rate must be above 0 and finite, got inf"),
    ],
)
def test_checks_refuse(check, match):
    with pytest.raises(InvalidValue, match=match):
        check()


def test_checks_pass_what_is_right():
    check_choice("scale", "none", ("auto", "none"))
    check_at_least("seed", 0, 0)
    check_positive("rate", 0.1)
