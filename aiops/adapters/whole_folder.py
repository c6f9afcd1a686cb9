"""A folder that appears whole or not at all: written beside its place, then renamed."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path

from aiops.errors import ConfigError


def write_whole(folder: Path, files: Mapping[str, bytes]) -> None:
    """Write the files of a folder; a folder that is there already is replaced.

    Raises:
        ConfigError: If that cannot be done.
    """
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        beside = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
        try:
            beside.chmod(0o755)
            for name, content in files.items():
                (beside / name).write_bytes(content)
            if folder.exists():
                shutil.rmtree(folder)
            beside.rename(folder)
        finally:
            shutil.rmtree(beside, ignore_errors=True)
    except OSError as error:
        raise ConfigError(f"cannot write {folder}: {error.strerror}; choose another folder") from error
