import pytest

from failures import reliability


def test_the_page_says_what_the_campaigns_found():
    assert reliability.PAGE.read_text() == reliability.page()


def test_bad_inputs_are_as_many_as_was_promised():
    count = reliability.bad_inputs()
    assert count["command"] >= 60
    assert count["python"] >= 40
    assert count["hostile"] >= 5


def test_kills_leave_every_file_whole():
    found = reliability.results("kills")
    assert found["kills"] >= 50
    assert found["good"] == found["trials"]


def test_ten_minutes_of_damaged_files_are_read_or_refused():
    found = reliability.results("fuzz")
    assert found["minutes"] >= 10
    assert found["cases"] > 5_000
    assert found["failures"] == 0


def test_streaming_is_fast_and_its_memory_does_not_grow():
    found = reliability.results("streaming")
    assert found["speed"]["share"] >= 0.8
    measured = [name for name in found["files"] if "third" not in name]
    assert "npy" in measured
    for name in measured:
        third, whole = found["files"][f"{name}, a third"], found["files"][name]
        assert whole["file_bytes"] > 2.9 * third["file_bytes"]
        for work in ("train", "encode"):
            assert whole[work]["peak_bytes"] < found["limit_bytes"]
            assert whole[work]["peak_bytes"] < 1.2 * third[work]["peak_bytes"]


@pytest.mark.parametrize("number", [1e9, 2147483648])
def test_gigabytes_are_those_of_a_disk(number):
    assert reliability.gigabytes(number) in ("1 GB", "2.1 GB")
