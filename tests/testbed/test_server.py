"""What every server that the testbed starts can rely on, tried on small real programs."""

import shutil
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import httpx
import pytest

from testbed.server import NotReadyError, free_port, running

ANSWERS = """
    import http.server, signal, sys

    {before}

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200 if self.path == "/-/ready" else 404)
            self.end_headers()

    print("listening", flush=True)
    http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
"""


def python(code, **parts):
    script = textwrap.dedent(code).format(**parts)
    return lambda port, folder: [sys.executable, "-c", script, str(port)]


def test_a_server_is_ready_inside_the_block_and_gone_after_it():
    with running("answers", python(ANSWERS, before="")) as server:
        assert httpx.get(f"{server.url}/-/ready").status_code == 200
        assert "listening" in server.log_tail()
        assert server.is_running()
    assert not server.is_running()
    assert not server.folder.exists()
    with pytest.raises(httpx.ConnectError):
        httpx.get(server.url)


def test_a_server_is_stopped_when_the_block_fails():
    with pytest.raises(ZeroDivisionError), running("answers", python(ANSWERS, before="")) as server:
        raise ZeroDivisionError
    assert server.process.returncode == -signal.SIGTERM
    assert not server.folder.exists()


def test_a_server_that_ignores_the_request_to_stop_is_killed():
    deaf = "signal.signal(signal.SIGTERM, signal.SIG_IGN)"
    with running("deaf", python(ANSWERS, before=deaf)) as server:
        started = time.monotonic()
    assert server.process.returncode == -signal.SIGKILL
    assert 2.0 <= time.monotonic() - started < 4.0


def test_a_server_that_ends_early_is_reported_with_its_log():
    with (
        pytest.raises(NotReadyError, match=r"(?s)broken ended with code 3 before it was ready.*no such option"),
        running("broken", python("import sys; print('no such option'); sys.exit(3)")),
    ):
        pytest.fail("must not be entered")


def test_a_server_that_never_answers_is_reported_and_stopped(tmp_path):
    pid = tmp_path / "pid"
    silent = "import os, pathlib, time; pathlib.Path({pid!r}).write_text(str(os.getpid())); time.sleep(60)"
    with (
        pytest.raises(NotReadyError, match=r"silent was not ready after 2 s"),
        running("silent", python(silent, pid=str(pid)), ready_within_seconds=2),
    ):
        pytest.fail("must not be entered")
    assert not Path(f"/proc/{pid.read_text()}").exists()


def test_a_port_that_was_taken_meanwhile_is_replaced():
    taken = iter([True, False])
    occupied = "sys.exit('listen tcp: bind: address already in use')"

    def command(port, folder):
        return python(ANSWERS, before=occupied if next(taken) else "")(port, folder)

    with running("second", command) as server:
        assert httpx.get(f"{server.url}/-/ready").status_code == 200


def test_free_ports_can_be_bound():
    assert 1024 <= free_port() <= 65535


def test_a_server_does_not_outlive_a_parent_that_was_killed(tmp_path):
    """SIGKILL leaves no time to clean up; the kernel ends the server then."""
    parent = textwrap.dedent("""
        import pathlib, sys, time
        from testbed.server import running
        script = sys.argv[1]
        with running("orphan", lambda port, folder: [sys.executable, "-c", script, str(port)]) as server:
            print(server.process.pid, server.folder, flush=True)
            time.sleep(60)
    """)
    script = textwrap.dedent(ANSWERS).format(before="")
    with subprocess.Popen([sys.executable, "-c", parent, script], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        pid, folder = process.stdout.readline().split(maxsplit=1)
        process.kill()
    deadline = time.monotonic() + 5
    while Path(f"/proc/{pid}").exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not Path(f"/proc/{pid}").exists()
    shutil.rmtree(folder.strip())
