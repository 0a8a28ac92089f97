"""The guard as an ASGI application sees it, without a server."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest

from rag.errors import SettingsError
from rag.guard import CSP, Guard, audience, password_for

Headers = Mapping[str, str]


async def served(scope: Any, receive: Any, send: Any) -> None:  # noqa: ANN401 - ASGI
    await send({"type": "http.response.start", "status": 200, "headers": [(b"x-own", b"1")]})
    await send({"type": "http.response.body", "body": b"inbox"})


def asked(headers: Headers, method: str = "GET", *, bound: str = "127.0.0.1") -> tuple[int, dict[bytes, bytes], bytes]:
    """Status, headers and body of one request through the guard."""
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b""}

    async def send(message: Any) -> None:  # noqa: ANN401 - ASGI
        sent.append(message)

    raw = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]
    scope = {"type": "http", "method": method, "path": "/", "headers": raw}
    asyncio.run(Guard(served, bound)(scope, receive, send))
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

    asyncio.run(Guard(lifespan, "127.0.0.1")({"type": "lifespan"}, unused, unused))
    assert seen == ["lifespan"]


def test_the_policy_names_no_other_host() -> None:
    assert "//" not in CSP
    assert "*" not in CSP


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "localhost", "::1", "[::1]"])
def test_this_machine_needs_no_password(host: str) -> None:
    assert password_for(host) is None
    assert audience(host, 7860) == ""


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "[::]", "", "192.0.2.1", "desk.example", "localhost.example"])
def test_other_machines_need_one(host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAG_PASSWORD", "")
    with pytest.raises(SettingsError) as told:
        password_for(host)
    assert "RAG_PASSWORD" in told.value.remedy
    monkeypatch.setenv("RAG_PASSWORD", "correct horse")
    assert password_for(host) == "correct horse"


def test_who_can_read_is_said_with_the_address(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAG_PASSWORD", "correct horse")
    assert "0.0.0.0:7860" in audience("0.0.0.0", 7860)
