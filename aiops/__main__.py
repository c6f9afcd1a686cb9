"""``python -m aiops`` is ``aiops``."""

from aiops.cli.main import main

main()
