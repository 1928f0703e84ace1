"""What training silences in other threads, and what it does not."""

import threading

import pytest
from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.summary.writer.event_file_writer import EventFileWriter
from tensorboard.summary.writer.record_writer import RecordWriter

from contractive.training._contexts import quiet


@pytest.fixture
def reported(monkeypatch):
    """Errors that reach the hook of the program, by type."""
    seen = []
    monkeypatch.setattr(threading, "excepthook", lambda failed: seen.append(failed.exc_type))
    return seen


def fail(error):
    raise error


def test_errors_of_your_threads_reach_the_hook_of_the_program_which_is_put_back(reported):
    before = threading.excepthook
    with quiet():
        assert threading.excepthook is not before
        for error in (ConnectionError("my download"), ArithmeticError("mine")):
            thread = threading.Thread(target=fail, args=(error,))
            thread.start()
            thread.join()
    assert reported == [ConnectionError, ArithmeticError]
    assert threading.excepthook is before
    with pytest.raises(KeyError, match="mine"), quiet():
        raise KeyError("mine")
    assert threading.excepthook is before


@pytest.mark.parametrize(("error", "heard"), [(OSError("full disk"), []), (ValueError("a bug"), [ValueError])])
def test_tensorboard_that_cannot_write_is_silent_and_fails_at_the_next_write(
    tmp_path, reported, monkeypatch, error, heard
):
    threads = set(threading.enumerate())
    writer = EventFileWriter(str(tmp_path))
    (thread,) = set(threading.enumerate()) - threads
    monkeypatch.setattr(RecordWriter, "write", lambda writer, data: fail(error))
    with quiet():
        writer.add_event(Event())
        thread.join()
        with pytest.raises(type(error), match=str(error)):
            writer.flush()
    assert reported == heard
