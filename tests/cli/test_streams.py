"""Standard streams that are full, closed, or cannot encode end no command."""

import io
import os
import subprocess
import sys
import warnings

import pytest

from contractive.cli._streams import Forgiving, warn_in_a_line
from contractive.training import SearchWarning


def run(redirection, **environment):
    paths = os.pathsep.join(filter(None, sys.path))
    command = f"{sys.executable} -m contractive version {redirection}"
    return subprocess.run(
        command, shell=True, env={**os.environ, "PYTHONPATH": paths, **environment}, capture_output=True
    )


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
@pytest.mark.parametrize(
    ("redirection", "said"),
    [
        (">/dev/full", b"Standard output cannot be written: No space left on device"),
        (">/dev/full 2>/dev/full", b""),
        (">&- 2>&-", b""),
        ("<&- >&-", b""),
    ],
)
def test_a_stream_that_cannot_be_written_is_no_failure(redirection, said):
    found = run(redirection)
    assert found.returncode == 0
    assert said in found.stderr
    assert b"Traceback" not in found.stderr


@pytest.mark.parametrize("encoding", ["ascii", "cp437", "cp1252"])
def test_what_an_encoding_lacks_is_replaced(encoding):
    content = io.BytesIO()
    stream = Forgiving(io.TextIOWrapper(content, encoding=encoding))
    assert stream.write("error ↓\n") == 8
    stream.flush()
    assert content.getvalue() == b"error ?\n"
    assert stream.encoding == encoding


def test_a_reader_that_has_closed_its_end_is_no_failure():
    reader, writer = os.pipe()
    os.close(reader)
    command = [sys.executable, "-m", "contractive", "version"]
    found = subprocess.run(command, stdout=writer, stderr=subprocess.PIPE)
    os.close(writer)
    assert (found.returncode, found.stderr) == (0, b"")


def test_a_warning_of_this_library_is_a_sentence(monkeypatch, capsys):
    usual = []
    monkeypatch.setattr(warnings, "showwarning", lambda *given: usual.append(given))
    warn_in_a_line()
    warnings.showwarning(SearchWarning("Train longer."), SearchWarning, "_start.py", 52)
    assert capsys.readouterr().err == "Warning: Train longer.\n"
    warnings.showwarning(SearchWarning("Leave out \x1b]0;column."), SearchWarning, "_start.py", 52)
    assert capsys.readouterr().err == "Warning: Leave out \\x1b]0;column.\n"
    warnings.showwarning("elsewhere", UserWarning, "other.py", 7)
    assert usual == [("elsewhere", UserWarning, "other.py", 7)]
