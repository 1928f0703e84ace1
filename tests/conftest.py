import functools
import gc
import importlib.metadata
import os
import signal
from pathlib import Path

import pytest
import torch

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # as in the background of a shell
    signal.signal(signal.SIGINT, signal.default_int_handler)
if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:  # as under nohup, which a training obeys
    signal.signal(signal.SIGHUP, signal.SIG_DFL)

# two threads make small tensors many times slower beside other load, and tests run side by side
torch.set_num_threads(1)

# what imports leave is looked through again and again: a twentieth of the time of all tests
gc.set_threshold(100_000, 20, 20)

# of every trainer Lightning reads the descriptions of all packages anew
importlib.metadata.entry_points = functools.cache(importlib.metadata.entry_points)

# where there is no such device, each seed is kept for it, beside the text of the whole stack
for backend in (torch.cuda, torch.xpu, torch.mtia):
    if not backend.is_available():
        backend.manual_seed_all = lambda seed: None

# UMAP compiles itself when it is first used, which takes longer than the few rows of a test
os.environ["NUMBA_DISABLE_JIT"] = "1"

TESTS = Path(__file__).parent
TOGETHER = ("studies/illustrations",)  # folders whose files share what one process has made
LONGEST = (*TOGETHER, "docs/test_course.py")


def pytest_collectstart(collector):
    """Networks that a file makes when it is imported have the same weights, whichever files came before."""
    if isinstance(collector, pytest.Module):
        torch.manual_seed(0)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    """Put the files that take longest first."""
    items.sort(key=lambda item: _group(item.path) not in LONGEST)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """Hand files to processes whole, and some folders, in the order of collection (`--no-loadscope-reorder`)."""
    from xdist.scheduler import LoadScopeScheduling

    class Scheduling(LoadScopeScheduling):
        def _split_scope(self, nodeid):
            return _group(TESTS.parent / nodeid.partition("::")[0])

    return Scheduling(config, log)


def _group(path):
    name = (path.relative_to(TESTS) if path.is_relative_to(TESTS) else path).as_posix()
    return next((folder for folder in TOGETHER if name.startswith(folder)), name)
