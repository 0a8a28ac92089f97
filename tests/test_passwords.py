"""Who gets in: the file of passwords, the login, and the same page behind a proxy."""

from __future__ import annotations

import asyncio
import http.server
import ssl
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import httpx
import pytest
import trustme

import app
from rag import Assistant, Settings
from rag.errors import SettingsError
from rag.guard import Root
from rag.passwords import WAIT, Address, Passwords
from tests.conftest import put_mail
from tests.fakes import ScriptedModel, WordEmbedder
from tests.pages import free_port, put

if TYPE_CHECKING:
    from playwright.sync_api import Browser

pytestmark = [
    pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]

QUESTION = "what did Bernstein say about the $5M?"
RIGHT = {"username": "ann", "password": "correct: horse "}


def written(folder: Path, text: str, mode: int = 0o600) -> str:
    file = folder / "users"
    file.write_text(text, encoding="utf-8")
    file.chmod(mode)
    return str(file)


@pytest.fixture(scope="module")
def users(tmp_path_factory: pytest.TempPathFactory) -> str:
    return written(tmp_path_factory.mktemp("auth"), "# The desk\n\nann:correct: horse \nbob:ü\n")


@pytest.fixture(scope="module")
def assistant(swept: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Assistant]:
    here = tmp_path_factory.mktemp("desk")
    settings = Settings.load(folder=here, corpus=put_mail(here / "corpus"), index=here / "index")
    model = ScriptedModel("Bernstein calls the $5M claim wrong [1].")
    with Assistant.open(settings, embedder=WordEmbedder(), model=model, own=True) as opened:
        opened.sync()
        yield opened


@pytest.fixture(scope="module")
def guarded(assistant: Assistant, users: str) -> Iterator[str]:
    with app.listening(assistant, Address.load(port=free_port(), auth=users)) as url:
        yield url


def allowed(passwords: Passwords | None, user: str, password: str) -> bool:
    assert passwords is not None
    return asyncio.run(passwords.allow(user, password))


# The file


def test_users_of_the_file_get_in_and_nobody_else(users: str) -> None:
    passwords = Passwords.load(Path(users))
    assert allowed(passwords, "ann", "correct: horse ")
    assert allowed(passwords, "bob", "ü")
    for user, password in (("ann", "correct: horse"), ("ann", ""), ("bob", "correct: horse "), ("eve", ""), ("", "")):
        assert not allowed(passwords, user, password)


def test_the_password_of_the_environment_is_that_of_rag(users: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert Passwords.load(None) is None
    monkeypatch.setenv("RAG_PASSWORD", "stapler")
    assert allowed(Passwords.load(None), "rag", "stapler")
    assert allowed(Passwords.load(Path(users)), "rag", "stapler")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("ann\n", "Line 1"),
        ("# x\nann:\n", "Line 2"),
        (":x\n", "Line 1"),
        ("ann:x\nann:y\n", "again"),
        ("", "names nobody"),
        ("# ann:x\n", "names nobody"),
    ],
)
def test_a_line_that_lets_nobody_in_is_told(tmp_path: Path, text: str, told: str) -> None:
    with pytest.raises(SettingsError, match=told) as error:
        Passwords.load(Path(written(tmp_path, text)))
    assert error.value.remedy


def test_no_password_is_told_with_the_line_it_stands_in(tmp_path: Path) -> None:
    with pytest.raises(SettingsError) as error:
        Passwords.load(Path(written(tmp_path, "ann correct-horse\n")))
    assert "horse" not in f"{error.value} {error.value.remedy}"


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o602])
def test_a_file_that_others_can_read_is_refused_with_the_remedy(tmp_path: Path, mode: int) -> None:
    with pytest.raises(SettingsError) as error:
        Passwords.load(Path(written(tmp_path, "ann:x\n", mode)))
    assert "chmod 600" in error.value.remedy


def test_a_file_that_is_not_there_or_no_text_is_told(tmp_path: Path) -> None:
    (tmp_path / "binary").write_bytes(b"\xff\xfe\xff")
    (tmp_path / "binary").chmod(0o600)
    for name in ("absent", "binary"):
        with pytest.raises(SettingsError, match=name):
            Passwords.load(tmp_path / name)


def test_wrong_passwords_take_time_however_many_come_at_once_and_others_do_not_wait(users: str) -> None:
    passwords = Passwords.load(Path(users))
    assert passwords is not None

    async def guess() -> tuple[float, float]:
        began = time.monotonic()
        guesses = [asyncio.create_task(passwords.allow("ann", f"guess {n}")) for n in range(4)]
        await asyncio.sleep(0)
        assert await passwords.allow("bob", "ü")
        other = time.monotonic() - began
        await asyncio.gather(*guesses)
        return other, time.monotonic() - began

    other, all_four = asyncio.run(guess())
    assert other < WAIT < 4 * WAIT <= all_four


@pytest.mark.parametrize("name", ["ann", "nobody"])
def test_a_name_waits_for_itself_alone_whether_anybody_has_it_or_not(users: str, name: str) -> None:
    passwords = Passwords.load(Path(users))
    assert passwords is not None

    async def guesses() -> list[str]:
        ended: list[str] = []

        async def guess(tried: str) -> None:
            await passwords.allow(tried, "wrong")
            ended.append(tried)

        await asyncio.gather(*map(guess, [*map(str, range(1000)), "bob", name, name]))
        return ended

    ended = asyncio.run(guesses())
    assert ended[-1] == name  # the second of two guesses; the first of them waited for none of a thousand others
    assert ended.index(name) == len(ended) - 2


def test_no_name_that_was_tried_is_kept(users: str) -> None:
    passwords = Passwords.load(Path(users))
    assert passwords is not None
    allowed(passwords, "nobody", "wrong")
    assert len(passwords._lines) == 0


# The address


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "localhost", "::1", "[::1]"])
def test_this_machine_needs_no_password(host: str) -> None:
    address = Address.load(host)
    assert (address.passwords, address.audience) == (None, "")


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "[::]", "", "192.0.2.1", "desk.example", "localhost.example"])
def test_other_machines_need_one(host: str, users: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAG_PASSWORD", "")
    with pytest.raises(SettingsError) as told:
        Address.load(host)
    assert "RAG_PASSWORD" in told.value.remedy
    assert Address.load(host, auth=users).passwords is not None


def test_who_can_read_is_said_with_the_address(users: str) -> None:
    assert "0.0.0.0:7860 and knows a password" in Address.load("0.0.0.0", auth=users).audience
    proxied = Address.load(root_path="https://desk.example/rag").audience
    assert "reach https://desk.example/rag can" in proxied


@pytest.mark.parametrize(
    ("text", "root"),
    [
        ("", Root()),
        ("/rag", Root("", "/rag")),
        ("/rag/", Root("", "/rag")),
        ("https://Desk.example/rag", Root("https://desk.example", "/rag")),
        ("http://127.0.0.1:8080", Root("http://127.0.0.1:8080", "")),
    ],
)
def test_a_root_path_is_a_path_or_a_whole_url(text: str, root: Root) -> None:
    assert Root.parse(text) == root


@pytest.mark.parametrize("text", ["rag", "ftp://x/rag", "https://a:b@x/", "/rag?x", "//x", "https://", "/a\n", "/<b>"])
def test_what_is_no_root_path_is_refused_with_a_remedy(text: str) -> None:
    with pytest.raises(SettingsError) as told:
        Root.parse(text)
    assert "/rag" in told.value.remedy


@pytest.mark.parametrize(
    "wrong", [["--auth", "absent"], ["--root-path", "rag"], ["--host", "0.0.0.0"]], ids=lambda one: one[0]
)
def test_the_command_refuses_before_it_opens_anything(wrong: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert app.main([*wrong, "--corpus", "absent"]) == 2
    assert "absent/" not in capsys.readouterr().err


# The login

OPEN = {
    "/",
    "/favicon.ico",
    "/login",
    "/logout",
    "/manifest.json",
    "/robots.txt",
    "/theme.css",
    "/gradio_api/app_id",
    "/gradio_api/heartbeat/{session_hash}",
    "/gradio_api/startup-events",
    "/gradio_api/theme.css",
    "/gradio_api/token",
    "/gradio_api/user",
}


def test_without_a_login_no_route_shows_more_than_an_empty_page(guarded: str) -> None:
    routes = httpx.get(f"{guarded}openapi.json").json()["paths"]
    assert "/gradio_api/call/{api_name}" in routes
    answered = set()
    for path in [path for path, methods in routes.items() if "get" in methods]:
        with httpx.stream("GET", guarded.rstrip("/") + path.replace("{", "").replace("}", "")) as answer:
            if answer.status_code < 400:
                answered.add(path.rstrip("/") or "/")
    assert answered <= OPEN
    assert "scripted" not in httpx.get(guarded).text


# They end what is named by an id that was drawn at random for one visitor; made up, it names nothing.
ENDING = {"/gradio_api/cancel", "/gradio_api/reset"}
BODY = dict.fromkeys(("code", "event_id", "hash", "prompt", "session_hash"), "x") | {"data": [], "fn_index": 0}


def test_without_a_login_no_route_takes_anything(guarded: str) -> None:
    routes = httpx.get(f"{guarded}openapi.json").json()["paths"]
    taken = set()
    for path in [path for path, methods in routes.items() if set(methods) - {"get", "head"}]:
        answer = httpx.post(guarded.rstrip("/") + path.replace("{", "").replace("}", ""), json=BODY)
        if answer.status_code < 400:
            taken.add(path.rstrip("/"))
        elif "/login" not in path:
            assert answer.status_code in (401, 403, 404), path  # and not 422: the body was not what kept it out
    assert "/gradio_api/upload" in routes
    assert taken <= ENDING


@pytest.mark.parametrize(
    "path", ["gradio_api/call/ask", "gradio_api/queue/join", "gradio_api/upload", "gradio_api/mcp/"]
)
def test_without_a_login_nothing_can_be_called(guarded: str, path: str) -> None:
    assert httpx.post(guarded + path, json={"data": []}).status_code == 401


@pytest.mark.parametrize("path", ["", "http", "sse", "schema", "messages/"])
def test_mcp_takes_the_same_names_and_passwords(guarded: str, path: str) -> None:
    url = f"{guarded}gradio_api/mcp/{path}"
    for auth in (None, ("ann", "wrong")):
        answer = httpx.get(url, auth=auth)
        assert (answer.status_code, answer.headers["www-authenticate"]) == (401, 'Basic realm="rag"')
    if path != "sse":  # which never ends
        assert httpx.get(url, auth=("ann", RIGHT["password"])).status_code != 401


@pytest.mark.parametrize(
    "header", ["", "Basic", "Basic !", "Basic YW5u", "Bearer eDp4", "Basic /w==", "Basic " + "a" * 60_000]
)
def test_a_malformed_authorization_is_refused(guarded: str, header: str) -> None:
    assert httpx.get(f"{guarded}gradio_api/mcp/", headers={"Authorization": header}).status_code == 401


def test_the_right_password_opens_the_page_and_a_wrong_one_does_not(guarded: str) -> None:
    with httpx.Client() as client:
        assert client.post(f"{guarded}login", data={**RIGHT, "password": "x"}).status_code == 400
        assert client.get(f"{guarded}config").status_code == 401
        assert client.post(f"{guarded}login", data=RIGHT).status_code == 200
        assert client.get(f"{guarded}config").status_code == 200


def test_the_cookies_of_a_login_are_closed_to_scripts_and_to_other_sites(guarded: str) -> None:
    cookies = httpx.post(f"{guarded}login", data=RIGHT).headers.get_list("set-cookie")
    assert cookies
    assert all("httponly" in one.lower() and "samesite=lax" in one.lower() for one in cookies)


def test_a_login_that_is_slow_keeps_nobody_else_waiting(guarded: str) -> None:
    tries = 6
    with ThreadPoolExecutor(tries) as pool:
        wrong = [pool.submit(httpx.post, f"{guarded}login", data={**RIGHT, "password": str(n)}) for n in range(tries)]
        while not any(one.done() for one in wrong):  # from here on the others wait in line: five times WAIT
            time.sleep(0.01)
        assert httpx.get(f"{guarded}theme.css").status_code == 200
        assert not all(one.done() for one in wrong)
        assert {one.result().status_code for one in wrong} == {400}


def test_a_gradio_client_signs_in(guarded: str) -> None:
    from gradio_client import Client

    client = Client(guarded, auth=("ann", RIGHT["password"]), verbose=False, analytics_enabled=False)
    assert client.predict(QUESTION, api_name="/ask")["model"] == "scripted"


# Behind a proxy


class Proxy(http.server.BaseHTTPRequestHandler):
    """Shows one server below ``/rag``, as nginx would: with the Host that was asked, or with forwarded headers."""

    to: ClassVar[str]
    keeps_host: ClassVar[bool]

    def do_GET(self) -> None:
        assert self.path.startswith("/rag")
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        headers = {
            name: value for name, value in self.headers.items() if name.lower() not in ("connection", "accept-encoding")
        }
        headers["Accept-Encoding"] = "identity"
        headers["X-Forwarded-Proto"] = "https" if isinstance(self.connection, ssl.SSLSocket) else "http"
        if not self.keeps_host:
            headers["X-Forwarded-Host"] = headers.pop("Host")
        url = self.to + (self.path.removeprefix("/rag").lstrip("/"))
        with httpx.stream(self.command, url, content=body, headers=headers, timeout=30) as answer:
            self.send_response_only(answer.status_code)
            for name, value in answer.headers.multi_items():
                if name.lower() not in ("transfer-encoding", "connection"):
                    self.send_header(name, value)
            self.end_headers()
            for piece in answer.iter_raw():
                self.wfile.write(piece)

    do_POST = do_GET

    def log_message(self, *_: object) -> None:
        """Keep stderr clean."""


class Front(http.server.ThreadingHTTPServer):
    def handle_error(self, *_: object) -> None:
        """A browser that has gone is no error."""


@contextmanager
def proxied(assistant: Assistant, *, keeps_host: bool, tls: bool, root: str, users: str | None = None) -> Iterator[str]:
    """The URL at which a proxy shows a scripted desk; ``root`` may name the proxy's ``{origin}``."""
    with Front(("127.0.0.1", 0), Proxy) as proxy:
        if tls:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            trustme.CA().issue_cert("localhost").configure_cert(context)
            proxy.socket = context.wrap_socket(proxy.socket, server_side=True)
        origin = f"{'https' if tls else 'http'}://localhost:{proxy.server_port}"
        address = Address.load(port=free_port(), auth=users, root_path=root.format(origin=origin))
        with app.listening(assistant, address) as url:
            Proxy.to, Proxy.keeps_host = url, keeps_host
            threading.Thread(target=proxy.serve_forever, daemon=True).start()
            yield f"{origin}/rag/"
            proxy.shutdown()


@pytest.mark.parametrize(
    ("keeps_host", "tls", "root"),
    [(False, True, "{origin}/rag"), (True, False, "/rag")],
)
def test_behind_a_proxy_the_page_opens_and_answers(
    browser: Browser, assistant: Assistant, keeps_host: bool, tls: bool, root: str
) -> None:
    with proxied(assistant, keeps_host=keeps_host, tls=tls, root=root) as url:
        page = browser.new_page(ignore_https_errors=True)
        asked = set[str]()
        page.on("request", lambda request: asked.add(request.url))
        page.goto(url)
        put(page, QUESTION)
        page.locator("#rag-talk .rag-prose").wait_for()
        page.close()
    assert all(one.startswith((url.rstrip("/"), "blob:", "data:")) for one in asked)


def test_behind_tls_the_cookies_of_a_login_are_for_tls_alone(assistant: Assistant, users: str) -> None:
    with proxied(assistant, keeps_host=True, tls=True, root="{origin}/rag", users=users) as url:
        answer = httpx.post(f"{url}login", data=RIGHT, verify=False)
    cookies = answer.headers.get_list("set-cookie")
    assert len(cookies) == 2
    assert all(one.lower().count("secure") >= 1 and "; secure" in one.lower() for one in cookies)


def test_a_visitor_signs_in_and_asks(browser: Browser, guarded: str) -> None:
    page = browser.new_page()
    page.goto(guarded)
    page.get_by_label("username").fill("ann")
    page.get_by_label("password").fill(RIGHT["password"])
    page.get_by_role("button", name="Login").click()
    page.get_by_label("Question", exact=True).wait_for()
    put(page, QUESTION)
    said = page.locator("#rag-talk .rag-prose").inner_text()
    page.close()
    assert said
