"""Where to listen, as people write it."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass

from aiops.errors import ConfigError


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """A host and a port.

    Attributes:
        host: A name or an IP address.
        port: 0 for any that is free.
    """

    host: str
    port: int

    @classmethod
    def parse(cls, text: str) -> Address:
        """Read ``127.0.0.1:50051``, ``localhost:0`` or ``[::1]:50051``.

        Raises:
            ConfigError: If it is anything else.
        """
        host, colon, port = text.rpartition(":")
        bare = host.removeprefix("[").removesuffix("]")
        if not colon or not bare or not port.isascii() or not port.isdigit() or int(port) > 65_535:
            raise ConfigError(f"{text!r} is no address: write it like 127.0.0.1:50051 or [::1]:50051")
        if ":" in bare and bare == host:
            raise ConfigError(f"{text!r}: write an IPv6 address in brackets, like [::1]:50051")
        return cls(host=bare, port=int(port))

    @property
    def loopback(self) -> bool:
        """Whether only this machine can reach it."""
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return self.host == "localhost"

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"
