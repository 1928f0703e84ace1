"""Processes that work side by side, or this one alone."""

import signal
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import active_children, get_context
from typing import Any

import torch

shared: dict[str, Any] = {}  # what all tasks of a process need, sent to it once


def _start(things: Mapping[str, Any]) -> None:
    """One thread to a process; Ctrl-C is for the parent alone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    torch.set_num_threads(1)
    shared.update(things)


class _InProcess(Executor):
    """An executor that works at once, here."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        future.set_result(fn(*args, **kwargs))
        return future


@contextmanager
def workers(jobs: int, things: Mapping[str, Any]) -> Iterator[Executor]:
    """An executor of `jobs` spawned processes that find `things` in `shared`; with one job, this process."""
    if jobs == 1:
        shared.update(things)
        try:
            yield _InProcess()
        finally:
            shared.clear()
        return
    others = set(active_children())
    pool = ProcessPoolExecutor(jobs, get_context("spawn"), initializer=_start, initargs=(dict(things),))
    try:
        yield pool
    except BaseException:
        for worker in set(active_children()) - others:  # not `terminate`: Lightning catches that signal
            worker.kill()
        raise
    finally:
        pool.shutdown(cancel_futures=True)
