"""A ModelStore that is one bundle's folder, or a link to one: serving without a registry."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path

from aiops.adapters.bundle_files import SEAL, read_bundle
from aiops.errors import ConfigError, ModelError, UpstreamUnavailableError
from aiops.forecasting.bundle import Bundle
from aiops.ports import KeptBundle, ModelVersion

_READ_ONLY = "a folder with a bundle serves and keeps no versions: give train sqlite:///path/to/mlflow.db as --registry"


class FolderModels:
    """The champion is what the folder holds now; a new one comes by replacing the folder, or where the link points.

    Versions are numbered by the first 12 digits of their digest.

    Args:
        folder: With ``forecasts.parquet``, ``manifest.json`` and ``manifest.sha256``.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    async def champion(self, name: str) -> ModelVersion | None:
        """Return what the folder holds, as ``ModelStore`` says; None if it holds no bundle."""
        seal = self._folder / SEAL
        try:
            digest = seal.read_text(encoding="ascii").split()[0]
        except FileNotFoundError:
            return None
        except OSError as error:
            raise UpstreamUnavailableError(f"{seal} cannot be read: {error.strerror}") from error
        except (UnicodeDecodeError, IndexError) as error:
            raise ModelError(f"{seal} does not start with a SHA-256: copy the bundle again") from error
        return ModelVersion(name=name, number=digest[:12], digest=digest)

    async def load(self, version: ModelVersion) -> Bundle:
        """Return the bundle, as ``ModelStore`` says."""
        return await asyncio.to_thread(read_bundle, self._folder, version.digest)

    async def register(
        self, name: str, bundle: KeptBundle, tags: Mapping[str, str], metrics: Mapping[str, float]
    ) -> ModelVersion:
        """Refuse: there is one bundle only."""
        del name, bundle, tags, metrics
        raise ConfigError(_READ_ONLY)

    async def promote(self, version: ModelVersion) -> None:
        """Refuse: there is one bundle only."""
        del version
        raise ConfigError(_READ_ONLY)
