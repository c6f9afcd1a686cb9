"""The folder of obtained tools: one per user, shared by all clones, and never half filled."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
from pathlib import Path

from tools.steps import StepFailedError
from tools.tool import Tool


def cache() -> Path:
    """Return the folder of all tools; shared by every clone that this user has."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "aiops" / "tools"


def folder(tool: Tool) -> Path:
    """Return where ``tool`` lives, whether it is there or not. The name changes when its definition does."""
    key = hashlib.sha256(tool.definition().encode()).hexdigest()[:16]
    return cache() / f"{tool.name}-{key}"


def ensure(tool: Tool) -> bool:
    """Obtain ``tool`` unless it is there. Return whether anything had to be done.

    Raises:
        StepFailedError: If it cannot be obtained.
    """
    home = folder(tool)
    if home.is_dir():
        return False
    cache().mkdir(parents=True, exist_ok=True)
    with (cache() / f"{tool.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # two runs of make at once: the second waits and finds it done
        if home.is_dir():
            return False
        unfinished = cache() / f"{tool.name}.unfinished"
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir()
        tool.obtain(unfinished)
        for program, path in tool.programs.items():
            if not os.access(unfinished / path, os.X_OK):
                raise StepFailedError(f"{tool.name} was obtained, but its program {program} is not at {path}")
        unfinished.rename(home)  # last and at once: a folder that exists is complete
    return True
