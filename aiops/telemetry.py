"""Our own logs: how they look, and which chatty libraries stay quiet."""

from __future__ import annotations

import logging
import sys

_CHATTY = ("cmdstanpy", "prophet", "prophet.plot", "urllib3", "httpx", "httpcore", "stamina", "alembic")


def configure(level: str = "WARNING") -> None:
    """Send logs to stderr, pretty on a terminal and JSON elsewhere; quieten libraries below errors.

    Args:
        level: Name of the lowest level that is shown.
    """
    import structlog

    pretty = sys.stderr.isatty()
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.dev.ConsoleRenderer() if pretty else structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level]),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=False,
    )
    for name in _CHATTY:
        logging.getLogger(name).setLevel(logging.ERROR)
