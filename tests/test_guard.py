"""The guard as an ASGI application sees it, without a server."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import pytest

from rag.guard import CSP, NO_PROXY, Guard, Root

Headers = Mapping[str, str]
App = Callable[[Any, Any, Any], Awaitable[None]]


async def served(scope: Any, receive: Any, send: Any) -> None:  # noqa: ANN401 - ASGI
    await send({"type": "http.response.start", "status": 200, "headers": [(b"x-own", b"1")]})
    await send({"type": "http.response.body", "body": b"inbox"})


def asked(
    headers: Headers, method: str = "GET", *, bound: str = "127.0.0.1", root: str = "", inner: App = served
) -> tuple[int, dict[bytes, bytes], bytes]:
    """Status, headers and body of one request through the guard."""
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b""}

    async def send(message: Any) -> None:  # noqa: ANN401 - ASGI
        sent.append(message)

    raw = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]
    scope = {"type": "http", "method": method, "path": "/", "headers": raw}
    asyncio.run(Guard(inner, bound, Root.parse(root))(scope, receive, send))
    return sent[0]["status"], dict(sent[0]["headers"]), sent[1]["body"]


@pytest.mark.parametrize(
    "host",
    ["evil.example", "127.0.0.1.evil.example", "127.0.0.1@evil.example", "192.0.2.1", "[", "", "localhost.evil"],
)
def test_a_foreign_host_is_refused_and_sees_nothing(host: str) -> None:
    status, _, body = asked({"Host": host})
    assert (status, body) == (400, b"unknown host")


def test_a_request_without_a_host_is_refused() -> None:
    assert asked({})[0] == 400


@pytest.mark.parametrize("host", ["127.0.0.1:7860", "localhost", "LOCALHOST:80", "[::1]:7860"])
def test_the_names_of_this_machine_are_served(host: str) -> None:
    assert asked({"Host": host})[0] == 200


def test_the_host_that_was_bound_is_served() -> None:
    assert asked({"Host": "desk.example:7860"}, bound="desk.example")[0] == 200


@pytest.mark.parametrize("bound", ["0.0.0.0", "::"])
def test_bound_to_all_addresses_an_address_is_served_and_a_foreign_name_is_not(bound: str) -> None:
    assert asked({"Host": "192.0.2.1:7860"}, bound=bound)[0] == 200
    assert asked({"Host": "evil.example"}, bound=bound)[0] == 400


@pytest.mark.parametrize(
    "origin",
    [
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:1"},
        {"Origin": ""},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
)
@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
def test_another_site_can_change_nothing(origin: Headers, method: str) -> None:
    status, _, body = asked({"Host": "127.0.0.1:7860", **origin}, method)
    assert (status, body) == (403, b"cross-site request")


@pytest.mark.parametrize(
    "origin",
    [{}, {"Origin": "http://127.0.0.1:7860", "Sec-Fetch-Site": "same-origin"}, {"Origin": "HTTP://127.0.0.1:7860"}],
)
def test_our_page_and_programs_without_an_origin_may_post(origin: Headers) -> None:
    assert asked({"Host": "127.0.0.1:7860", **origin}, "POST")[0] == 200


def test_a_link_from_another_site_may_be_followed() -> None:
    assert asked({"Host": "localhost", "Sec-Fetch-Site": "cross-site"})[0] == 200


@pytest.mark.parametrize("request_", [{"Host": "localhost"}, {"Host": "x"}])
def test_every_answer_carries_the_security_headers(request_: Headers) -> None:
    _, headers, _ = asked(request_)
    assert headers[b"content-security-policy"] == CSP.encode()
    assert headers[b"x-content-type-options"] == b"nosniff"
    assert headers[b"referrer-policy"] == b"no-referrer"


def test_the_headers_of_the_page_are_kept() -> None:
    assert asked({"Host": "localhost"})[1][b"x-own"] == b"1"


def test_what_is_no_request_passes_through() -> None:
    seen: list[str] = []

    async def lifespan(scope: Any, receive: Any, send: Any) -> None:  # noqa: ANN401 - ASGI
        seen.append(scope["type"])

    async def unused(*_: Any) -> Any:  # noqa: ANN401 - ASGI
        raise AssertionError

    asyncio.run(Guard(lifespan, "127.0.0.1", NO_PROXY)({"type": "lifespan"}, unused, unused))
    assert seen == ["lifespan"]


@pytest.mark.parametrize("headers", [[], [(b"host", b"localhost"), (b"origin", b"http://localhost")]])
def test_a_web_socket_is_refused_from_wherever(headers: list[tuple[bytes, bytes]]) -> None:
    sent: list[dict[str, Any]] = []

    async def inner(*_: Any) -> None:  # noqa: ANN401 - ASGI
        raise AssertionError

    async def receive() -> dict[str, Any]:
        return {"type": "websocket.connect"}

    async def send(message: Any) -> None:  # noqa: ANN401 - ASGI
        sent.append(message)

    asyncio.run(Guard(inner, "127.0.0.1", NO_PROXY)({"type": "websocket", "headers": headers}, receive, send))
    assert sent == [{"type": "websocket.close", "code": 1008}]


def test_the_policy_names_no_other_host() -> None:
    assert "//" not in CSP
    assert "*" not in CSP


def test_another_site_can_read_nothing_either() -> None:
    assert asked({"Host": "127.0.0.1:7860", "Origin": "http://evil.example"})[0] == 403


# Behind a proxy

DESK = "https://desk.example/rag"
FORWARDED = {"Host": "127.0.0.1:7860", "X-Forwarded-Host": "desk.example", "X-Forwarded-Proto": "https"}


@pytest.mark.parametrize("headers", [{"Host": "desk.example"}, FORWARDED], ids=["kept", "forwarded"])
def test_the_name_of_a_whole_root_path_is_served_and_may_post(headers: Headers) -> None:
    assert asked({**headers, "Origin": "https://desk.example"}, "POST", root=DESK)[0] == 200


def test_a_proxy_that_sends_another_host_and_forwards_nothing_is_served() -> None:
    assert asked({"Host": "127.0.0.1:7860", "Origin": "https://desk.example"}, "POST", root=DESK)[0] == 200


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Host": "evil.example"}, 400),
        ({**FORWARDED, "X-Forwarded-Host": "evil.example"}, 400),
        ({**FORWARDED, "X-Forwarded-Host": "evil.example, desk.example"}, 400),
        ({"Host": "desk.example", "Origin": "https://evil.example"}, 403),
        ({**FORWARDED, "Origin": "https://desk.example.evil.example"}, 403),
        ({**FORWARDED, "Origin": "null"}, 403),
        ({"Host": "desk.example", "Sec-Fetch-Site": "cross-site"}, 403),
    ],
)
def test_behind_a_proxy_other_names_and_sites_are_refused(headers: Headers, status: int) -> None:
    assert asked(headers, "POST", root=DESK)[0] == status


def test_a_path_alone_lets_no_further_name_in() -> None:
    assert asked({"Host": "desk.example"}, root="/rag")[0] == 400
    assert asked(FORWARDED, root="/rag")[0] == 400
    local = {"Host": "127.0.0.1:7860", "X-Forwarded-Host": "localhost:8080", "Origin": "http://localhost:8080"}
    assert asked(local, "POST", root="/rag")[0] == 200


def test_without_a_root_path_nobody_may_say_how_we_are_reached() -> None:
    seen: list[tuple[str, list[bytes]]] = []

    async def look(scope: Any, receive: Any, send: Any) -> None:  # noqa: ANN401 - ASGI
        seen.append((scope["scheme"], [name for name, _ in scope["headers"]]))
        await served(scope, receive, send)

    tricks = {
        "X-Forwarded-Host": "evil.example",
        "X-Forwarded-Proto": "https",
        "X-Gradio-Server": "http://evil.example",
    }
    asked({"Host": "localhost", "Forwarded": "host=evil.example", **tricks}, inner=look)
    assert seen == [("http", [b"host"])]


@pytest.mark.parametrize(
    ("root", "secure"), [("", False), ("/rag", False), (DESK, True), ("http://localhost/rag", False)]
)
def test_a_cookie_is_closed_to_other_sites_and_behind_tls_to_all_but_tls(root: str, secure: bool) -> None:
    async def login(scope: Any, receive: Any, send: Any) -> None:  # noqa: ANN401 - ASGI
        cookie = (b"set-cookie", b"token=x; HttpOnly; Path=/; SameSite=none")
        await send({"type": "http.response.start", "status": 200, "headers": [cookie]})
        await send({"type": "http.response.body", "body": b""})

    cookie = asked({"Host": "localhost"}, root=root, inner=login)[1][b"set-cookie"]
    assert cookie == b"token=x; HttpOnly; Path=/; SameSite=Lax" + (b"; Secure" if secure else b"")


def test_a_bug_is_answered_without_its_text_and_with_the_security_headers() -> None:
    sent: list[dict[str, Any]] = []

    async def broken(scope: Any, receive: Any, send: Any) -> None:  # noqa: ANN401 - ASGI
        raise ZeroDivisionError("secret")

    async def send(message: Any) -> None:  # noqa: ANN401 - ASGI
        sent.append(message)

    async def receive() -> dict[str, Any]:
        raise AssertionError

    scope = {"type": "http", "method": "GET", "path": "/", "headers": [(b"host", b"localhost")]}
    with pytest.raises(ZeroDivisionError):
        asyncio.run(Guard(broken, "127.0.0.1", NO_PROXY)(scope, receive, send))
    assert (sent[0]["status"], sent[1]["body"]) == (500, b"internal error")
    assert dict(sent[0]["headers"])[b"content-security-policy"] == CSP.encode()
