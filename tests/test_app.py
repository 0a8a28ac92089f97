"""The program in a browser's place: what the server refuses, and what the program asks of others."""

from __future__ import annotations

import http.server
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, cast

import httpx
import pytest

import app
from rag.errors import SettingsError
from rag.guard import USER
from tests.conftest import BERNSTEIN
from tests.pages import CLOSED_WITHIN, Desk, Said, ScriptedAssistant, ScriptedReply, answered, free_port
from tests.test_cli import Server

if TYPE_CHECKING:
    from rag.assistant import Assistant

# Gradio, in this very process, leaves event loops open and counts its events with options that pandas 3 calls
# deprecated; as an error either would stop the page.
pytestmark = [
    pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]

ROOT = Path(app.__file__).parent


def test_a_foreign_host_name_is_refused(scripted: Desk) -> None:
    assert httpx.get(scripted.url, headers={"Host": "evil.example"}).status_code == 400


def test_a_cross_site_upload_is_refused(scripted: Desk) -> None:
    evil = {"Origin": "http://evil.example"}
    answer = httpx.post(f"{scripted.url}gradio_api/upload", headers=evil, files={"files": b"x"})
    assert answer.status_code == 403


def test_our_own_page_may_post(scripted: Desk) -> None:
    origin = {"Origin": scripted.url.rstrip("/")}
    answer = httpx.post(f"{scripted.url}gradio_api/upload", headers=origin, files={"files": b"x"})
    assert answer.status_code == 200


def test_an_upload_over_a_megabyte_is_refused(scripted: Desk) -> None:
    answer = httpx.post(f"{scripted.url}gradio_api/upload", files={"files": b"x" * 3_000_000})
    assert answer.status_code == 413


@pytest.mark.parametrize(
    "path",
    [
        "gradio_api/file=/etc/hostname",
        "gradio_api/file=app.py",
        "gradio_api/file=%2e%2e/%2e%2e/etc/hostname",
        "gradio_api/file=http://127.0.0.1:1/x",
        "gradio_api/proxy=http://127.0.0.1:1/x",
        "static/../../etc/passwd",
        "gradio_api/runs",
        "monitoring",
    ],
)
def test_files_proxies_run_history_and_monitoring_are_closed(scripted: Desk, path: str) -> None:
    assert 400 <= httpx.get(scripted.url + path).status_code < 500


def test_every_answer_carries_the_policy(scripted: Desk) -> None:
    for answer in (httpx.get(scripted.url), httpx.get(f"{scripted.url}nowhere")):
        assert "connect-src 'self'" in answer.headers["content-security-policy"]


def test_of_many_calls_at_once_some_wait_and_the_others_are_refused() -> None:
    done = threading.Event()
    assistant = ScriptedAssistant({"held": lambda: ScriptedReply(answered(), [Said("x")], pause=60, closed=done)})
    with app.listening(cast("Assistant", assistant), port=free_port()) as url, httpx.Client() as client:

        def call(_: int) -> int:
            return client.post(f"{url}gradio_api/call/ask", json={"data": ["held", [], "", ""]}).status_code

        with ThreadPoolExecutor(40) as pool:
            began = time.monotonic()
            found = list(pool.map(call, range(40)))
        took = time.monotonic() - began
        done.set()
    assert set(found) == {200, 503}
    assert found.count(200) <= 17
    assert len(assistant.asked) <= 1
    assert took < CLOSED_WITHIN


def test_only_ask_is_in_the_api(scripted: Desk) -> None:
    named = httpx.get(f"{scripted.url}gradio_api/info").json()["named_endpoints"]
    assert list(named) == ["/ask"]


def test_nothing_listens_beyond_loopback_whatever_gradio_was_told(scripted: Desk) -> None:
    addresses = {row[4][0] for row in socket.getaddrinfo(socket.gethostname(), None, socket.AF_INET)}
    for address in addresses - {"127.0.0.1", "127.0.1.1"}:
        with socket.socket() as probe:
            probe.settimeout(1)
            assert probe.connect_ex((str(address), scripted.port)) != 0


def test_a_taken_port_is_told_with_a_remedy(scripted: Desk) -> None:
    with (
        pytest.raises(SettingsError, match=str(scripted.port)) as told,
        app.listening(cast("Assistant", ScriptedAssistant()), port=scripted.port),
    ):
        pass
    assert "--port" in told.value.remedy


def test_an_open_address_needs_a_password() -> None:
    with (
        pytest.raises(SettingsError) as told,
        app.listening(cast("Assistant", ScriptedAssistant()), host="0.0.0.0"),
    ):
        pass
    assert "RAG_PASSWORD" in told.value.remedy


def test_main_is_rag_serve(capsys: pytest.CaptureFixture[str]) -> None:
    assert app.main(["--host", "0.0.0.0"]) == 2
    assert "RAG_PASSWORD" in capsys.readouterr().err


def test_with_a_password_the_page_asks_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAG_PASSWORD", "correct horse")
    with app.listening(cast("Assistant", ScriptedAssistant()), host="0.0.0.0", port=free_port()) as url:
        assert httpx.get(f"{url}config").status_code == 401
        right = {"username": USER, "password": "correct horse"}
        assert httpx.post(f"{url}login", data=right).status_code == 200
        assert httpx.post(f"{url}login", data={**right, "password": "x"}).status_code == 400


# What the program asks of others

WATCH = """
import os, sys

def watch(event, arguments):
    if event in ("socket.connect", "socket.sendto"):
        where = arguments[1][0] if isinstance(arguments[1], tuple) else ""
    elif event in ("socket.getaddrinfo", "socket.gethostbyname"):
        where = arguments[0] or ""
    else:
        return
    where = where.decode() if isinstance(where, bytes) else where
    if where not in ("", "localhost", "::1", "0.0.0.0") and not where.startswith("127."):
        with open(os.environ["WATCHED"], "a") as log:
            log.write(f"{event} {where}\\n")

sys.addaudithook(watch)
open(os.environ["WATCHED"], "a").write("watching\\n")
"""


@dataclass(frozen=True)
class Run:
    """One life of ``python app.py``: from an empty index to Ctrl-C in the middle of a question."""

    url: str
    answer: str
    code: int
    out: str
    err: str
    watched: list[str]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    here = tmp_path_factory.mktemp("run")
    (here / "corpus").mkdir()
    (here / "corpus" / "b.eml").write_text(BERNSTEIN)
    (here / "sitecustomize.py").write_text(WATCH)
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("RAG_", "HF_"))}
    environment |= {"PYTHONPATH": str(here), "WATCHED": str(here / "watched"), "XDG_DATA_HOME": str(here)}
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Server) as model:
        threading.Thread(target=model.serve_forever, daemon=True).start()
        command = [sys.executable, "app.py", "--port", str(free_port()), "--corpus", str(here / "corpus")]
        command += ["--index", str(here / "index"), "--model", f"http://127.0.0.1:{model.server_port}"]
        with subprocess.Popen(
            command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        ) as process:
            deadline = threading.Timer(90, process.kill)
            deadline.start()
            assert process.stdout is not None
            url = process.stdout.readline().strip()
            answer = asked_over_http(url, "what does Bernstein say about the $5M?")
            process.send_signal(signal.SIGINT)
            out, err = process.communicate()
            deadline.cancel()
        model.shutdown()
    watched = (here / "watched").read_text().splitlines()
    return Run(url, answer, process.returncode, out, err, watched)


def asked_over_http(url: str, question: str) -> str:
    call = httpx.post(f"{url}gradio_api/call/ask", json={"data": [question, [], "", ""]}).json()
    return httpx.get(f"{url}gradio_api/call/ask/{call['event_id']}", timeout=60).text


def test_the_program_indexes_and_answers(run: Run) -> None:
    assert "Building the index" in run.err
    assert "Bernstein calls the $5M claim wrong [1]." in run.answer


def test_the_program_prints_its_address_and_ends_cleanly_on_ctrl_c(run: Run) -> None:
    assert run.url.startswith("http://127.0.0.1:")
    assert (run.code, run.out) == (0, "")
    assert "Traceback" not in run.err


def test_the_program_asks_nothing_of_any_other_host(run: Run) -> None:
    assert set(run.watched) == {"watching"}
