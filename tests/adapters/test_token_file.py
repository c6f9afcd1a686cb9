"""Tokens in a file that is replaced while it is used."""

import os

import pytest
from structlog.testing import capture_logs

from aiops.adapters import token_file
from aiops.adapters.token_file import TokenFile
from aiops.errors import ConfigError

OLD, NEW = "old-token-0123456789", "new-token-0123456789"


@pytest.fixture
def path(tmp_path, monkeypatch):
    monkeypatch.setattr(token_file, "_LOOK_SECONDS", 0.0)
    path = tmp_path / "token"
    path.touch(mode=0o600)
    path.write_text(f"{OLD}\n")
    return path


def test_every_line_is_accepted_and_the_first_is_sent(path):
    path.write_text(f"{NEW}\n{OLD}\n")
    tokens = TokenFile(path)
    assert tokens.first() == NEW
    assert [tokens.accepts(each) for each in (NEW, OLD, "", "stranger", f"{NEW}x", "ärger")] == [True] * 2 + [False] * 4


def test_a_replaced_file_is_read_again(path):
    tokens = TokenFile(path)
    path.write_text(f"{NEW}\n")
    assert tokens.accepts(NEW)
    assert not tokens.accepts(OLD)


def test_a_secret_that_kubernetes_swaps_by_a_link_is_read_again(path, tmp_path):
    for name, token in (("..1", OLD), ("..2", NEW)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "token").write_text(token)
    data, mounted = tmp_path / "..data", tmp_path / "mounted"
    data.symlink_to("..1")
    mounted.symlink_to("..data/token")
    with capture_logs() as logs:
        tokens = TokenFile(mounted)
    assert logs == []  # as Kubernetes mounts it: everybody in the container may read it
    swap = tmp_path / "swap"
    swap.symlink_to("..2")
    os.replace(swap, data)
    assert tokens.first() == NEW


@pytest.mark.parametrize("spoil", [lambda path: path.unlink(), lambda path: path.write_text("short")])
def test_a_file_that_went_wrong_leaves_the_tokens_and_says_so(path, spoil):
    tokens = TokenFile(path)
    spoil(path)
    with capture_logs() as logs:
        assert tokens.accepts(OLD)
    assert [each["event"] for each in logs] == ["tokens kept as they were"]
    assert OLD not in str(logs)


def test_a_file_whose_mode_is_put_right_is_read(path):
    tokens = TokenFile(path)
    path.write_text(f"{NEW}\n")
    path.chmod(0o602)
    assert not tokens.accepts(NEW)
    path.chmod(0o600)
    assert tokens.accepts(NEW)


@pytest.mark.parametrize(
    ("content", "said"),
    [(b"", "16 characters"), (b"short\n", "16 characters"), (f"{OLD}\nshort".encode(), "16"), (b"\xff" * 20, "ASCII")],
)
def test_a_file_without_good_tokens_is_refused(path, content, said):
    path.write_bytes(content)
    with pytest.raises(ConfigError, match=said):
        TokenFile(path)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(ConfigError, match="nowhere: No such file"):
        TokenFile(tmp_path / "nowhere")


def test_a_file_that_everybody_may_write_is_refused_and_one_that_everybody_may_read_is_told_of(path):
    path.chmod(0o604)
    with capture_logs() as logs:
        TokenFile(path)
    assert [each["event"] for each in logs] == ["token file readable by everybody"]
    path.chmod(0o602)
    with pytest.raises(ConfigError, match="everybody may write it"):
        TokenFile(path)
