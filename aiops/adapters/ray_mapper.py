"""A Mapper over Ray: started on this machine for the time of the work, or a cluster that runs already."""

from __future__ import annotations

import importlib.util
import logging
import os
import secrets
import socket
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from itertools import chain, islice
from typing import Any, TypeVar

from aiops import __version__
from aiops.errors import ConfigError, FitFailedError, UpstreamUnavailableError
from aiops.forecasting.limited import ONE_THREAD

Item = TypeVar("Item")
Result = TypeVar("Result")

_TRIES = 2
_PATIENCE_SECONDS = 5.0
_OBJECT_STORE_BYTES = 256 * 2**20
# Read when Ray is imported. What an operator has set stays.
_QUIET = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_DEDUP_LOGS_SKIP_REGEX": ".*",  # Ray prints to our stdout when a worker dies; the mapper says it instead
}
_ON_LOOPBACK = "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"


class RayMapper:
    """Runs work in processes of Ray's, one thread each.

    A worker that dies has its item tried once more; an item whose workers die yields an error that says so. At most two
    items a worker are in Ray's memory at a time.

    Args:
        workers: Processes on this machine; a cluster uses the processors that it has.
        address: Of a cluster, such as ``ray://head:10001``, or ``host:6379`` from a machine of it. ``aiops`` must be
            installed there in this version. None starts Ray here, on loopback, and ends it after the work.

    Raises:
        ConfigError: If Ray is not installed.
    """

    def __init__(self, workers: int = 1, address: str | None = None) -> None:
        if importlib.util.find_spec("ray") is None:
            raise ConfigError("the engine ray needs Ray, which is not installed: install aiops[ray], or use another")
        self._workers = workers
        self._address = address

    def map(self, work: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[tuple[int, Result | Exception]]:
        """Yield (index, result) as each is done; an item that fails yields its exception.

        Raises:
            ConfigError: If Ray cannot start here, or the cluster has another version of ``aiops``.
            UpstreamUnavailableError: If the cluster does not answer.
        """
        waiting = enumerate(items)
        first = list(islice(waiting, 1))
        if not first:
            return
        with _started(self._workers, self._address) as ray:
            remote = ray.remote(num_cpus=1, max_retries=_TRIES - 1)(_attempt)
            at_once = 2 * max(int(ray.cluster_resources().get("CPU", 1)), 1)
            coming = chain(first, waiting)
            running: dict[Any, int] = {}
            while True:
                while len(running) < at_once and (following := next(coming, None)) is not None:
                    index, item = following
                    running[remote.remote(work, item)] = index
                if not running:
                    return
                (done, *_), _ = ray.wait(list(running), num_returns=1)
                yield running.pop(done), _result(ray, done)


def _attempt(work: Callable[[Item], Result], item: Item) -> Result | Exception:
    """Run in a worker: a failure of ours comes back as it is, not inside an error of Ray's."""
    try:
        return work(item)
    except Exception as error:  # noqa: BLE001 - the caller decides what a failed item means
        return error


def _result(ray: Any, done: Any) -> Any:
    try:
        return ray.get(done)
    except (ray.exceptions.WorkerCrashedError, ray.exceptions.OutOfMemoryError, ray.exceptions.NodeDiedError) as error:
        kind = type(error).__name__
        return FitFailedError(f"its worker died {_TRIES} times ({kind}): give it more memory, or fewer workers")
    except ray.exceptions.RayError as error:
        return error


def _version_there() -> str:
    return __version__


@contextmanager
def _started(workers: int, address: str | None) -> Iterator[Any]:
    """Give a Ray that answers, and end what was started for it."""
    options: dict[str, Any] = {
        "log_to_driver": False,
        "configure_logging": False,
        "runtime_env": {"env_vars": ONE_THREAD},
    }
    if address is not None:
        _require_answer(address)
        ray = _imported()
        with _connected(ray, address, options):
            yield ray
        return
    os.environ.setdefault(_ON_LOOPBACK, "0")  # its name aside: with 0, Ray listens on 127.0.0.1 only
    os.environ.setdefault("RAY_AUTH_TOKEN", secrets.token_hex(32))  # else Ray leaves one in the home of the user
    ray = _imported()
    with tempfile.TemporaryDirectory(prefix="aiops-ray-", ignore_cleanup_errors=True) as folder:
        try:
            ray.init(
                address="local",
                num_cpus=workers,
                include_dashboard=False,
                object_store_memory=_OBJECT_STORE_BYTES,
                _temp_dir=folder,
                _system_config={"task_oom_retries": _TRIES - 1},
                **options,
            )
        except (OSError, ValueError, RuntimeError) as error:
            ray.shutdown()
            raise ConfigError(f"Ray cannot start here: {error}; use --engine local, or a cluster") from error
        try:
            yield ray
        finally:
            ray.shutdown()


def _imported() -> Any:
    """Import Ray, which reads its environment then and sets up its own logs."""
    for name, value in _QUIET.items():
        os.environ.setdefault(name, value)
    import ray

    logging.getLogger("ray").setLevel(logging.ERROR)
    return ray


def _require_answer(address: str) -> None:
    """Ray would try for minutes."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if not host or not port.isdecimal():
        raise ConfigError(f"{address!r} is no address of a Ray: write ray://host:10001, or host:6379")
    try:
        socket.create_connection((host, int(port)), _PATIENCE_SECONDS).close()
    except (OSError, OverflowError) as error:
        raise UpstreamUnavailableError(f"no Ray answers at {address}: {error}") from error


@contextmanager
def _connected(ray: Any, address: str, options: dict[str, Any]) -> Iterator[None]:
    try:
        if address.startswith("ray://"):
            del options["log_to_driver"], options["configure_logging"]  # a client has no such choice
        ray.init(address=address, **options)
    except (OSError, ValueError, RuntimeError) as error:
        raise UpstreamUnavailableError(f"no Ray answers at {address}: {error}") from error
    try:
        try:
            there = ray.get(ray.remote(_version_there).remote())
        except ray.exceptions.RayError as error:
            raise ConfigError(f"the cluster at {address} cannot run aiops: {error}; install it there") from error
        if there != __version__:
            raise ConfigError(f"the cluster at {address} has aiops {there}, and this is {__version__}: bundles differ")
        yield
    finally:
        ray.shutdown()
