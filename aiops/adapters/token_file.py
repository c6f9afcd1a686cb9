"""Bearer tokens in a file that is replaced while we run: how Kubernetes mounts a secret, and how people rotate one."""

from __future__ import annotations

import hmac
import os
import stat
import time
from pathlib import Path

import structlog

from aiops.errors import ConfigError

_log = structlog.get_logger(__name__)

_LOOK_SECONDS = 1.0
_SHORTEST = 16


class TokenFile:
    """One token a line: every one of them is accepted, the first is the one that we send.

    To rotate without a refused call, put the new token above the old one, and take the old one out when every client
    has read the file again. It is looked at once a second at most, when it is needed; a file that went missing or
    wrong leaves the tokens as they were, and says so in the log.

    Raises:
        ConfigError: If it cannot be read, holds no token or a short one, or others may write it.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._looked = time.monotonic()
        self._seen: tuple[int, ...] = ()
        self._tokens = self._read()
        if os.stat(path).st_mode & stat.S_IROTH and not (path.parent / "..data").exists():  # a mounted secret has it
            _log.warning("token file readable by everybody", path=str(path), advice=f"chmod o-r {path}")

    def first(self) -> str:
        """Return the token to send."""
        return self._current()[0].decode()

    def accepts(self, given: str) -> bool:
        """Return whether it is one of ours; takes as long whichever it is, and however much of it is right."""
        token, found = given.encode(), False
        for each in self._current():
            found |= hmac.compare_digest(each, token)
        return found

    def _current(self) -> tuple[bytes, ...]:
        now = time.monotonic()
        if now - self._looked >= _LOOK_SECONDS:
            self._looked = now
            try:
                if self._stamp() != self._seen:
                    self._tokens = self._read()
                    _log.info("tokens read again", path=str(self._path), tokens=len(self._tokens))
            except (ConfigError, OSError) as error:
                _log.warning("tokens kept as they were", path=str(self._path), reason=str(error))
        return self._tokens

    def _stamp(self) -> tuple[int, ...]:
        found = self._path.stat()
        return found.st_ino, found.st_ctime_ns, found.st_size  # ctime: a change of its mode counts, too

    def _read(self) -> tuple[bytes, ...]:
        try:
            if self._path.stat().st_mode & stat.S_IWOTH:
                raise ConfigError(f"token file {self._path}: everybody may write it; chmod o-w {self._path}")
            self._seen = self._stamp()
            tokens = tuple(self._path.read_text(encoding="ascii").split())
        except OSError as error:
            raise ConfigError(f"token file {self._path}: {error.strerror}") from error
        except UnicodeDecodeError:
            raise ConfigError(f"token file {self._path}: tokens are ASCII, one a line") from None
        if not tokens or min(map(len, tokens)) < _SHORTEST:
            raise ConfigError(
                f"token file {self._path}: write one token a line, {_SHORTEST} characters at least; "
                f"`openssl rand -hex 32` makes a good one"
            )
        return tuple(token.encode() for token in tokens)
