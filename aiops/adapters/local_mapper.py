"""A Mapper over processes of this machine."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing.process import BaseProcess
from typing import TypeVar

from aiops.errors import FitFailedError
from aiops.forecasting.limited import ONE_THREAD

Item = TypeVar("Item")
Result = TypeVar("Result")

_AT_ONCE = 2


class LocalMapper:
    """Runs work here, or in fresh processes beside this one, one thread each.

    An item whose worker dies is tried once more, alone; if that worker dies, too, it yields an error that says so. At
    most two items a worker are handed out at a time.

    Args:
        workers: Processes. 1 stays in this process, which an item that kills its worker then ends; with 2 or more,
            nothing is ever worked on here. Work and items must be importable there: functions of a module, values of
            arrays and dataclasses.
    """

    def __init__(self, workers: int = 1) -> None:
        self._workers = workers

    def map(self, work: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[tuple[int, Result | Exception]]:
        """Yield (index, result) as each is done; an item that fails yields its exception."""
        coming = enumerate(items)
        if self._workers <= 1:
            for index, item in coming:
                try:
                    yield index, work(item)
                except Exception as error:  # noqa: BLE001 - the caller decides what a failed item means
                    yield index, error
            return
        left: dict[int, Item] = {}
        while True:
            yield from _shared(self._workers, work, coming, left)
            if not left:
                return
            # A worker died, and left undone what others had. One of the items that were handed out did it.
            for index in list(left):
                alone: dict[int, Item] = {}
                yield from _shared(1, work, iter([(index, left.pop(index))]), alone)
                if alone:
                    yield index, FitFailedError("its worker died twice: give it more memory, or fewer workers")


def _shared(
    workers: int, work: Callable[[Item], Result], coming: Iterator[tuple[int, Item]], left: dict[int, Item]
) -> Iterator[tuple[int, Result | Exception]]:
    """Run in fresh processes until nothing comes or one of them dies; what that left undone is in ``left``."""
    # A fork would copy the threads of a progress bar, and their locks.
    pool = ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context("spawn"))
    others = set(multiprocessing.active_children())
    try:
        running: dict[Future[Result], int] = {}
        alive = True
        while True:
            while alive and len(running) < _AT_ONCE * workers and (following := next(coming, None)) is not None:
                index, item = following
                left[index] = item
                with _deaf_to_interrupts(), _one_thread():
                    try:
                        running[pool.submit(work, item)] = index
                    except BrokenProcessPool:
                        alive = False
            if not running or not alive:
                break
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                index = running.pop(future)
                try:
                    result: Result | Exception = future.result()
                except BrokenProcessPool:
                    alive = False
                    continue
                except Exception as error:  # noqa: BLE001 - the caller decides what a failed item means
                    result = error
                del left[index]
                yield index, result
    except BaseException:  # Ctrl-C, or nobody wants the rest: do not wait for it
        _end(pool, others)
        raise
    if alive:
        pool.shutdown()
    else:  # it would wait forever for a worker that it was starting when another died
        _end(pool, others)


def _end(pool: ProcessPoolExecutor, others: set[BaseProcess]) -> None:
    """End a pool and its workers at once; ``others`` are processes that are not its own."""
    pool.shutdown(wait=False, cancel_futures=True)
    for child in set(multiprocessing.active_children()) - others:
        child.terminate()


@contextmanager
def _one_thread() -> Iterator[None]:
    """Let processes that are started within keep to one thread: libraries would take one a core in each of them."""
    set_here = [name for name in ONE_THREAD if name not in os.environ]
    os.environ.update({name: ONE_THREAD[name] for name in set_here})
    try:
        yield
    finally:
        for name in set_here:
            del os.environ[name]


@contextmanager
def _deaf_to_interrupts() -> Iterator[None]:
    """Let processes that are started within ignore Ctrl-C: it reaches the whole group, and only we answer it."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
