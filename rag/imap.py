"""A mailbox on an IMAP server: its address, its password, and a connection that only ever reads.

In: an address (RFC 5092), the environment and the keyring. Out: message numbers, messages, and word of news. It does
not know what becomes of the messages.

The server is not trusted: every read has an end in time and in bytes. The standard library's client stops at
neither (``read(size)`` asks for all that a server announces), and the IDLE of the clients built on it waits on the
socket while the news lies in a buffer; so what moves bytes is overridden here, as its documentation allows.
"""

from __future__ import annotations

import base64
import email.utils
import hashlib
import imaplib
import os
import re
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote, urlsplit

from rag.errors import MailboxUnavailable, SettingsError

PASSWORD_VARIABLE = "RAG_IMAP_PASSWORD"
MESSAGE_BYTES = 50_000_000
"""A larger message is left out; mail servers refuse most above 25 to 35 MB."""

_CONNECT_SECONDS = 15.0
_READ_SECONDS = 60.0
_SLOWEST = 1024  # bytes a second, so that one byte a minute is no way to hold us for ever
_IDLE_SECONDS = 540.0  # servers log out after 30 minutes, but NATs forget a silent connection after 10
_LINE_BYTES = 65_536
_REPLY_BYTES = 4_000_000  # ten thousand lines of a listing are 0.3 MB, with unasked-for flags 1.5 MB
_WINDOW = 10_000  # messages a listing
_LOOPBACK = ("127.0.0.1", "::1", "localhost")
_SHAPE = "Write imaps://user@host/INBOX, with %-codes for other characters than letters and digits."
_UID = re.compile(rb"[( ]UID ([0-9]{1,10})(?=[ )])", re.IGNORECASE)
_SIZE = re.compile(rb"[( ]RFC822\.SIZE ([0-9]{1,19})(?=[ )])", re.IGNORECASE)
_RECEIVED = re.compile(rb'[( ]INTERNALDATE "([^"]{1,40})"', re.IGNORECASE)
_NEWS = re.compile(rb"\* [0-9]+ (EXISTS|EXPUNGE)", re.IGNORECASE)
_PASSING = re.compile(r"\[(UNAVAILABLE|INUSE|LIMIT)\]", re.IGNORECASE)  # RFC 5530: not the password's fault


@dataclass(frozen=True, slots=True)
class Mailbox:
    """One mailbox of one account on one server; ``tls`` is false on the loopback interface only."""

    host: str
    port: int
    user: str
    name: str = "INBOX"
    tls: bool = True

    @property
    def account(self) -> str:
        """The name under which the keyring holds the password."""
        return f"{self.user}@{self.host}"

    @property
    def folder_name(self) -> str:
        """A name for the folder of its mirror: readable, safe in a path, and of this mailbox only."""
        digest = hashlib.sha256(repr(self).encode()).hexdigest()[:8]
        return re.sub(r"[^A-Za-z0-9.@+-]+", "_", f"{self.account}_{self.name}").lstrip(".")[:80] + f"_{digest}"


def parse_address(address: str) -> Mailbox:
    """Read ``imaps://user@host[:port]/mailbox``; the mailbox is INBOX where none is named.

    Raises SettingsError for anything else, and without repeating it: it may hold a password.
    """
    try:
        parts = urlsplit(address)
        port = parts.port
        user = unquote(parts.username or "", errors="strict")
        name = unquote(parts.path[1:], errors="strict") or "INBOX"
    except ValueError:
        raise SettingsError("The address of the mailbox cannot be read.", remedy=_SHAPE) from None
    if parts.password is not None:
        raise SettingsError(
            "The address of the mailbox holds a password, which the shell's history and `ps` would show.",
            remedy=f"Leave it out, and put it into the keyring or into {PASSWORD_VARIABLE}.",
        )
    if parts.scheme not in ("imap", "imaps"):
        raise SettingsError("The address of the mailbox does not begin with imaps://.", remedy=_SHAPE)
    odd = parts.query or parts.fragment or ";" in address or port == 0
    if not parts.hostname or not user or odd or not (address + user + name).isprintable() or " " in address:
        raise SettingsError("The address of the mailbox is not a user, a host and a mailbox.", remedy=_SHAPE)
    tls = parts.scheme == "imaps"
    if not tls and parts.hostname not in _LOOPBACK:
        raise SettingsError(
            "imap:// would send the password and the mail unencrypted.",
            remedy="Use imaps://; imap:// is for a tunnel or a bridge on 127.0.0.1.",
        )
    return Mailbox(parts.hostname, port or (993 if tls else 143), user, name, tls)


def find_password(mailbox: Mailbox, environment: Mapping[str, str] | None = None) -> str:
    """Take the password from ``RAG_IMAP_PASSWORD``, or else from the keyring (service ``rag``).

    Raises SettingsError where neither has one.
    """
    found = (os.environ if environment is None else environment).get(PASSWORD_VARIABLE) or _from_keyring(mailbox)
    if not found:
        raise SettingsError(
            f"There is no password for {mailbox.account}.",
            remedy=f"Run `keyring set rag {mailbox.account}`, or set {PASSWORD_VARIABLE}.",
        )
    return found


def _from_keyring(mailbox: Mailbox) -> str | None:
    try:
        import keyring
        from keyring.errors import KeyringError
    except ImportError:
        return None
    try:
        return keyring.get_password("rag", mailbox.account)
    except (KeyringError, RuntimeError, OSError):
        return None  # a machine without a desktop has no keyring to ask


class Refused(MailboxUnavailable):
    """The server said no, and would again."""


class Stopped(Exception):
    """``stop`` was set; for the one who set it, and nobody else."""


_BROKEN = (imaplib.IMAP4.error, OSError, ValueError, KeyError)
"""What a broken connection, or a server that is none, makes the standard library raise."""


class _Silent(imaplib.IMAP4.abort):
    """Nothing came for as long as we were ready to wait."""


@contextmanager
def connected(mailbox: Mailbox, password: str, stop: threading.Event) -> Iterator[Connection]:
    """Be logged in; a wait inside ends with Stopped soon after ``stop`` is set (connecting may take 15 s).

    Raises Refused where the server does not let us in, MailboxUnavailable where it cannot be reached.
    """
    with _explained(mailbox):
        server = Connection(mailbox, stop)
    try:
        server.enter(password)
        yield server
        with suppress(*_BROKEN):
            server.logout()
    finally:
        server.shutdown()


@contextmanager
def _explained(mailbox: Mailbox) -> Iterator[None]:
    """Turn what sockets, TLS and the standard library's parser raise into errors that a person can mend."""
    try:
        yield
    except ssl.SSLCertVerificationError as error:
        raise MailboxUnavailable(
            f"{mailbox.host} cannot prove that it is {mailbox.host}: {error.verify_message}.",
            remedy="Check the host; for a certificate of your own, name its file in SSL_CERT_FILE.",
        ) from error
    except _BROKEN as error:
        raise MailboxUnavailable(
            f"{mailbox.host}: {_shown(_text(error.args[-1] if error.args else type(error).__name__))}.",
            remedy="Check the address and the network; what has been mirrored is kept.",
        ) from error


def _text(said: object) -> str:
    return said.decode("utf-8", "replace") if isinstance(said, bytes) else str(said)


def _shown(text: str) -> str:
    """Make a server's words fit for a terminal."""
    return "".join(letter if letter.isprintable() else " " for letter in text[:200]).strip(" .")


class Connection(imaplib.IMAP4):
    """One connection, which only ever reads: EXAMINE, FETCH of BODY.PEEK[], IDLE."""

    def __init__(self, mailbox: Mailbox, stop: threading.Event) -> None:
        """Connect and read the greeting; raises what sockets and `imaplib` raise."""
        self.mailbox = mailbox
        self._stop = stop
        self._pending = bytearray()
        self._due = _REPLY_BYTES
        super().__init__(mailbox.host, mailbox.port)

    def open(self, host: str = "", port: int = 143, timeout: float | None = None) -> None:
        """Connect, with TLS unless it is a loopback address; called by the base class."""
        self.debug = 0  # the base class would print LOGIN with its password
        context = ssl.create_default_context() if self.mailbox.tls else None
        self.sock = socket.create_connection((host, port), _CONNECT_SECONDS)
        if context is not None:
            self.sock = context.wrap_socket(self.sock, server_hostname=host)
        self._expect(_READ_SECONDS, self._due)

    def shutdown(self) -> None:
        """Close the socket; called by the base class too."""
        self.sock.close()

    def send(self, data: Any) -> None:  # noqa: ANN401 - the base class says "buffer"
        """Send, and start the count of time and bytes for the answer; called by the base class."""
        self.sock.settimeout(_READ_SECONDS)
        self.sock.sendall(data)
        self._expect(_READ_SECONDS, self._due)

    def readline(self) -> bytes:
        """Read a line of 64 KB at most; called by the base class."""
        scanned = 0
        while (end := self._pending.find(b"\n", scanned)) < 0:
            scanned = len(self._pending)
            if scanned > _LINE_BYTES:
                raise self.abort("a line without an end")
            self._receive()
        return self._take(end + 1)

    def read(self, size: int) -> bytes:
        """Read a literal of no more than is due; called by the base class."""
        if size > self._allowance:
            raise self.abort(f"{size:,} bytes announced where {self._allowance:,} at most were due")
        while len(self._pending) < size:
            self._receive()
        return self._take(size)

    def _take(self, size: int) -> bytes:
        taken = bytes(memoryview(self._pending)[:size])
        del self._pending[:size]
        return taken

    def _expect(self, patience: float, allowance: int) -> None:
        self._patience, self._allowance = patience, allowance
        self._asked, self._received = time.monotonic(), 0

    def _receive(self) -> None:
        silent_since = time.monotonic()
        self.sock.settimeout(min(0.5, self._patience))
        while True:
            now = time.monotonic()
            if self._stop.is_set():
                raise Stopped
            if now - silent_since > self._patience or now - self._asked > self._patience + self._received / _SLOWEST:
                raise _Silent(f"no answer for {self._patience:.0f} seconds")
            try:
                piece = self.sock.recv(65_536)
                break
            except TimeoutError:
                continue
        if not piece:
            raise self.abort("the server closed the connection")
        self._received += len(piece)
        if self._received > self._allowance:
            raise self.abort(f"the answer is longer than {self._allowance:,} bytes")
        self._pending += piece

    def enter(self, password: str) -> None:
        """Log in; what the server says is told, unless it repeats the password."""
        user, plain = self.mailbox.user, f"\0{self.mailbox.user}\0{password}".encode()
        answers = [plain]

        def answer(_: bytes) -> bytes:
            if not answers:
                raise self.abort("it asks for the password for ever")
            return answers.pop()

        try:
            if "AUTH=PLAIN" in self.capabilities:
                self.authenticate("PLAIN", answer)
            elif re.fullmatch(r"[\w.@+&=/$!#~-]+", user, re.ASCII) and password.isascii() and password.isprintable():
                self.login(user, password)
            else:
                raise self.error("its way of logging in (LOGIN) cannot carry this name or password")
            self.capabilities = tuple(_text(self.capability()[1][-1]).upper().split())
            return
        except _BROKEN as error:
            refused = isinstance(error, self.error) and not isinstance(error, self.abort)
            said = _text(error.args[0] if error.args else "")
        # Raised out here, so that no traceback shows the server's words in another exception.
        spellings = (password, repr(password.encode())[2:-1], base64.b64encode(plain).decode())
        if any(spelling in said for spelling in spellings):
            said = "it repeated the password"
        kind = Refused if refused and not _PASSING.search(said) else MailboxUnavailable
        raise kind(
            f"{self.mailbox.host} does not let {user} in: {_shown(said)}.",
            remedy="Check user and password; many providers want an app password, and IMAP to be allowed.",
        )

    def examine(self) -> tuple[int, int]:
        """Open the mailbox for reading; gives its UIDVALIDITY and how many messages it has."""
        name = _modified_utf7(self.mailbox.name).replace("\\", "\\\\").replace('"', '\\"')
        with _explained(self.mailbox):
            status, data = self.select(f'"{name}"', readonly=True)
        if status != "OK":
            kind = MailboxUnavailable if _PASSING.search(_text(data[-1])) else Refused
            raise kind(
                f"{self.mailbox.host} does not open {self.mailbox.name}: {_shown(_text(data[-1]))}.",
                remedy="Check the name of the mailbox; the usual one is INBOX.",
            )
        validity, count = self.response("UIDVALIDITY")[1][-1], self.response("EXISTS")[1][-1]
        for number in (validity, count):
            if not re.fullmatch(rb"[0-9]{1,10}", number or b""):
                raise Refused(
                    f"{self.mailbox.host} does not number the messages of {self.mailbox.name} for good.",
                    remedy="Without UIDVALIDITY and EXISTS a mailbox cannot be mirrored; export it instead.",
                )
        return int(validity), int(count)

    def uids(self, count: int) -> set[int]:
        """List ``count`` messages; FETCH by position, in whose answer no server may shift positions (RFC 3501)."""
        found: set[int] = set()
        for start in range(1, count + 1, _WINDOW):
            before = len(found)
            found |= _numbered(self._ask(self.fetch, f"{start}:{min(count, start + _WINDOW - 1)}", "(UID)")).keys()
            if len(found) == before:
                break  # a count that is not true would have us ask for hours
        return found

    def existing(self, uids: Sequence[int]) -> set[int]:
        """Say which of these messages are still there."""
        return _numbered(self._ask(self.uid, "FETCH", _ranges(uids), "(UID)")).keys() & set(uids)

    def sizes(self, uids: Sequence[int]) -> dict[int, int]:
        """Say how many bytes these messages have; those that are gone are not in the answer."""
        rows = _numbered(self._ask(self.uid, "FETCH", _ranges(uids), "(UID RFC822.SIZE)"))
        return {uid: int(size[1]) for uid in uids if uid in rows and (size := _SIZE.search(rows[uid][0]))}

    def messages(self, uids: Sequence[int]) -> dict[int, tuple[bytes, float | None]]:
        """Fetch these messages, each with its time of arrival, and leave their flags alone.

        What the server will not give is not in the answer; one bad message may spoil those asked for with it.
        """
        self._due = _REPLY_BYTES + MESSAGE_BYTES
        try:
            with _explained(self.mailbox):
                status, data = self.uid("FETCH", _ranges(uids), "(UID INTERNALDATE BODY.PEEK[])")
        finally:
            self._due = _REPLY_BYTES
        rows = _numbered(data if status == "OK" else ())
        return {uid: (rows[uid][1][0], _seconds(rows[uid][0])) for uid in uids if uid in rows and rows[uid][1]}

    def wait(self, poll_seconds: float) -> None:
        """Return when the mailbox changes or it is time to look again."""
        if "IDLE" in self.capabilities:
            self._ask(self.noop)  # in IDLE some servers tell only what happens after it began
        if self.response("EXISTS")[1][-1] or self.response("EXPUNGE")[1][-1]:
            return
        with _explained(self.mailbox):
            if "IDLE" in self.capabilities and self._listen():
                return
        if self._stop.wait(poll_seconds):
            raise Stopped

    def _listen(self) -> bool:
        """IDLE (RFC 2177) until there is news; says whether the server would have it."""
        self.send(b"idle IDLE\r\n")
        news = False
        while not (line := self.readline()).startswith((b"+", b"idle ")):
            news = news or _is_news(line)
        if not line.startswith(b"+"):
            return False
        self._expect(_IDLE_SECONDS, _REPLY_BYTES)
        with suppress(_Silent):
            while not news:
                news = _is_news(self.readline())
        self.send(b"DONE\r\n")
        while not self.readline().startswith(b"idle "):
            pass
        return True

    def _ask(self, command: Callable[..., tuple[str, list[Any]]], *words: str) -> list[Any]:
        with _explained(self.mailbox):
            status, data = command(*words)
            if status != "OK":
                raise self.error(data[-1] or "the server said no")
            return data


def _is_news(line: bytes) -> bool:
    if line.startswith(b"* BYE"):
        raise imaplib.IMAP4.abort(_text(line[5:]))
    return _NEWS.match(line) is not None


def _numbered(data: Iterable[Any]) -> dict[int, tuple[bytes, list[bytes]]]:
    """Sort what the base class gives for FETCH by UID: the text of each answer, and its literals."""
    rows: dict[int, tuple[bytes, list[bytes]]] = {}
    text, literals = b"", []
    for item in data:
        if isinstance(item, tuple):  # text up to a literal, and the literal; the rest of the answer follows
            text += item[0]
            literals.append(item[1])
            continue
        text += item or b""
        if uid := _UID.search(text):
            known = rows.get(int(uid[1]), (b"", []))  # a change of flags may be told before or after the answer
            rows[int(uid[1])] = (known[0] + text, known[1] + literals)
        text, literals = b"", []
    return rows


def _ranges(uids: Iterable[int]) -> str:
    """Write UIDs as a sequence set: ``1:3,7``."""
    runs: list[list[int]] = []
    for uid in sorted(uids):
        if runs and uid == runs[-1][1] + 1:
            runs[-1][1] = uid
        else:
            runs.append([uid, uid])
    return ",".join(str(first) if first == last else f"{first}:{last}" for first, last in runs)


def _seconds(text: bytes) -> float | None:
    """Read the time of arrival, where it is one that a file can have."""
    found = _RECEIVED.search(text)
    parts = email.utils.parsedate_tz(found[1].decode("ascii", "replace")) if found else None
    try:
        seconds = float(email.utils.mktime_tz(parts)) if parts else -1.0
    except (ValueError, OverflowError):
        return None
    return seconds if 0 <= seconds < 2**32 else None


def _modified_utf7(name: str) -> str:
    """Write the name of a mailbox as IMAP wants it (RFC 3501, 5.1.3)."""

    def coded(found: re.Match[str]) -> str:
        text = base64.b64encode(found[0].encode("utf-16-be")).decode().rstrip("=").replace("/", ",")
        return f"&{text}-"

    return re.sub(r"[^\x20-\x7e]+", coded, name.replace("&", "&-"))
