"""A file that appears whole or not at all: written beside its place, then renamed."""

from __future__ import annotations

import errno
import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from io import BufferedWriter, FileIO
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from aiops.errors import ConfigError

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer


@contextmanager
def whole_file(path: Path) -> Iterator[BinaryIO]:
    """Open a file for writing, its folder too if it is missing; it is there under its name when all was written.

    A link is followed, and a file that is there keeps its mode. Of two that write one file at once, the last to finish
    wins. What is no regular file, such as a pipe or a terminal, and what is our own stdout or stderr have nothing to
    put in their place: they are written as they are.

    Raises:
        ConfigError: If it cannot be written, at opening, at any write, or at the end; names the file.
    """
    with _naming(path):
        stream = _stream(path)
        if isinstance(stream, int):
            stream = os.dup(stream)
    if stream is not None:
        with BufferedWriter(_Sink(path, stream)) as sink:
            yield sink
        return
    with _unfinished(path) as (beside, place):
        with BufferedWriter(_Sink(path, beside)) as sink:
            yield sink
        with _naming(path):
            beside.replace(place)


def require_whole_file(path: Path) -> None:
    """Find out before long work, and not after it, that a file cannot be written; nothing is left behind.

    Raises:
        ConfigError: If it cannot.
    """
    with _naming(path):
        stream = _stream(path)  # is not opened: whoever reads a pipe would take its closing for the end
        if isinstance(stream, Path) and not os.access(stream, os.W_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    if stream is None:
        with _unfinished(path):
            pass


@contextmanager
def _unfinished(path: Path) -> Iterator[tuple[Path, Path]]:
    """Make an empty file of a name that nobody else uses, and remove it at the end; say what it is to become, too."""
    place = Path(os.path.realpath(path))
    beside = place.with_name(f".{place.name[:50]}.{secrets.token_hex(8)}.unfinished")
    try:
        with _naming(path):
            place.parent.mkdir(parents=True, exist_ok=True)
            if place.exists() and not os.access(place, os.W_OK):  # a rename would not ask
                raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
            beside.touch(exist_ok=False)
            if place.exists():
                beside.chmod(stat.S_IMODE(place.stat().st_mode))
        yield beside, place
    finally:
        with suppress(OSError):
            beside.unlink()


def _stream(path: Path) -> int | Path | None:
    """Return the descriptor, or the path, of what is written as it is; None of what is replaced."""
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    if stat.S_ISDIR(found.st_mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
    for descriptor in (1, 2):  # /dev/stdout may be a file by now, to which others append as well
        with suppress(OSError):
            if os.path.samestat(os.fstat(descriptor), found):
                return descriptor
    return None if stat.S_ISREG(found.st_mode) else path


class _Sink(FileIO):
    """Says which file it is that cannot be written."""

    def __init__(self, path: Path, file: int | Path) -> None:
        self._path = path
        with _naming(path):
            super().__init__(file, "w")

    def write(self, data: ReadableBuffer, /) -> int:
        with _naming(self._path):
            return super().write(data)

    def close(self) -> None:
        with _naming(self._path):
            super().close()


@contextmanager
def _naming(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise ConfigError(f"cannot write {path}: {error.strerror}; choose another file, or make room") from error
