"""Files that are whole or not there: links, pipes, two writers at once, and disks that are full."""

import os
import resource
import subprocess
import sys
import threading
from contextlib import ExitStack

import pytest

from aiops.adapters.whole_file import require_whole_file, whole_file
from aiops.errors import ConfigError


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_of_two_writers_at_once_the_last_to_finish_wins_whole(tmp_path):
    path = tmp_path / "new" / "f.csv"
    with whole_file(path) as slow:
        slow.write(b"slow" * 9999)
        with whole_file(path) as fast:
            fast.write(b"fast" * 9999)
        assert path.read_bytes() == b"fast" * 9999
    assert path.read_bytes() == b"slow" * 9999
    assert names(path.parent) == ["f.csv"]


def interrupted(path):
    with whole_file(path) as sink:
        sink.write(b"half")
        raise KeyboardInterrupt


def test_a_writer_that_fails_leaves_what_was_there_and_what_others_write(tmp_path):
    path = tmp_path / ("é" * 120 + ".csv")  # with a few letters more, no file could have such a name
    path.write_bytes(b"of yesterday")
    with ExitStack() as other:
        other.enter_context(whole_file(path)).write(b"other")
        with pytest.raises(KeyboardInterrupt):
            interrupted(path)
        assert path.read_bytes() == b"of yesterday"
        assert len(names(tmp_path)) == 2
    assert path.read_bytes() == b"other"
    assert names(tmp_path) == [path.name]


@pytest.mark.parametrize("standing", [None, 0o600, 0o664])
def test_links_are_followed_and_the_mode_is_the_files_own_or_what_any_new_file_has(tmp_path, standing):
    target, link, plain = (tmp_path / name for name in ("target.csv", "link.csv", "plain.csv"))
    plain.touch()
    link.symlink_to("target.csv")
    if standing is not None:
        target.touch()
        target.chmod(standing)
    require_whole_file(link)
    with whole_file(link) as sink:
        sink.write(b"text")
    assert link.is_symlink()
    assert target.read_bytes() == b"text"
    assert target.stat().st_mode & 0o777 == (plain.stat().st_mode & 0o777 if standing is None else standing)


def test_a_pipe_is_written_and_not_replaced(tmp_path):
    pipe, found = tmp_path / "pipe", []
    os.mkfifo(pipe)
    require_whole_file(pipe)  # opens nothing: it would wait for a reader, and be its end
    reader = threading.Thread(target=lambda: found.append(pipe.read_bytes()))
    reader.start()
    with whole_file(pipe) as sink:
        sink.write(b"text" * 99999)
    reader.join(timeout=10)
    assert found == [b"text" * 99999]
    assert pipe.is_fifo()
    assert names(tmp_path) == ["pipe"]


def test_a_pipe_that_nobody_reads_any_more_is_said(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    reader = os.open(tmp_path / "pipe", os.O_RDONLY | os.O_NONBLOCK)
    with ExitStack() as opened:
        sink = opened.enter_context(whole_file(tmp_path / "pipe"))
        os.close(reader)
        with pytest.raises(ConfigError, match=r"cannot write .*pipe: Broken pipe"):
            sink.write(b"text" * 99999)


def test_our_own_stdout_is_appended_to_although_it_is_a_file_by_now(tmp_path):
    log = tmp_path / "log"
    log.write_bytes(b"before\n")
    code = (
        "import sys\nfrom pathlib import Path\nfrom aiops.adapters.whole_file import whole_file\n"
        "with whole_file(Path(sys.argv[1])) as sink: sink.write(b'text\\n')\n"
    )
    with log.open("ab") as out:
        subprocess.run([sys.executable, "-c", code, log], stdout=out, check=True, timeout=60)
    assert log.read_bytes() == b"before\ntext\n"
    assert names(tmp_path) == ["log"]


def write(path):
    with whole_file(path) as sink:
        sink.write(b"text")


@pytest.mark.parametrize("door", [write, require_whole_file])
@pytest.mark.parametrize(
    ("name", "reason"),
    [("file/f.csv", "Not a directory"), ("file/below/f.csv", "Not a directory"), ("folder", "Is a directory"),
     ("loop", "symbolic links")],
)  # fmt: skip
def test_a_place_that_cannot_be_written_is_named_and_nothing_is_left(tmp_path, name, reason, door):
    (tmp_path / "file").write_text("text")
    (tmp_path / "folder").mkdir()
    (tmp_path / "loop").symlink_to("loop")
    before = names(tmp_path)
    with pytest.raises(ConfigError, match=rf"cannot write .*{name}: .*{reason}"):
        door(tmp_path / name)
    assert names(tmp_path) == before


@pytest.mark.parametrize("size", [100, 100_000], ids=["at the end", "midway"])
def test_a_full_disk_is_said_of_the_file_and_leaves_what_was_there(tmp_path, size):
    path = tmp_path / "f.csv"
    path.write_bytes(b"of yesterday")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (64, hard))  # bytes a file may have: a full disk to the one who writes
    try:
        with pytest.raises(ConfigError, match=r"cannot write .*f\.csv: File too large"), whole_file(path) as sink:
            sink.write(b"t" * size)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert path.read_bytes() == b"of yesterday"
    assert names(tmp_path) == ["f.csv"]
