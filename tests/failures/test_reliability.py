import pytest
import reliability


def test_the_page_is_made_from_the_results_of_the_campaigns():
    assert reliability.PAGE.read_text() == reliability.page()


def test_many_different_bad_inputs_are_tried_at_each_entry_point():
    count = reliability.bad_inputs()
    assert count["command"] >= 60
    assert count["python"] >= 40
    assert count["hostile"] >= 5


@pytest.mark.parametrize("number", [1e9, 2147483648])
def test_gigabytes_are_those_of_a_disk(number):
    assert reliability.gigabytes(number) in ("1 GB", "2.1 GB")
