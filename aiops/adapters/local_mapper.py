"""A Mapper over processes of this machine."""

from __future__ import annotations

import multiprocessing
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


class LocalMapper:
    """Runs work here, or in fresh processes beside this one.

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
        # A fork would copy the threads of a progress bar, and their locks.
        pool = ProcessPoolExecutor(self._workers, mp_context=multiprocessing.get_context("spawn"))
        others = set(multiprocessing.active_children())
        try:
            with _deaf_to_interrupts():
                futures = {pool.submit(work, item): index for index, item in enumerate(items)}
            for future in as_completed(futures):
                try:
                    yield futures[future], future.result()
                except Exception as error:  # noqa: BLE001 - as above
                    yield futures[future], error
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
