from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from urllib.parse import quote

import pytest

from rag import Assistant, Settings
from rag.errors import SettingsError
from rag.inbox import index
from tests.fakes import WordEmbedder
from tests.imap_server import PASSWORD, USER, Server, message, pymap_server


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with pymap_server(tmp_path_factory.mktemp("pymap")) as running:
        yield running


@pytest.fixture
def desk(settings: Settings) -> Iterator[Assistant]:
    with Assistant.open(settings, embedder=WordEmbedder(), own=True) as assistant:
        yield assistant


def address(server: Server, name: str) -> str:
    return f"imaps://{quote(USER, safe='')}@localhost:{server.port}/{name}"


@pytest.fixture
def trusted(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(server.trust))
    monkeypatch.setenv("RAG_IMAP_PASSWORD", PASSWORD)


@pytest.mark.usefixtures("trusted")
def test_a_mailbox_is_mirrored_into_the_corpus_and_indexed(
    desk: Assistant, server: Server, capsys: pytest.CaptureFixture[str]
) -> None:
    server.create("Research")
    server.deliver("Research", *(message(number) for number in range(3)))
    index(desk, imap=address(server, "Research"), watch=False, as_json=True)
    shown = capsys.readouterr()
    report = json.loads(shown.out)
    assert len([path for path in report["added"] if path.startswith("imap/") and "/cur/" in path]) == 3
    assert f"{USER}@localhost: 3 new, 0 gone, 3 in all." in shown.err
    assert PASSWORD not in shown.out + shown.err


@pytest.mark.usefixtures("trusted")
def test_what_was_mirrored_is_not_fetched_or_indexed_again(
    desk: Assistant, server: Server, capsys: pytest.CaptureFixture[str]
) -> None:
    server.create("Again")
    server.deliver("Again", message(1))
    for _ in range(2):
        capsys.readouterr()
        index(desk, imap=address(server, "Again"), watch=False, as_json=True)
    shown = capsys.readouterr()
    assert (json.loads(shown.out)["added"], ": 0 new, 0 gone, 1 in all." in shown.err) == ([], True)


def test_a_mailbox_without_a_password_is_an_error_that_says_where_it_belongs(desk: Assistant) -> None:
    with pytest.raises(SettingsError) as caught:
        index(desk, imap="imaps://a@localhost/INBOX", watch=False, as_json=False)
    assert "RAG_IMAP_PASSWORD" in caught.value.remedy


@pytest.mark.skipif(sys.platform == "win32", reason="no SIGINT to another process there")
def test_watching_prints_a_digest_of_what_lands_until_ctrl_c(corpus: Path, server: Server) -> None:
    server.create("Live")
    environment = {**os.environ, "SSL_CERT_FILE": str(server.trust), "RAG_IMAP_PASSWORD": PASSWORD}
    command = [sys.executable, "-m", "rag", "index", "--watch", "--imap", address(server, "Live")]
    running = subprocess.Popen(
        command, cwd=corpus.parent, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    try:
        assert running.stdout
        until(running.stdout, "The index holds 3 documents")
        server.deliver("Live", message(7))
        until(running.stdout, "Ann Example")
        running.send_signal(signal.SIGINT)
        assert running.wait(timeout=20) == 130
    finally:
        running.kill()
        running.communicate()


def until(lines: Iterable[str], wanted: str) -> None:
    """Read on to the line that holds ``wanted``."""
    for line in lines:
        if wanted in line:
            return
    raise AssertionError(f"no line holds {wanted!r}")
