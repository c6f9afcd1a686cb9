"""``aiops`` as a user starts it, without the settings of whoever runs the tests."""

import os
import subprocess
import sys

AIOPS = [sys.executable, "-m", "aiops"]


def begin(*arguments, cwd=None, most_bytes_a_file=None, **environment):
    """Start it; a file that may not grow beyond so many bytes is what a full disk is to the one who writes."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("AIOPS_")}
    limit = [] if most_bytes_a_file is None else ["prlimit", f"--fsize={most_bytes_a_file}"]
    return subprocess.Popen(
        [*limit, *AIOPS, *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=cwd,
        env=clean | environment,
    )


def end(process):
    """Wait for it, and return how it ended and what it said."""
    with process:
        try:
            said = process.communicate(timeout=110)
        finally:
            process.kill()
    return subprocess.CompletedProcess(process.args, process.returncode, *said)


def run(*arguments, **options):
    return end(begin(*arguments, **options))
