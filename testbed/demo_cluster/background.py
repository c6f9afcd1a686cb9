"""Starts one thing while another starts."""

from __future__ import annotations

import threading
from contextlib import AbstractContextManager
from typing import Generic, TypeVar

Value = TypeVar("Value")


class InBackground(Generic[Value]):
    """Holds a context manager open in a thread of its own; a context manager itself.

    The thread stays for as long: Linux ends a server whose parent dies, and takes the thread that started it for that.
    """

    def __init__(self, manager: AbstractContextManager[Value]) -> None:
        self._manager = manager
        self._thread = threading.Thread(target=self._hold, daemon=True)
        self._settled, self._over = threading.Event(), threading.Event()
        self._entered: list[Value] = []
        self._trouble: Exception | None = None

    def __enter__(self) -> InBackground[Value]:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()  # what is still starting can only be stopped once it has started

    def value(self) -> Value:
        """Wait until it is entered, and return what that gave; raise what it raised."""
        self._settled.wait()
        if self._trouble is not None:
            raise self._trouble
        return self._entered[0]

    def _hold(self) -> None:
        try:
            with self._manager as value:
                self._entered.append(value)
                self._settled.set()
                self._over.wait()
        except Exception as error:  # noqa: BLE001 - raised again by value()
            self._trouble = error
        finally:
            self._settled.set()
