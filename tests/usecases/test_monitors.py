"""A file of monitors that goes away and comes back; what it says is tested in ``tests/alerting/test_monitor.py``."""

import asyncio
from typing import Any, cast

from structlog.testing import capture_logs

from aiops.adapters.clock import SystemClock
from aiops.adapters.monitor_file import MonitorFile
from aiops.usecases.monitors import Monitors

TEXT = """\
apiVersion: aiops.dev/v1alpha1
kind: AnomalyMonitor
metadata: {name: traffic}
spec: {query: up}
"""


class Still:
    """Watches and never has anything to say."""

    def __init__(self, monitor):
        self.monitor = monitor

    async def run(self):
        await asyncio.Event().wait()


def test_a_file_that_is_missing_for_a_while_is_said_once_and_forgotten_when_it_is_back(tmp_path):
    path = tmp_path / "monitors.yaml"
    path.write_text(TEXT)

    async def run():
        monitors = Monitors(MonitorFile(path), cast(Any, Still), SystemClock())
        monitors.look()
        before = monitors.running["traffic"]
        path.unlink()
        with capture_logs() as logs:
            monitors.look()
            monitors.look()
        assert [each["event"] for each in logs] == ["monitors not reloaded"]
        assert "No such file" in monitors.trouble
        path.write_text(TEXT)
        monitors.look()
        assert monitors.trouble == ""
        assert monitors.running["traffic"] is before
        monitors.end()

    asyncio.run(run())
