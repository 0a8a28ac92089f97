"""IMAP servers on the loopback interface: pymap in the test run, Dovecot where it is installed, scripted ones."""

from __future__ import annotations

import asyncio
import getpass
import imaplib
import os
import shutil
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time
from argparse import Namespace
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import trustme

from rag.imap import Mailbox

USER, PASSWORD = "mara@example.com", 's3cret \\ "word"'


@dataclass(frozen=True)
class Server:
    """A running server; ``trust`` is a file with the authority that signed its certificate."""

    port: int
    trust: Path

    def mailbox(self, name: str) -> Mailbox:
        return Mailbox("localhost", self.port, USER, name)

    @contextmanager
    def client(self) -> Iterator[imaplib.IMAP4_SSL]:
        """A mail program of the user's."""
        context = ssl.create_default_context(cafile=str(self.trust))
        with imaplib.IMAP4_SSL("localhost", self.port, ssl_context=context, timeout=10) as client:
            client.authenticate("PLAIN", lambda _: f"\0{USER}\0{PASSWORD}".encode())
            yield client

    def create(self, name: str) -> None:
        with self.client() as client:
            assert client.create(name)[0] == "OK"

    def recreate(self, name: str) -> None:
        with self.client() as client:
            assert client.delete(name)[0] == "OK"
            time.sleep(1.1)  # Dovecot numbers mailboxes by the second of their birth
            assert client.create(name)[0] == "OK"

    def deliver(self, name: str, *messages: bytes, flags: str = "") -> None:
        with self.client() as client:
            for message in messages:
                when = '"17-Jan-2025 02:44:25 +0100"'
                assert client.append(name, flags, when, message)[0] == "OK"

    def expunge(self, name: str, *positions: int) -> None:
        with self.client() as client:
            client.select(name)
            for position in positions:
                client.store(str(position), "+FLAGS", "(\\Deleted)")
            assert client.expunge()[0] == "OK"

    def flags(self, name: str) -> list[bytes]:
        with self.client() as client:
            client.select(name, readonly=True)
            return sorted(bytes(row) for row in client.fetch("1:*", "(FLAGS)")[1] if isinstance(row, bytes))


def message(number: int, size: int = 200) -> bytes:
    """A small mail; no two numbers give the same."""
    head = (
        f"From: Ann Example <ann@example.com>\r\nSubject: Note {number}\r\nMessage-ID: <{number}@example.com>\r\n\r\n"
    )
    return head.encode() + b"x" * size + b"\r\n"


def _certificate(folder: Path) -> tuple[Path, Path]:
    """A certificate with its key for localhost, and the authority to trust."""
    authority = trustme.CA()
    server = authority.issue_cert("localhost", "127.0.0.1")
    pair, trust = folder / "server.pem", folder / "authority.pem"
    server.private_key_and_cert_chain_pem.write_to_path(pair)
    authority.cert_pem.write_to_path(trust)
    return pair, trust


@contextmanager
def pymap_server(folder: Path) -> Iterator[Server]:
    """pymap with its mailboxes in memory, behind TLS; in a process of its own, which its warnings are left in."""
    pair, trust = _certificate(folder)
    command = [sys.executable, __file__, str(pair)]
    beside = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}
    with subprocess.Popen(command, env=beside, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as running:
        assert running.stdout is not None
        try:
            yield Server(int(running.stdout.readline()), trust)
        finally:
            running.terminate()


async def _serve_pymap(pair: str) -> None:
    """Print the port, and serve until killed."""
    from proxyprotocol.reader import ProxyProtocolReader
    from pymap.backend.dict import DictBackend
    from pymap.imap import IMAPServer
    from pysasl.hashing import BuiltinHash

    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(pair)
    args = Namespace(
        **dict.fromkeys(("passlib_cfg", "proxy_protocol", "cert", "key", "debug", "demo_data")),
        host="localhost",
        port=0,
        tls=False,  # pymap means STARTTLS
        demo_user=USER,
        demo_password=PASSWORD,
    )
    backend, config = await DictBackend.init(args, hash_context=BuiltinHash(rounds=1))
    config.apply_context()
    answer = ProxyProtocolReader(config.proxy_protocol).get_callback(IMAPServer(backend.login, config))
    server = await asyncio.start_server(answer, "localhost", 0, family=socket.AF_INET, ssl=context)
    print(server.sockets[0].getsockname()[1], flush=True)  # noqa: T201
    await server.serve_forever()


def dovecot() -> str | None:
    """Where Dovecot is, if it is."""
    return shutil.which("dovecot", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")


@contextmanager
def dovecot_server(_: Path) -> Iterator[Server]:
    """A private Dovecot, in a folder that its own users can reach (pytest closes its folders to all but one)."""
    with tempfile.TemporaryDirectory() as name, _dovecot_in(Path(name)) as server:
        yield server


@contextmanager
def _dovecot_in(folder: Path) -> Iterator[Server]:
    pair, trust = _certificate(folder)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    root = os.geteuid() == 0
    mail_user = "mail" if root else getpass.getuser()
    login_user = "dovenull" if root else mail_user
    (folder / "users").write_text(f"{USER}:{{PLAIN}}{PASSWORD}\n", encoding="utf-8")
    (folder / "mail").mkdir()
    if root:
        for path in (folder, folder / "mail"):
            shutil.chown(path, mail_user, mail_user)
        folder.chmod(0o755)
    (folder / "dovecot.conf").write_text(
        f"""
protocols = imap
base_dir = {folder}/run
state_dir = {folder}/run
log_path = {folder}/log
listen = 127.0.0.1
default_internal_user = {"dovecot" if root else mail_user}
default_internal_group = {"dovecot" if root else mail_user}
default_login_user = {login_user}
mail_uid = {mail_user}
mail_gid = {mail_user}
first_valid_uid = 0
first_valid_gid = 0
mail_home = {folder}/mail
mail_location = maildir:~/Maildir
ssl = required
ssl_cert = <{pair}
ssl_key = <{pair}
passdb {{
  driver = passwd-file
  args = username_format=%u {folder}/users
}}
userdb {{
  driver = static
  args = uid={mail_user} gid={mail_user} home={folder}/mail
}}
auth_failure_delay = 0
service anvil {{
  chroot =
  unix_listener anvil-auth-penalty {{
    mode = 0
  }}
}}
service imap-login {{
  chroot =
  inet_listener imap {{
    port = 0
  }}
  inet_listener imaps {{
    port = {port}
    ssl = yes
  }}
}}
""",
        encoding="utf-8",
    )
    program = dovecot()
    assert program is not None
    running = subprocess.Popen([program, "-F", "-c", str(folder / "dovecot.conf")])
    try:
        for _ in range(200):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.05)
        yield Server(port, trust)
    finally:
        running.terminate()
        running.wait(10)


@contextmanager
def scripted(script: Callable[[BinaryIO], None], connections: int = 1) -> Iterator[Mailbox]:
    """A server without TLS that plays ``script`` on each of its connections; a broken pipe ends one."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(10)

        def serve() -> None:
            for _ in range(connections):
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                with connection, connection.makefile("rwb", buffering=0) as stream:
                    try:
                        script(stream)  # type: ignore[arg-type]
                    except OSError:
                        continue

        thread = threading.Thread(target=serve)
        thread.start()
        yield Mailbox("127.0.0.1", listener.getsockname()[1], "mara", tls=False)
        listener.close()
        thread.join(15)


class Play:
    """What a scripted server does up to the point where it misbehaves."""

    def __init__(self, stream: BinaryIO) -> None:
        self.stream = stream

    def say(self, *lines: bytes) -> None:
        self.stream.write(b"".join(line + b"\r\n" for line in lines))

    def answer(self, *lines: bytes, verdict: bytes = b"OK done") -> bytes:
        """Read a command, say the lines and the verdict; gives the command without its tag."""
        tag, _, command = self.stream.readline().rstrip(b"\r\n").partition(b" ")
        if not tag:
            raise OSError("the client has gone")
        self.say(*lines, tag + b" " + verdict)
        return command

    def greet(self, capabilities: bytes = b"IMAP4rev1") -> None:
        """Up to and with the capabilities after a login."""
        self.say(b"* OK ready")
        self.answer(b"* CAPABILITY " + capabilities)
        assert self.answer().startswith(b"LOGIN ")
        self.answer(b"* CAPABILITY " + capabilities)

    def open(self, count: int, validity: bytes = b"* OK [UIDVALIDITY 7] fixed") -> None:
        assert self.answer(b"* %d EXISTS" % count, validity).startswith(b"EXAMINE ")


if __name__ == "__main__":
    asyncio.run(_serve_pymap(sys.argv[1]))
