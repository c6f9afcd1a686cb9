"""A real Prometheus that accepts remote writes, old samples included."""

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import timedelta
from pathlib import Path
from typing import Any

import yaml

from testbed.server import Server, running
from tools.catalog import find


def prometheus(
    *,
    accept_samples_of_last: timedelta = timedelta(days=40),
    scrape_configs: Sequence[Mapping[str, Any]] = (),
    rule_files: Sequence[Path] = (),
    alertmanager_url: str | None = None,
    evaluate_every: timedelta = timedelta(seconds=5),
    program: str = "prometheus",
) -> AbstractContextManager[Server]:
    """Run an empty Prometheus until the ``with`` block ends.

    Args:
        accept_samples_of_last: How much older than the newest sample of its series a sample pushed in may be.
        scrape_configs: Entries of ``scrape_configs``, as in its configuration file.
        rule_files: Files of recording and alerting rules.
        alertmanager_url: Where its alerts go; nowhere if None.
        evaluate_every: How often it scrapes and evaluates rules.
        program: Which one of the catalog.

    Raises:
        ToolMissingError: If this machine has no Prometheus yet.
        NotReadyError: If it did not start; carries its log.
    """
    interval = f"{round(evaluate_every.total_seconds() * 1000)}ms"
    config: dict[str, Any] = {
        "global": {"scrape_interval": interval, "scrape_timeout": interval, "evaluation_interval": interval},
        "storage": {"tsdb": {"out_of_order_time_window": f"{round(accept_samples_of_last.total_seconds())}s"}},
        "scrape_configs": [dict(entry) for entry in scrape_configs],
        "rule_files": [str(path.resolve()) for path in rule_files],
    }
    if alertmanager_url is not None:
        target = alertmanager_url.removeprefix("http://")
        config["alerting"] = {"alertmanagers": [{"static_configs": [{"targets": [target]}]}]}

    def command(port: int, folder: Path) -> list[str | Path]:
        file = folder / "prometheus.yml"
        file.write_text(yaml.safe_dump(config))
        return [
            find(program),
            f"--config.file={file}",
            f"--storage.tsdb.path={folder / 'data'}",
            "--storage.tsdb.retention.time=10y",  # history pushed in is not to be deleted at the next compaction
            f"--web.listen-address=127.0.0.1:{port}",
            "--web.enable-remote-write-receiver",
            "--web.enable-lifecycle",
            "--rules.alert.resend-delay=5s",  # an alert from before it has found its Alertmanager would wait a minute
        ]

    return running("prometheus", command)
