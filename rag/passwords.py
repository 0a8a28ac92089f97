"""Where the chat is served, and who may sign in: names and passwords never come from the command line.

In: an address, a file of ``user:password`` lines, ``RAG_PASSWORD``. Out: yes or no to a name and a password, slowly
where the one before was wrong; an ASGI door before what Gradio's own login leaves open. It does not know what is shown.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from weakref import WeakValueDictionary

from rag.errors import SettingsError
from rag.guard import HOST, NO_PROXY, PORT, USER, Root, is_loopback, refuse

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

WAIT = 0.5
"""Seconds that a wrong password costs everybody who tries one for the same user."""

OPEN_TO_ALL = "/gradio_api/mcp"
"""What Gradio serves without asking for its login."""


@dataclass(frozen=True, slots=True)
class Address:
    """Where the chat listens, where a proxy shows it, and whom it lets in: None is everybody."""

    host: str = HOST
    port: int = PORT
    root: Root = NO_PROXY
    passwords: Passwords | None = None

    @classmethod
    def load(cls, host: str = HOST, port: int = PORT, auth: str | None = None, root_path: str = "") -> Address:
        """Raises SettingsError for a file or a root path that cannot be used, and for an open door."""
        host = host.strip("[]")
        passwords = Passwords.load(Path(auth) if auth else None)
        if passwords is None and not is_loopback(host):
            raise SettingsError(
                f"Serving on {host} would show this inbox to other machines.",
                remedy=f"Leave --host out, or give --auth FILE or RAG_PASSWORD (the user is {USER!r}) and serve it"
                " through TLS.",
            )
        return cls(host, port, Root.parse(root_path), passwords)

    @property
    def audience(self) -> str:
        """Who can read what is served; empty where only this machine can."""
        if is_loopback(self.host) and not self.root.text:
            return ""
        where = self.root.text if self.root.origin else f"{self.host}:{self.port}"
        knows = " and knows a password" if self.passwords else ""
        return (
            f"Whoever can reach {where}{knows} can read every message of the corpus and put questions to the model."
            + ("" if self.root.origin.startswith("https") else " Nothing is encrypted unless TLS stands in front.")
        )


class Passwords:
    """Names and their passwords."""

    def __init__(self, users: Mapping[str, str]) -> None:
        """Let ``users`` in."""
        self._users = dict(users)
        # A line for each name that is being tried, for as long as it is: a megabyte of names leaves nothing behind.
        self._lines: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    @classmethod
    def load(cls, file: Path | None) -> Passwords | None:
        """Those of ``file`` and of ``RAG_PASSWORD``; None where there are none. Raises SettingsError."""
        users = _read(file) if file else {}
        if password := os.environ.get("RAG_PASSWORD"):
            users.setdefault(USER, password)
        return cls(users) if users else None

    async def allow(self, user: str, password: str) -> bool:
        """Whether ``user`` has that password, told one at a time for each name; a wrong one takes `WAIT` seconds.

        Guesses that are sent at once thus gain nothing; other users, and whoever is in already, do not wait. A name
        that nobody has waits in a line of its own like any other, or the time would tell which names there are.
        """
        known = self._users.get(user)
        async with self._lines.setdefault(user, asyncio.Lock()):
            # Compared in any case, so that the time does not tell which users there are.
            right = secrets.compare_digest(_bytes(password), _bytes(known or "")) and known is not None
            if not right:
                await asyncio.sleep(WAIT)
            return right

    async def allow_header(self, authorization: str) -> bool:
        """Whether a request with this ``Authorization`` header (Basic) comes from a user."""
        kind, _, encoded = authorization.partition(" ")
        try:
            user, colon, password = base64.b64decode(encoded.strip(), validate=True).decode().partition(":")
        except (binascii.Error, ValueError):
            return False
        return kind.lower() == "basic" and bool(colon) and await self.allow(user, password)


class Door:
    """ASGI middleware: what Gradio's login leaves open asks for a name and a password itself."""

    def __init__(self, app: ASGIApp, passwords: Passwords) -> None:
        """Stand before ``app``."""
        self._app = app
        self._passwords = passwords

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer 401 where name and password are missing or wrong."""
        if scope["type"] == "http" and OPEN_TO_ALL in scope["path"]:
            headers = dict(scope["headers"])
            if not await self._passwords.allow_header(headers.get(b"authorization", b"").decode("latin-1")):
                return await refuse(401, b"name and password?", send, (b"www-authenticate", b'Basic realm="rag"'))
        return await self._app(scope, receive, send)


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def _read(file: Path) -> dict[str, str]:
    try:
        if os.name == "posix" and file.stat().st_mode & 0o077:
            raise SettingsError(f"Others on this machine can read {file}.", remedy=f"Close it: chmod 600 {file}")
        lines = file.read_text(encoding="utf-8-sig").split("\n")
    except (OSError, ValueError) as error:
        raise SettingsError(
            f"{file} cannot be read: {error}.", remedy="--auth takes a file of user:password."
        ) from error
    users: dict[str, str] = {}
    for number, line in enumerate(lines, start=1):
        if not line.strip() or line.startswith("#"):
            continue
        user, colon, password = line.partition(":")
        user = user.strip()
        if not (colon and user and password):
            raise SettingsError(f"Line {number} of {file} is no user:password.", remedy="Write one user a line.")
        if user in users:
            raise SettingsError(f"Line {number} of {file} names {user} again.", remedy="Write one line for each user.")
        users[user] = password
    if not users:
        raise SettingsError(f"{file} names nobody.", remedy="Write lines of user:password into it.")
    return users
