"""A Mapper over processes of this machine."""

from __future__ import annotations

import multiprocessing
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager, suppress
from typing import TypeVar

from aiops.errors import FitFailedError

Item = TypeVar("Item")
Result = TypeVar("Result")


class LocalMapper:
    """Runs work here, or in fresh processes beside this one.

    An item whose worker dies is tried once more, alone; if that worker dies, too, it yields an error that says so.

    Args:
        workers: Processes; 1 stays in this process. Work and items must be importable there: functions of a module,
            values of arrays and dataclasses.
    """

    def __init__(self, workers: int = 1) -> None:
        self._workers = workers

    def map(self, work: Callable[[Item], Result], items: Sequence[Item]) -> Iterator[tuple[int, Result | Exception]]:
        """Yield (index, result) as each is done; an item that fails yields its exception."""
        if min(self._workers, len(items)) <= 1:
            for index, item in enumerate(items):
                try:
                    yield index, work(item)
                except Exception as error:  # noqa: BLE001 - the caller decides what a failed item means
                    yield index, error
            return
        left = dict(enumerate(items))
        while left:
            yield from _shared(self._workers, work, left)
            # A worker died, and left undone what others had. One of the items that were handed out did it.
            for index in list(left)[: 2 * self._workers + 1]:
                alone = {index: left.pop(index)}
                yield from _shared(1, work, alone)
                if alone:
                    yield index, FitFailedError("its worker died twice: give it more memory, or fewer workers")


def _shared(
    workers: int, work: Callable[[Item], Result], left: dict[int, Item]
) -> Iterator[tuple[int, Result | Exception]]:
    """Run in fresh processes, and take what is done out of ``left``; what a dying worker left undone stays."""
    # A fork would copy the threads of a progress bar, and their locks.
    pool = ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context("spawn"))
    others = set(multiprocessing.active_children())
    try:
        futures: dict[Future[Result], int] = {}
        with _deaf_to_interrupts(), suppress(BrokenProcessPool):  # a worker may die before all is handed out
            for index, item in left.items():
                futures[pool.submit(work, item)] = index
        for future in as_completed(futures):
            index = futures[future]
            try:
                result: Result | Exception = future.result()
            except BrokenProcessPool:
                continue
            except Exception as error:  # noqa: BLE001 - the caller decides what a failed item means
                result = error
            del left[index]
            yield index, result
    except BaseException:  # Ctrl-C, or nobody wants the rest: do not wait for it
        pool.shutdown(wait=False, cancel_futures=True)
        for child in set(multiprocessing.active_children()) - others:
            child.terminate()
        raise
    pool.shutdown()


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
