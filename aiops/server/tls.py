"""The server's certificate, read again when its files change: a renewed one is used from the next handshake on."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from pathlib import Path

import grpc
import structlog

from aiops.errors import ConfigError

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class TlsFiles:
    """Where the server's certificate is.

    Attributes:
        certificate: PEM file, with the chain up to the authority.
        key: PEM file of its key.
    """

    certificate: Path
    key: Path


def credentials(files: TlsFiles) -> grpc.ServerCredentials:
    """Return credentials that follow the files; ones that do not fit together leave the old certificate in use.

    Raises:
        ConfigError: If they cannot be read, or the key is not that of the certificate.
    """
    seen = _stamp(files)
    first = _read(files)

    def changed() -> grpc.ServerCertificateConfiguration | None:
        nonlocal seen
        try:
            now = _stamp(files)
            if now == seen:
                return None
            seen, found = now, _read(files)
        except ConfigError as error:
            _log.warning("certificate kept as it was", reason=str(error))
            return None
        _log.info("certificate read again", path=str(files.certificate))
        return found

    return grpc.dynamic_ssl_server_credentials(
        first,
        changed,  # type: ignore[arg-type]  # None is documented: the certificate stays
        require_client_authentication=False,
    )


def _stamp(files: TlsFiles) -> tuple[int, ...]:
    found: list[int] = []
    for path in (files.certificate, files.key):
        try:
            status = path.stat()
        except OSError as error:
            raise ConfigError(f"cannot read {path}: {error.strerror}") from error
        found += [status.st_ino, status.st_mtime_ns, status.st_size]
    return tuple(found)


def _read(files: TlsFiles) -> grpc.ServerCertificateConfiguration:
    try:
        # gRPC would take files that do not fit together, and fail at every handshake.
        ssl.create_default_context(ssl.Purpose.CLIENT_AUTH).load_cert_chain(files.certificate, files.key)
        pair = (files.key.read_bytes(), files.certificate.read_bytes())
    except ssl.SSLError as error:
        raise ConfigError(
            f"{files.certificate} and {files.key} are no PEM certificate and its key: {error.reason}"
        ) from error
    except OSError as error:
        raise ConfigError(f"cannot read {error.filename}: {error.strerror}") from error
    return grpc.ssl_server_certificate_configuration([pair])
