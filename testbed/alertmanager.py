"""A real Alertmanager, alone (no cluster), that notifies one webhook or nobody."""

from contextlib import AbstractContextManager
from datetime import timedelta
from pathlib import Path
from typing import Any

import yaml

from testbed.server import Server, running
from tools.catalog import find


def alertmanager(
    *, webhook_url: str | None = None, group_wait: timedelta = timedelta(seconds=1)
) -> AbstractContextManager[Server]:
    """Run an Alertmanager until the ``with`` block ends.

    Args:
        webhook_url: Gets every notification, resolved ones too; None discards them.
        group_wait: How long it collects a group's first alerts; the next notification of a group waits as long.

    Raises:
        ToolMissingError: If this machine has no Alertmanager yet.
        NotReadyError: If it did not start; carries its log.
    """
    wait = f"{round(group_wait.total_seconds() * 1000)}ms"
    receiver: dict[str, Any] = {"name": "testbed"}
    if webhook_url is not None:
        receiver["webhook_configs"] = [{"url": webhook_url, "send_resolved": True}]
    config = {
        "route": {"receiver": "testbed", "group_by": ["..."], "group_wait": wait, "group_interval": wait},
        "receivers": [receiver],
    }

    def command(port: int, folder: Path) -> list[str | Path]:
        file = folder / "alertmanager.yml"
        file.write_text(yaml.safe_dump(config))
        program = find("alertmanager")
        (folder / "usr").symlink_to(program.parent.parent)  # it reads its templates below the working folder
        return [
            program,
            f"--config.file={file}",
            f"--storage.path={folder / 'data'}",
            f"--web.listen-address=127.0.0.1:{port}",
            "--cluster.listen-address=",  # empty: no gossip, no second port
        ]

    return running("alertmanager", command)
