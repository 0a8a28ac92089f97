"""Who may talk to the chat: where it listens, whom it answers, and what its pages may fetch.

In: the host that was bound, and ASGI requests to it. Out: the requests of our own page, every answer with
the security headers; the others refused. It does not know Gradio, nor what is served.
"""

from __future__ import annotations

import ipaddress
import os
import socket
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from rag.errors import SettingsError

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

HOST, PORT, USER = "127.0.0.1", 7860, "rag"

# Gradio compiles its templates in the page, hence unsafe-inline and unsafe-eval.
CSP = (
    "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval' blob:; "
    "style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; font-src 'self'; media-src 'self'; "
    "connect-src 'self'; worker-src 'self' blob:; object-src 'none'; frame-src 'none'; base-uri 'self'; "
    "form-action 'self'; frame-ancestors 'none'"
)
_HEADERS = (
    (b"content-security-policy", CSP.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-resource-policy", b"same-origin"),
)
_WILDCARDS = ("0.0.0.0", "::")


def password_for(host: str) -> str | None:
    """The password of ``RAG_PASSWORD``, or None. Raises SettingsError where ``host`` needs one and has none."""
    password = os.environ.get("RAG_PASSWORD") or None
    if password is None and not _is_loopback(host.strip("[]")):
        raise SettingsError(
            f"Serving on {host} would show this inbox to other machines.",
            remedy=f"Leave --host out, or set RAG_PASSWORD (the user is {USER!r}) and serve it through TLS.",
        )
    return password


def audience(host: str, port: int) -> str:
    """Who can read what is served on ``host``; empty where only this machine can. Raises as `password_for` does."""
    if password_for(host) is None or _is_loopback(host.strip("[]")):
        return ""
    return (
        f"Whoever can reach {host}:{port} and knows the password can read every message of the corpus and put "
        "questions to the model. Nothing is encrypted on the way unless TLS stands in front."
    )


class Guard:
    """ASGI middleware: refuse foreign hosts and cross-site posts, and set the security headers.

    Gradio accepts any Host (DNS rebinding) and uploads from any Origin; Starlette's TrustedHostMiddleware
    cannot name ``[::1]``.
    """

    def __init__(self, app: ASGIApp, host: str) -> None:
        """Guard ``app``, which was bound to ``host``."""
        self._app = app
        self._names = {"127.0.0.1", "localhost", "::1", host.lower()}
        self._wildcard = host in _WILDCARDS
        if self._wildcard:
            self._names.add(socket.gethostname().lower())

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer 400 to a foreign Host, 403 to a cross-site request that may change something."""
        if scope["type"] != "http":
            return await self._app(scope, receive, send)

        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", ()), *_HEADERS]
            await send(message)

        headers = {name.decode("latin-1"): value.decode("latin-1").lower() for name, value in scope["headers"]}
        if not self._is_ours(headers.get("host", "")):
            return await _refuse(400, b"unknown host", send_guarded)
        if scope["method"] not in ("GET", "HEAD", "OPTIONS") and _is_cross_site(headers):
            return await _refuse(403, b"cross-site request", send_guarded)
        return await self._app(scope, receive, send_guarded)

    def _is_ours(self, host: str) -> bool:
        try:
            name = urlsplit(f"//{host}").hostname or ""
        except ValueError:
            return False
        # Rebinding needs a name: an address that is typed in is the address that was asked.
        return name in self._names or (self._wildcard and _address(name) is not None)


def _is_cross_site(headers: dict[str, str]) -> bool:
    origin = headers.get("origin")
    foreign = origin is not None and origin.partition("://")[2] != headers.get("host")
    return foreign or headers.get("sec-fetch-site") in ("cross-site", "same-site")


async def _refuse(status: int, why: bytes, send: Send) -> None:
    await send({"type": "http.response.start", "status": status, "headers": [(b"content-type", b"text/plain")]})
    await send({"type": "http.response.body", "body": why})


def _is_loopback(host: str) -> bool:
    address = _address(host)
    return host == "localhost" or (address is not None and address.is_loopback)


def _address(name: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(name)
    except ValueError:
        return None
