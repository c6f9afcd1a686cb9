"""Obtain real components: python3 -m tools [--group GROUP] [NAME ...]; the default group when nothing is named."""

from __future__ import annotations

import argparse
import sys

from tools import cache, catalog
from tools.steps import StepFailedError


def main() -> int:
    """Obtain the named tools; return the exit code."""
    parser = argparse.ArgumentParser(
        prog="python3 -m tools", description="Obtain the real components that tests and demos talk to."
    )
    parser.add_argument(
        "names", nargs="*", metavar="NAME", help=f"one of {', '.join(catalog.CATALOG)} (default: all of the group)"
    )
    parser.add_argument(
        "--group", choices=catalog.GROUPS, default=catalog.DEFAULT_GROUP, help="which ones, when none is named"
    )
    asked = parser.parse_args()
    names: list[str] = asked.names or [tool.name for tool in catalog.GROUPS[asked.group]]
    unknown = [name for name in names if name not in catalog.CATALOG]
    if unknown:
        parser.error(f"unknown tool {', '.join(unknown)}; choose from {', '.join(catalog.CATALOG)}")
    for name in names:
        try:
            cache.ensure(catalog.CATALOG[name])
        except StepFailedError as error:
            print(f"\ncannot obtain {name}: {error}", file=sys.stderr)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
