"""Who may talk to the chat: where it listens, whom it answers, and what its pages may fetch.

In: the host that was bound, the URL that a proxy shows, and ASGI requests. Out: the requests of our own page, every
answer with the security headers; the others refused. It does not know Gradio, nor what is served.
"""

from __future__ import annotations

import ipaddress
import re
import socket
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from rag.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

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
_READING = ("GET", "HEAD", "OPTIONS")
_FORWARDED = (b"x-forwarded-", b"forwarded", b"x-gradio-server")


@dataclass(frozen=True, slots=True)
class Root:
    """Where a proxy shows what is served: ``origin`` like ``https://desk.example``, if it is known, and ``path``."""

    origin: str = ""
    path: str = ""

    @classmethod
    def parse(cls, text: str) -> Root:
        """``/rag`` or ``https://desk.example/rag``; empty means no proxy. Raises SettingsError."""
        origin = r"https?://(?:[\w.-]+|\[[0-9a-f:.]+])(?::\d{1,5})?"
        found = re.fullmatch(rf"({origin})?((?:/[\w.~-]+)*)/?", text, re.IGNORECASE | re.ASCII)
        if found is None:
            raise SettingsError(
                f"{text} is no root path.", remedy="Write /rag, or the whole URL: https://desk.example/rag"
            )
        return cls((found[1] or "").lower(), found[2])

    @property
    def text(self) -> str:
        """As Gradio takes it."""
        return self.origin + self.path


NO_PROXY = Root()


class Guard:
    """ASGI middleware: refuse foreign hosts and other sites, and set the security headers.

    Gradio accepts any Host (DNS rebinding), uploads from any Origin and headers as only a proxy should send them;
    Starlette's TrustedHostMiddleware cannot name ``[::1]``.
    """

    def __init__(self, app: ASGIApp, host: str, root: Root) -> None:
        """Guard ``app``, which was bound to ``host`` and is shown by a proxy at ``root``."""
        self._app = app
        self._root = root
        self._names = {"127.0.0.1", "localhost", "::1", host.lower(), urlsplit(root.origin).hostname or "localhost"}
        self._wildcard = host in _WILDCARDS
        if self._wildcard:
            self._names.add(socket.gethostname().lower())

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer 400 to a foreign Host, 403 to another site and to a web socket."""
        if scope["type"] == "websocket":  # Nothing here speaks it, and a browser opens one to any host.
            return await send({"type": "websocket.close", "code": 1008})
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        if not self._root.text:  # Nobody but a proxy may say how we are reached.
            scope["headers"] = [(name, value) for name, value in scope["headers"] if not name.startswith(_FORWARDED)]
            scope["scheme"] = "http"
        headers = {name.decode("latin-1"): value.decode("latin-1").lower() for name, value in scope["headers"]}
        encrypted = (self._root.origin or headers.get("x-forwarded-proto", "")).startswith("https")
        begun = False

        async def send_guarded(message: Message) -> None:
            nonlocal begun
            if message["type"] == "http.response.start":
                begun = True
                message["headers"] = [*_closed(message.get("headers", ()), encrypted=encrypted), *_HEADERS]
            await send(message)

        forwarded = headers.get("x-forwarded-host", "").partition(",")[0].strip()
        hosts = [headers.get("host", ""), *([forwarded] if forwarded else [])]
        if not all(map(self._is_ours, hosts)):
            return await refuse(400, b"unknown host", send_guarded)
        if self._is_foreign(headers, hosts) or (scope["method"] not in _READING and _is_cross_site(headers)):
            return await refuse(403, b"cross-site request", send_guarded)
        try:
            await self._app(scope, receive, send_guarded)
        except Exception:
            if not begun:
                await refuse(500, b"internal error", send_guarded)
            raise

    def _is_ours(self, host: str) -> bool:
        try:
            name = urlsplit(f"//{host}").hostname or ""
        except ValueError:
            return False
        # Rebinding needs a name: an address that is typed in is the address that was asked.
        return name in self._names or (self._wildcard and _address(name) is not None)

    def _is_foreign(self, headers: dict[str, str], hosts: list[str]) -> bool:
        origin = headers.get("origin")
        if not origin:  # A browser sends none, or a name; an empty one is a trick.
            return origin is not None
        return origin != self._root.origin and origin.partition("://")[2] not in hosts


def _is_cross_site(headers: dict[str, str]) -> bool:
    return headers.get("sec-fetch-site") in ("cross-site", "same-site")


def _closed(headers: Iterable[tuple[bytes, bytes]], *, encrypted: bool) -> Iterator[tuple[bytes, bytes]]:
    """The headers of an answer, its cookies closed to other sites and, behind TLS, to anything but TLS."""
    for name, value in headers:
        if name.lower() == b"set-cookie":
            value = re.sub(rb"samesite=none", b"SameSite=Lax", value, flags=re.IGNORECASE)
            value += b"; Secure" if encrypted and b"secure;" not in value.lower() + b";" else b""
        yield name, value


async def refuse(status: int, why: bytes, send: Send, *headers: tuple[bytes, bytes]) -> None:
    """Answer with a line of text."""
    told = [(b"content-type", b"text/plain; charset=utf-8"), *headers]
    await send({"type": "http.response.start", "status": status, "headers": told})
    await send({"type": "http.response.body", "body": why})


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach what listens on ``host``."""
    address = _address(host)
    return host == "localhost" or (address is not None and address.is_loopback)


def _address(name: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(name)
    except ValueError:
        return None
