"""A real Alertmanager, alone or as a cluster that gossips, that notifies one webhook or nobody."""

import contextlib
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from datetime import timedelta
from pathlib import Path
from typing import Any

import yaml

from testbed.server import Server, free_port, running
from tools.catalog import find


def alertmanager(
    *,
    webhook_url: str | None = None,
    group_wait: timedelta = timedelta(seconds=1),
    port: int | None = None,
    gossip: Sequence[str] = ("--cluster.listen-address=",),
) -> AbstractContextManager[Server]:
    """Run an Alertmanager until the ``with`` block ends.

    Args:
        webhook_url: Gets every notification, resolved ones too; None discards them.
        group_wait: How long it collects a group's first alerts; the next notification of a group waits as long.
        port: Where it listens, instead of at a free one.
        gossip: Flags of its cluster; by default it is alone.

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
            *gossip,
        ]

    return running("alertmanager", command, port=port)


@contextlib.contextmanager
def alertmanager_cluster(
    replicas: int, *, webhook_url: str, group_wait: timedelta = timedelta(seconds=1)
) -> Iterator[list[Server]]:
    """Run replicas that tell each other what they have notified, until the ``with`` block ends.

    Args:
        replicas: How many.
        webhook_url: Gets every notification, from whichever replica is the first to send it.
        group_wait: How long each collects a group's first alerts.
    """
    ports = [free_port() for _ in range(replicas)]
    with contextlib.ExitStack() as opened:
        found = []
        for own in ports:
            gossip = [
                f"--cluster.listen-address=127.0.0.1:{own}",
                *(f"--cluster.peer=127.0.0.1:{other}" for other in ports if other != own),
                "--cluster.peer-timeout=3s",  # a replica waits so long a place before it notifies by itself
                "--cluster.gossip-interval=50ms",
                "--cluster.pushpull-interval=1s",
                "--cluster.settle-timeout=2s",
            ]
            found.append(
                opened.enter_context(alertmanager(webhook_url=webhook_url, group_wait=group_wait, gossip=gossip))
            )
        yield found
