"""Obtain real components: python3 -m tools [NAME ...]; all but those of the slow tests when nothing is named."""

from __future__ import annotations

import argparse
import sys
import time

from tools import cache, catalog
from tools.steps import StepFailedError


def main() -> int:
    """Obtain the named tools; return the exit code."""
    parser = argparse.ArgumentParser(
        prog="python3 -m tools", description="Obtain the real components that tests and demos talk to."
    )
    default = [name for name in catalog.CATALOG if name not in catalog.SLOW]
    known = f"one of {', '.join(catalog.CATALOG)} (default: all but {', '.join(sorted(catalog.SLOW))})"
    parser.add_argument("names", nargs="*", metavar="NAME", help=known)
    names: list[str] = parser.parse_args().names or default
    unknown = [name for name in names if name not in catalog.CATALOG]
    if unknown:
        parser.error(f"unknown tool {', '.join(unknown)}; choose from {', '.join(catalog.CATALOG)}")
    missing = [name for name in names if not cache.folder(catalog.CATALOG[name]).is_dir()]
    took: list[tuple[float, str]] = []
    for place, name in enumerate(missing, start=1):
        print(f"tool {place} of {len(missing)}: {name}", file=sys.stderr)
        started = time.monotonic()
        try:
            cache.ensure(catalog.CATALOG[name])
        except StepFailedError as error:
            print(f"\ncannot obtain {name}: {error}", file=sys.stderr)
            return 1
        took.append((time.monotonic() - started, name))
    if took:
        parts = ", ".join(f"{name} {seconds:.0f} s" for seconds, name in sorted(took, reverse=True))
        total = sum(seconds for seconds, _ in took)
        print(f"tools obtained in {total:.0f} s ({parts}); they stay in {cache.cache()}", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
